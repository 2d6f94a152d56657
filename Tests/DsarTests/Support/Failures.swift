@testable import dsar

/// The failure that `body` ends with; nil when it ends well or with another error.
func failure(_ body: () async throws -> Void) async -> Failure? {
  do {
    try await body()
    return nil
  } catch {
    return error as? Failure
  }
}
