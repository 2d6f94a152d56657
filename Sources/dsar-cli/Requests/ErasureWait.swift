import StrictJSON

/// Waits until an erasure is certified.
struct ErasureWait {
  /// How long to wait in all.
  var limit: Duration = .seconds(60)
  /// How long to wait between two looks.
  var pause: Duration = .seconds(1)
  let client: ServiceClient
  let console: Console

  /// Looks at the request until its certificate is there, or the time is up.
  ///
  /// - Returns: the last that was seen: certified, or at least completed.
  /// - Throws: `Failure` when the erasure isn't completed in time.
  func certified(_ request: RequestSummary) async throws -> RequestSummary {
    let clock = ContinuousClock()
    let end = clock.now + limit
    var seen = request
    var step: String?
    while true {
      seen = RequestSummary(try await client.json("/privacy/data/\(request.id)"))
      if seen.erasureStep != step, let now = seen.erasureStep {
        console.note("erasure: \(now)")
        step = now
      }
      if seen.isCertified { return seen }
      guard clock.now + pause < end else { break }
      try await clock.sleep(for: pause)
    }
    guard seen.state == "completed" else {
      throw Failure(
        .refused, "the erasure is not completed yet (state \(seen.state)); look again: dsar request show \(seen.id)")
    }
    console.note("completed; the certificate follows the next checkpoint of the log")
    return seen
  }
}
