/// How far apart the neighbouring entries of one bundle are, between what heartbeats promise.
struct EntryPace: Sendable {
  /// The widest gap since the stretch before; the stretch ends with the entry that makes a promise, if one does.
  struct Stretch: Sendable {
    /// Microseconds.
    var gap: Int64 = 0
    /// The entry behind the gap.
    var sequence: UInt64 = 0
    /// What the heartbeat at its end promises, in seconds; `nil` for the bundle's last stretch.
    var promise: Int64?
  }

  /// At least one.
  private(set) var stretches = [Stretch()]
  /// Gaps that the auditor does not allow.
  private(set) var tooWide: [(sequence: UInt64, gap: Int64)] = []
  /// The longest gap allowed, in microseconds.
  let allowed: Int64

  init(allowed: Int64) { self.allowed = allowed }

  /// Takes an entry's distance from the one before it.
  mutating func add(gap: Int64, at sequence: UInt64) {
    let last = stretches.count - 1
    if gap > stretches[last].gap {
      stretches[last].gap = gap
      stretches[last].sequence = sequence
    }
    if gap > allowed { tooWide.append((sequence, gap)) }
  }

  /// Ends the stretch with a heartbeat.
  mutating func promise(seconds: Int64) {
    stretches[stretches.count - 1].promise = seconds
    stretches.append(Stretch())
  }
}

/// Follows the times of a log's entries: the widest gap, gaps that the auditor does not allow, broken promises.
struct GapCheck {
  /// The widest gap between two entries, in microseconds, and the entry behind it.
  private(set) var widest: (gap: Int64, sequence: UInt64)?
  private let options: VerifierOptions
  /// What the last heartbeat promised, in seconds.
  private var promise: Int64?

  init(_ options: VerifierOptions) { self.options = options }

  /// Takes the distance between two bundles, then what is inside the later one.
  ///
  /// - Parameter before: the time of the entry before the bundle's first one.
  mutating func add(_ result: BundleResult, after before: Int64?, file: String, _ report: inout VerificationReport) {
    if let before, let first = result.firstTime, !result.firstDoubtful, first > before {
      let sequence = result.index * 256
      see(first - before, sequence, &report)
      if first - before > options.allowedGap { add((sequence, first - before), file, &report) }
    }
    // A heartbeat that is a bundle's first entry ends a stretch of no gap: what was before it has just been seen.
    for stretch in result.pace.stretches {
      if stretch.gap > 0 { see(stretch.gap, stretch.sequence, &report) }
      promise = stretch.promise ?? promise
    }
    for wide in result.pace.tooWide { add(wide, file, &report) }
  }

  /// Compares the last entry's time with the auditor's clock.
  func finish(lastTime: Int64?, sequence: UInt64, _ report: inout VerificationReport) {
    guard let lastTime, options.now > lastTime else { return }
    let gap = options.now - lastTime
    if gap > options.allowedGap {
      report.add(Finding(.gap, sequence: sequence, "the last entry is \(Self.text(gap)) old"))
    }
    if let promise, gap > 2 * promise * 1_000_000 {
      report.note(
        "the last entry is \(Self.text(gap)) old, but a heartbeat promised one every \(promise) s: the copy is old, "
          + "or the log was cut off")
    }
  }

  private mutating func see(_ gap: Int64, _ sequence: UInt64, _ report: inout VerificationReport) {
    if gap > widest?.gap ?? 0 { widest = (gap, sequence) }
    if let promise, gap > 2 * promise * 1_000_000 {
      report.note(
        "entry \(sequence) came \(Self.text(gap)) after the one before it, but a heartbeat promised one every \(promise) s"
      )
    }
  }

  private func add(
    _ wide: (sequence: UInt64, gap: Int64), _ file: String, _ report: inout VerificationReport
  ) {
    report.add(
      Finding(.gap, file: file, sequence: wide.sequence, "\(Self.text(wide.gap)) after the entry before it"))
  }

  private static func text(_ microseconds: Int64) -> String { "\(microseconds / 1_000_000) s" }
}
