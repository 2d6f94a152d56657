import Foundation

/// Measures pairs in turns: ours, baseline, ours, baseline …, after rounds that are not counted.
struct Harness: Sendable {
  /// Only measurements whose name contains this.
  let only: String?
  /// Fewer and shorter rounds: to see that everything runs.
  let quick: Bool
  /// Where databases and other files of a measurement go.
  let folder: String

  /// One batch: does so many operations and returns the nanoseconds that they took, without its preparation.
  typealias Batch = (_ count: Int) async throws -> Double

  /// A measurement that went wrong, in words.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Whether a measurement was asked for.
  func wants(_ name: String) -> Bool { only.map(name.contains) ?? true }

  /// Whether anything of a group was asked for.
  func wants(anyOf names: [String]) -> Bool { names.contains(where: wants) }

  /// Says on standard error what is being done.
  func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

  /// A pair that only computes, on this thread, by CPU time.
  func compareCPU(
    _ name: String, against baseline: String, goal: Double? = nil, ours: (Int) throws -> Void,
    baseline reference: (Int) throws -> Void
  ) async throws -> Comparison? {
    try await compare(
      name, against: baseline, goal: goal, clock: .cpu, rounds: quick ? 7 : 41,
      batchNanoseconds: quick ? 5_000_000 : 20_000_000,
      ours: { count in try cpuNanoseconds { try ours(count) } },
      baseline: { count in try cpuNanoseconds { try reference(count) } })
  }

  /// A pair of batches.
  ///
  /// - Parameters:
  ///   - rounds: how many pairs are counted.
  ///   - batchNanoseconds: about how long each batch shall take.
  ///   - count: operations of each batch, where that is fixed; otherwise found by trying.
  func compare(
    _ name: String, against label: String, goal: Double? = nil, clock: Clock, rounds: Int, batchNanoseconds: Double = 0,
    count: Int? = nil, ours: Batch, baseline: Batch
  ) async throws -> Comparison? {
    guard wants(name) else { return nil }
    say("  \(name)")
    let ourCount: Int
    let baselineCount: Int
    if let count {
      (ourCount, baselineCount) = (count, count)
      // Warm-up.
      _ = try await ours(count)
      _ = try await baseline(count)
    } else {
      ourCount = try await Self.calibrate(ours, batchNanoseconds)
      baselineCount = try await Self.calibrate(baseline, batchNanoseconds)
    }
    var ourTimes: [Double] = []
    var baselineTimes: [Double] = []
    for _ in 0..<rounds {
      ourTimes.append(try await ours(ourCount) / Double(ourCount))
      baselineTimes.append(try await baseline(baselineCount) / Double(baselineCount))
    }
    return Comparison(
      name: name, baseline: label, goal: goal, clock: clock, operations: [ourCount, baselineCount],
      ourNanoseconds: ourTimes, baselineNanoseconds: baselineTimes)
  }

  /// How many operations take about so long. Its tries are the warm-up.
  private static func calibrate(_ batch: Batch, _ nanoseconds: Double) async throws -> Int {
    var count = 16
    while true {
      let time = try await batch(count)
      if time >= nanoseconds / 2 { return max(16, Int(Double(count) * nanoseconds / time)) }
      count *= time < nanoseconds / 16 ? 8 : 2
    }
  }
}
