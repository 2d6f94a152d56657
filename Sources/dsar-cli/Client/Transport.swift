/// A request as it goes out.
struct OutgoingRequest: Sendable {
  /// `GET`, `POST`, …
  var method: String
  /// Path and query as they stand on the request line.
  var target: String
  /// Names and values of the fields, in order.
  var headers: [(name: String, value: String)]
  /// The body; empty for none.
  var body: [UInt8]
}

/// What came back.
struct Answer: Sendable {
  /// The status.
  var status: Int
  /// Names and values of the fields, in order.
  var headers: [(name: String, value: String)]
  /// The body, whole.
  var body: [UInt8]

  /// The first field of that name, in any case.
  func header(_ name: String) -> String? {
    headers.first { $0.name.lowercased() == name.lowercased() }?.value
  }

  /// Whether the request was done.
  var isSuccess: Bool { (200..<300).contains(status) }
}

/// How requests reach the server: over HTTP, or in a test without one.
struct Transport: Sendable {
  /// Sends a request and reads the answer, of which the body may have so many bytes.
  let send: @Sendable (_ request: OutgoingRequest, _ maximumBytes: Int) async throws -> Answer
}
