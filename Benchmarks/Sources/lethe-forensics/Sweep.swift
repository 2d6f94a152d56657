import Foundation
import Synchronization

/// Tries every window of files, on every core.
struct Sweep {
  let evidence: Evidence

  /// What was found in one place.
  struct Tally {
    var files = 0
    var bytes = 0
    /// Windows that were tried; the others repeat one byte, or are in a file with the same content as another.
    var windows = 0
    var hits: [(file: String, hit: Hit)] = []
  }

  /// Part of a file; neighbours overlap by 31 bytes, so that every window is in exactly one.
  private struct Piece {
    let file: Int
    let range: Range<Int>
  }

  private struct State {
    var next = 0
    var bytes = 0
    var windows = 0
    var reportedAt = ContinuousClock.now
    var tallies: [Place: Tally] = [:]
  }

  private static let pieceBytes = 1 << 20

  /// What the threads share.
  private final class Progress: Sendable {
    let state: Mutex<State>
    let began = ContinuousClock.now

    init(_ state: sending State) { self.state = Mutex(state) }

    /// The next piece's number; nil when there is none left.
    func next(of count: Int) -> Int? {
      state.withLock { state in
        guard state.next < count else { return nil }
        state.next += 1
        return state.next - 1
      }
    }
  }

  /// Sweeps the files; progress goes to standard error.
  func run(_ files: [SweptFile], _ name: String) async throws -> [Place: Tally] {
    let contents = try files.map { try Data(contentsOf: URL(fileURLWithPath: $0.path), options: .mappedIfSafe) }
    var first = State()
    for (file, content) in zip(files, contents) {
      first.tallies[file.place, default: Tally()].files += 1
      first.tallies[file.place, default: Tally()].bytes += content.count
    }
    let twins = Self.twins(contents)
    let swept = contents.indices.filter { twins[$0] == nil }
    let total = swept.map { contents[$0].count }.reduce(0, +)
    let pieces = swept.flatMap { file in
      stride(from: 0, to: contents[file].count, by: Self.pieceBytes).map { start in
        Piece(file: file, range: start..<min(contents[file].count, start + Self.pieceBytes + 31))
      }
    }
    let progress = Progress(first)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<ProcessInfo.processInfo.activeProcessorCount {
        group.addTask {
          while let number = progress.next(of: pieces.count) {
            let piece = pieces[number]
            try sweep(piece, of: files[piece.file], contents[piece.file], progress, of: total, name)
          }
        }
      }
      try await group.waitForAll()
    }
    return progress.state.withLock { state in
      Self.report(name, total, of: total, state.windows, since: progress.began)
      // What is in a file is in each of its twins.
      let found = Dictionary(grouping: state.tallies.values.flatMap(\.hits), by: \.file)
      for (twin, file) in twins {
        let hits = (found[files[file].path] ?? []).map { (file: files[twin].path, hit: $0.hit) }
        state.tallies[files[twin].place, default: Tally()].hits += hits
      }
      return state.tallies
    }
  }

  /// For each file with the same content as an earlier one, that one: new databases are copies of a template.
  private static func twins(_ contents: [Data]) -> [Int: Int] {
    var known: [Int: [Int]] = [:]
    var twins: [Int: Int] = [:]
    for (index, content) in contents.enumerated() {
      if let same = known[content.count]?.first(where: { contents[$0] == content }) {
        twins[index] = same
      } else {
        known[content.count, default: []].append(index)
      }
    }
    return twins
  }

  private func sweep(
    _ piece: Piece, of file: SweptFile, _ content: Data, _ progress: Progress, of total: Int, _ name: String
  ) throws {
    let (hits, tried) = try content.withUnsafeBytes { bytes in
      try evidence.sweep(UnsafeRawBufferPointer(rebasing: bytes[piece.range]))
    }
    let placed = hits.map { hit in
      Hit(offset: piece.range.lowerBound + hit.offset, wanted: hit.wanted, role: hit.role, opened: hit.opened)
    }
    progress.state.withLock { state in
      state.windows += tried
      state.bytes += min(piece.range.count, Self.pieceBytes)
      state.tallies[file.place, default: Tally()].windows += tried
      state.tallies[file.place, default: Tally()].hits += placed.map { (file.path, $0) }
      if state.reportedAt.duration(to: .now) >= .seconds(5) {
        state.reportedAt = .now
        Self.report(name, state.bytes, of: total, state.windows, since: progress.began)
      }
    }
  }

  private static func report(
    _ name: String, _ bytes: Int, of total: Int, _ windows: Int, since began: ContinuousClock.Instant
  ) {
    let elapsed = began.duration(to: .now).components
    let seconds = max(0.001, Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18)
    say(
      "  \(name): " + megabytes(bytes) + " of " + megabytes(total) + ", "
        + String(
          format: "%.1f MB/s, %.0f windows/s, %.0f s", Double(bytes) / 1e6 / seconds, Double(windows) / seconds, seconds
        ))
  }
}

/// Says on standard error what is being done.
func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

/// Millions of bytes, one decimal.
func megabytes(_ bytes: Int) -> String { String(format: "%.1f MB", Double(bytes) / 1e6) }
