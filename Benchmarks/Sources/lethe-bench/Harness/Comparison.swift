/// Our part beside its baseline, measured in turns.
struct Comparison: Sendable, Encodable {
  /// Where it belongs and what it is: `vault/seal/32`.
  let name: String
  /// What the baseline does.
  let baseline: String
  /// The ratio that the design asks for, where it does.
  let goal: Double?
  /// By which clock both were measured.
  let clock: Clock
  /// Operations of ours, and of the baseline's, in each round.
  let operations: [Int]
  /// Nanoseconds an operation of ours, round by round.
  let ourNanoseconds: [Double]
  /// Nanoseconds an operation of the baseline's, round by round.
  let baselineNanoseconds: [Double]

  /// The ratio of each round: neighbours in time, so that a busy machine slows both.
  var ratios: [Double] { zip(ourNanoseconds, baselineNanoseconds).map { $0 / $1 } }

  /// Our fastest round against the baseline's fastest. On a busy machine, where even neighbours are slowed unequally,
  /// it says more than the median of ``ratios``; on a quiet one the two agree.
  var ratioOfFastest: Double { (ourNanoseconds.min() ?? 0) / (baselineNanoseconds.min() ?? 1) }
}

/// A value that has nothing to be compared with.
struct Figure: Sendable, Encodable {
  /// Where it belongs and what it is.
  let name: String
  /// The values, one for each time it was measured.
  let values: [Double]
  /// What they count: `ms`, `MiB`, `requests/s`.
  let unit: String
  /// What has to be known to read it.
  let note: String
}

/// What a group of measurements gives.
struct Findings: Sendable, Encodable {
  var comparisons: [Comparison] = []
  var figures: [Figure] = []
  /// What was left out, and why.
  var notes: [String] = []

  mutating func append(_ other: Findings) {
    comparisons += other.comparisons
    figures += other.figures
    notes += other.notes
  }
}
