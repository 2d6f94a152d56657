import ArgumentParser
import Foundation
import StrictJSON

/// `dsar api`.
struct APICommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "api", abstract: "Send one authenticated request with a fresh proof, and print the answer.",
    discussion: """
      The body is printed whatever the status; a refusal also puts its line on standard error. Bodies hold personal
      data: @FILE and - keep them out of the shell's history and of the list of processes.

      EXAMPLES
        dsar api GET '/profiles?limit=3'
        dsar api POST /profiles --body @profile.json
        dsar api PATCH /profiles/ID --if-match '"1"' --body '{"language":"de"}'
        dsar api POST /profiles:search --body -
      """)

  @Argument(help: ArgumentHelp("GET, POST, PATCH, PUT or DELETE.", valueName: "method")) var method: String
  @Argument(help: ArgumentHelp("Path and query, beginning with a slash, percent-encoded.", valueName: "path"))
  var path: String
  @Option(help: ArgumentHelp("The body: JSON, @FILE, or - for standard input.", valueName: "json|@file|-"))
  var body: String?
  @Option(help: ArgumentHelp("The entity tag of the version to change.", valueName: "tag")) var ifMatch: String?
  @Option(help: ArgumentHelp("Names this attempt, instead of a random UUID.", valueName: "key"))
  var idempotencyKey: String?
  @Flag(help: "Print the status and the fields first.") var include = false
  @Flag(help: "Print the body byte for byte.") var raw = false
  @OptionGroup var sessions: SessionOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard ["GET", "POST", "PATCH", "PUT", "DELETE"].contains(method.uppercased()) else {
      throw ValidationError("The method is GET, POST, PATCH, PUT or DELETE.")
    }
    guard Self.isTarget(path) else {
      throw ValidationError("The path begins with one slash and holds only what a URL may; encode the rest with %XX.")
    }
    guard [ifMatch, idempotencyKey].compactMap(\.self).allSatisfy(Self.isFieldValue) else {
      throw ValidationError("--if-match and --idempotency-key take visible ASCII characters.")
    }
  }

  func run() async throws {
    try await reporting {
      var headers: [(name: String, value: String)] = []
      if let ifMatch { headers.append(("If-Match", ifMatch)) }
      if let idempotencyKey { headers.append(("Idempotency-Key", idempotencyKey)) }
      let fields = headers
      let bytes = try bodyBytes()
      try await ServiceClient.with(sessions) { client in
        let answer = try await client.send(
          method.uppercased(), path, headers: fields, body: bytes, maximumBytes: AccessPackage.maximumBytes)
        show(answer)
        guard answer.isSuccess else { throw Refusal(answer).failure }
      }
    }
  }

  private func bodyBytes() throws(Failure) -> [UInt8] {
    guard let body else { return [] }
    if body == "-" { return try InputFile.read("-", maximum: 1 << 20) }
    if body.hasPrefix("@") { return try InputFile.read(String(body.dropFirst()), maximum: 1 << 20) }
    return Array(body.utf8)
  }

  private func show(_ answer: Answer) {
    if include {
      Console.standard.say("HTTP \(answer.status)")
      for field in answer.headers { Console.standard.say("\(field.name): \(field.value)") }
      Console.standard.say()
    }
    guard !answer.body.isEmpty else { return }
    let isJSON = answer.header("content-type")?.lowercased().contains("json") ?? false
    let limits = JSONLimits(maxBytes: AccessPackage.maximumBytes, maxMembers: 1_000_000)
    if !raw, isJSON, let value = try? JSONValue(parsing: answer.body, limits: limits) {
      Console.standard.say(json: value)
    } else {
      Console.standard.emit(answer.body)
    }
  }

  /// Whether a text can stand on a request line without being encoded or understood in another way.
  static func isTarget(_ text: String) -> Bool {
    text.hasPrefix("/") && !text.hasPrefix("//")
      && text.utf8.allSatisfy { byte in
        switch byte {
        case 0x41...0x5A, 0x61...0x7A, 0x30...0x39: true
        default: "-._~!$&'()*+,;=:@%/?".utf8.contains(byte)
        }
      }
  }

  private static func isFieldValue(_ text: String) -> Bool {
    (1...255).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
  }
}
