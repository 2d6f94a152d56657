import Glibc
public import Logging

/// Writes one JSON object a line, with every text in it masked by a ``PersonalDataDetector``.
///
/// Members: `time` (RFC 3339, UTC, milliseconds), `level`, `label`, `message`, `error` when there is one, `metadata`
/// when there is any (sorted by name; an event's own values win over the provider's, those over the handler's).
/// Control characters are escaped, so no value can begin a line of its own. Values under names such as
/// `authorization` or `password` are withheld altogether.
///
/// ```swift
/// LoggingSystem.bootstrap { JSONLogHandler(label: $0) }
/// ```
public struct JSONLogHandler: LogHandler {
  /// Events below it are not written.
  public var logLevel: Logger.Level
  /// Values that go with every event.
  public var metadata: Logger.Metadata = [:]
  /// Gives values of the task at hand, asked at each event.
  public var metadataProvider: Logger.MetadataProvider?

  private let label: String
  private let detector = PersonalDataDetector()
  private let now: @Sendable () -> Int64
  private let sink: @Sendable (String) -> Void

  /// A handler for one logger.
  ///
  /// - Parameters:
  ///   - label: the logger's name.
  ///   - logLevel: the lowest level that is written.
  ///   - now: milliseconds since 1970 in UTC; the system's clock when left out.
  ///   - sink: takes each line, without its line feed, from any thread; standard error when left out, one `write`
  ///     for each line.
  public init(
    label: String,
    logLevel: Logger.Level = .info,
    metadataProvider: Logger.MetadataProvider? = nil,
    now: @escaping @Sendable () -> Int64 = JSONLogHandler.systemTime,
    sink: @escaping @Sendable (String) -> Void = JSONLogHandler.writeToStandardError
  ) {
    self.label = label
    self.logLevel = logLevel
    self.metadataProvider = metadataProvider
    self.now = now
    self.sink = sink
  }

  /// One value that goes with every event.
  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  /// Writes the event as one line.
  public func log(event: LogEvent) {
    var line = #"{"time":"# + quoted(RFC3339.text(milliseconds: now()))
    line += #","level":"# + quoted(event.level.rawValue)
    line += #","label":"# + quoted(detector.masked(label))
    line += #","message":"# + quoted(detector.masked(event.message.description))
    if let error = event.error {
      line += #","error":"# + quoted(detector.masked(String(describing: error)))
    }
    var all = metadata
    if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
    if let own = event.metadata { all.merge(own) { $1 } }
    if !all.isEmpty { line += #","metadata":"# + json(.dictionary(all), depth: 0) }
    sink(line + "}")
  }

  /// The default clock: milliseconds since 1970 in UTC.
  public static func systemTime() -> Int64 {
    var time = timespec()
    // The pointer is valid for the call; this clock always exists.
    _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }

  /// The default sink: the line and a line feed in one `write`, so that lines of several threads don't mix. A line
  /// that can't be written is lost: there is no other place to say so.
  public static func writeToStandardError(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    var offset = 0
    while offset < bytes.count {
      // The pointer is valid for the closure; the length never passes the end of the array.
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe write(STDERR_FILENO, buffer.baseAddress?.advanced(by: offset), buffer.count - offset)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return }
      offset += count
    }
  }

  /// Deeper metadata is not written: nobody writes it on purpose, and this is recursive.
  private static let greatestDepth = 8

  /// Names under which nothing is safe to write, in lower case without `-` and `_`.
  private static let withheld: Set<String> = [
    "authorization", "proxyauthorization", "dpop", "cookie", "setcookie", "password", "passphrase", "secret", "token",
    "accesstoken", "refreshtoken", "idtoken", "privatekey", "seed", "apikey", "email", "phone", "phonenumber",
  ]

  private func json(_ value: Logger.Metadata.Value, depth: Int) -> String {
    guard depth <= Self.greatestDepth else { return quoted("…") }
    switch value {
    case .string(let text): return quoted(detector.masked(text))
    case .stringConvertible(let value): return quoted(detector.masked(value.description))
    case .array(let values): return "[" + values.map { json($0, depth: depth + 1) }.joined(separator: ",") + "]"
    case .dictionary(let values):
      let members = values.sorted { $0.key < $1.key }.map { name, value in
        let plain = name.lowercased().filter { $0 != "-" && $0 != "_" }
        let text = Self.withheld.contains(plain) ? quoted("‹withheld›") : json(value, depth: depth + 1)
        return quoted(detector.masked(name)) + ":" + text
      }
      return "{" + members.joined(separator: ",") + "}"
    }
  }

  /// A JSON string. Escapes what JSON demands, and what a terminal or another program would take for a line's end.
  private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x22: result += #"\""#
      case 0x5C: result += #"\\"#
      case 0x0A: result += #"\n"#
      case 0..<0x20, 0x7F...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069:
        let digits = String(scalar.value, radix: 16)
        result += #"\u"# + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
