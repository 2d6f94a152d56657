import Foundation

/// Microseconds since the Unix epoch, the one unit of time in rows and entries.
public struct Microseconds: Sendable {
  /// Now, by the system's real-time clock.
  public static func now() -> Int64 {
    var time = timespec()
    // The structure is ours and outlives the call.
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
  }
}
