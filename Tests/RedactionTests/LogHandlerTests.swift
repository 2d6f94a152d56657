import Foundation
import Logging
import Redaction
import Synchronization
import Testing

@Suite("The JSON log handler")
struct LogHandlerTests {
  /// Collects the lines of one logger.
  final class Lines: Sendable {
    private let lines = Mutex<[String]>([])

    func append(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }

    func logger(_ change: (inout JSONLogHandler) -> Void = { _ in }) -> Logger {
      var handler = JSONLogHandler(label: "test", logLevel: .debug, now: { 1_767_225_599_042 }, sink: append)
      change(&handler)
      let ready = handler
      return Logger(label: "test") { _ in ready }
    }
  }

  struct Failure: Error, CustomStringConvertible {
    var description: String { "no mail to canary@example.com" }
  }

  private func object(_ line: String) throws -> [String: Any] {
    try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
  }

  @Test("an event is one line of JSON with its members in order")
  func line() {
    let lines = Lines()
    lines.logger().info("started", metadata: ["port": "5432", "id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"])
    #expect(
      lines.all == [
        #"{"time":"2025-12-31T23:59:59.042Z","level":"info","label":"test","message":"started","#
          + #""metadata":{"id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","port":"5432"}}"#
      ])
  }

  @Test(
    "the time is right on both sides of leap days, months and years",
    arguments: [
      (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
      (951_868_799_999, "2000-02-29T23:59:59.999Z"), (1_709_251_199_001, "2024-02-29T23:59:59.001Z"),
      (1_709_251_200_000, "2024-03-01T00:00:00.000Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
      (-1, "1969-12-31T23:59:59.999Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ] as [(Int64, String)])
  func time(milliseconds: Int64, text: String) throws {
    let lines = Lines()
    let handler = JSONLogHandler(label: "t", now: { milliseconds }, sink: lines.append)
    Logger(label: "t") { _ in handler }.error("x")
    #expect(try object(lines.all[0])["time"] as? String == text)
  }

  @Test("no value begins a line of its own or leaves its string")
  func injection() throws {
    let lines = Lines()
    let evil = "a\nb\r\n{\"level\":\"info\"}\u{2028}\u{85}\u{1B}[31m\u{202E}\"\\\u{0}"
    lines.logger().warning("\(evil)", metadata: ["k\n\"": "\(evil)", "list": ["\(evil)", ["d": "\(evil)"]]])
    let line = try #require(lines.all.first)
    #expect(line.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control })
    #expect(!line.contains("\u{2028}"))
    #expect(!line.contains("\u{202E}"))
    let parsed = try object(line)
    #expect(parsed["message"] as? String == evil)
    #expect((parsed["metadata"] as? [String: Any])?["k\n\""] as? String == evil)
    #expect(parsed["level"] as? String == "warning")
  }

  static let canaries = [
    "canary@example.com", "canary.o'neil+x@mail.example.org", "+4915199999999", "+49 151 999 999 99", DetectorTests.jwt,
    "postgres://u:canary-password@h/d", "DPoP canary-credential-1",
    "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----",
  ]

  @Test("a canary put into any part of an event never comes out", arguments: canaries)
  func canary(_ canary: String) throws {
    let lines = Lines()
    var logger = lines.logger { handler in
      handler.metadataProvider = Logger.MetadataProvider { ["provided": "p \(canary)"] }
    }
    logger[metadataKey: "own"] = "o \(canary)"
    logger.error(
      "m \(canary) \(Personal(canary))",
      metadata: [
        "text": "t \(canary)", "value": .stringConvertible(Described(text: canary)), "list": ["\(canary)"],
        "nested": ["deep": ["\(canary)"]], "\(canary)": "key", "personal": "\(Personal(canary))",
        "any": "\([Personal(canary)])",
      ])
    let line = try #require(lines.all.first)
    _ = try object(line)
    #expect(!line.contains("canary"))
    #expect(!line.contains("999"))
    #expect(!line.contains("eyJ"))
    #expect(line.contains("‹personal›"))
  }

  struct Described: CustomStringConvertible, Sendable {
    let text: String
    var description: String { "described \(text)" }
  }

  @Test(
    "values under telling names are withheld whole",
    arguments: [
      "authorization", "Authorization", "Set-Cookie", "password", "access_token", "DPoP", "private_key", "email",
    ])
  func withheld(name: String) throws {
    let lines = Lines()
    lines.logger().info("x", metadata: ["\(name)": "plain words", "outer": ["\(name)": ["plain words"]]])
    let metadata = try #require(object(lines.all[0])["metadata"] as? [String: Any])
    #expect(metadata[name] as? String == "‹withheld›")
    #expect((metadata["outer"] as? [String: Any])?[name] as? String == "‹withheld›")
  }

  @Test("an event's own values win over the provider's, and those over the handler's")
  func precedence() throws {
    let lines = Lines()
    var logger = lines.logger { handler in
      handler.metadataProvider = Logger.MetadataProvider { ["a": "provider", "b": "provider"] }
    }
    logger[metadataKey: "a"] = "handler"
    logger[metadataKey: "b"] = "handler"
    logger[metadataKey: "c"] = "handler"
    logger.info("x", metadata: ["a": "event"])
    let metadata = try object(lines.all[0])["metadata"] as? [String: String]
    #expect(metadata == ["a": "event", "b": "provider", "c": "handler"])
    #expect(logger[metadataKey: "c"] == "handler")
  }

  @Test("an error is described and masked")
  func error() throws {
    let lines = Lines()
    lines.logger().error("failed", error: Failure())
    #expect(try object(lines.all[0])["error"] as? String == "no mail to ‹email›")
  }

  @Test("events below the level are not written, and no metadata leaves none")
  func level() throws {
    let lines = Lines()
    let logger = lines.logger { $0.logLevel = .warning }
    logger.info("hidden")
    logger.warning("shown")
    #expect(lines.all.count == 1)
    #expect(try object(lines.all[0])["metadata"] == nil)
  }

  @Test("metadata nested without end is cut off")
  func depth() throws {
    var value: Logger.MetadataValue = "bottom"
    for _ in 0..<50 { value = ["x": value] }
    let lines = Lines()
    lines.logger().info("x", metadata: ["deep": value])
    #expect(!lines.all[0].contains("bottom"))
    #expect(try object(lines.all[0])["message"] as? String == "x")
  }

  @Test("the system's clock is the default")
  func clock() {
    let before = Int64(Date().timeIntervalSince1970 * 1000)
    let now = JSONLogHandler.systemTime()
    #expect((before - 1000...before + 60_000).contains(now))
  }
}
