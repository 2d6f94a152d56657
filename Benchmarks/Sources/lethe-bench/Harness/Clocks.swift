import CBaseline
import Foundation

/// What a batch took, by one of two clocks.
enum Clock: String, Sendable, Encodable {
  /// CPU time of the one thread that does the work. Waiting for a processor does not count; caches and execution units
  /// that are shared with others do, so a busy machine still shows.
  case cpu
  /// Time as it passes: for work that waits for disks, sockets and other threads.
  case wall
}

/// Nanoseconds of CPU time that synchronous work takes on this thread.
func cpuNanoseconds(_ work: () throws -> Void) rethrows -> Double {
  let begin = baseline_thread_nanoseconds()
  try work()
  return Double(baseline_thread_nanoseconds() - begin)
}

/// Nanoseconds until the work is done.
func wallNanoseconds(_ work: () async throws -> Void) async rethrows -> Double {
  let begin = baseline_wall_nanoseconds()
  try await work()
  return Double(baseline_wall_nanoseconds() - begin)
}

/// Runs blocking work on a thread of its own, so that the tasks' threads stay free.
func onOwnThread<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
  await withCheckedContinuation { continuation in
    Thread { continuation.resume(returning: work()) }.start()
  }
}

extension [Double] {
  /// The middle value, or the mean of the two in the middle; 0 of nothing.
  var median: Double {
    guard !isEmpty else { return 0 }
    let sorted = sorted()
    let middle = count / 2
    return count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
  }

  /// The value below which that share of all values lies; 0 of nothing.
  func percentile(_ share: Double) -> Double {
    guard !isEmpty else { return 0 }
    return sorted()[Swift.min(count - 1, Int(Double(count) * share))]
  }
}
