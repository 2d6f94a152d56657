import Dispatch
import Glibc

/// Runs work that SIGINT and SIGTERM cancel instead of ending the process, so that it can clean up.
func cancelledBySignals<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
  let task = Task { try await work() }
  let sources = [SIGINT, SIGTERM].map { number in
    // Their default would end the process before anybody could be told.
    signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
    source.setEventHandler { task.cancel() }
    source.resume()
    return source
  }
  defer {
    for source in sources { source.cancel() }
    for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
  }
  return try await task.value
}
