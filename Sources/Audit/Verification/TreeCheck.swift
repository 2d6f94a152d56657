internal import Signing

/// Builds the tree out of bundle after bundle, and compares tiles and checkpoints with it on the way.
///
/// A bundle is absorbed when the next one has arrived, whose first entry names the hash of its last.
struct TreeCheck {
  private(set) var frontier: TreeFrontier
  private(set) var lastTime: Int64?
  /// Whether the log's last entry was read.
  private(set) var hasReadLast = false
  /// What the entries say about the log itself.
  private(set) var story: LogStory
  private let reader: ArchiveReader
  private let head: Checkpoint
  private let start: TreeStart
  private let superseded: Set<String>
  private let checkpoints: CheckpointCheck
  private var ledger: LedgerCheck?
  private var gaps: GapCheck
  private var due: ArraySlice<UInt64>
  private var waiting: BundleResult?
  private var firstTime: Int64?
  /// The hashes of each level's last tile above level 0.
  private var levels: [[SHA256Digest]]
  /// Whether a bundle and its tile were both unreadable, so that no later root can be known.
  private var broken = false

  init(
    reader: ArchiveReader, head: Checkpoint, start: TreeStart, layout: LayoutCheck, checkpoints: CheckpointCheck,
    ledger: LedgerCheck?, retention: RetentionNote?, options: VerifierOptions
  ) {
    story = LogStory(retention: retention)
    self.reader = reader
    self.head = head
    self.start = start
    self.checkpoints = checkpoints
    self.ledger = ledger
    gaps = GapCheck(options)
    superseded = layout.superseded
    due = checkpoints.sizes(layout.exported, from: start.size, upTo: head.size)[...]
    frontier = start.frontier
    levels = start.levels
  }

  mutating func add(_ result: BundleResult, _ report: inout VerificationReport) {
    checkStart(&report)
    if var before = waiting {
      settle(&before, claimed: result.firstPrevious, &report)
      absorb(before, &report)
      if !result.firstDoubtful, let claimed = result.firstPrevious, let last = before.leaves.last, claimed != last {
        report.add(chainFinding(result))
      }
    } else if !result.firstDoubtful, let claimed = result.firstPrevious, claimed != start.previous ?? genesis {
      report.add(chainFinding(result))
    }
    if let first = result.firstTime, let lastTime, first < lastTime, !result.firstDoubtful {
      report.add(
        Finding(
          .time, file: bundle(result), sequence: result.index * 256, "earlier than the entry before it"))
    }
    gaps.add(result, after: lastTime, file: bundle(result), &report)
    firstTime = firstTime ?? result.firstTime
    lastTime = result.lastTime ?? lastTime
    waiting = result
  }

  /// A checkpoint of the entries before the first bundle, such as that of the empty log.
  private mutating func checkStart(_ report: inout VerificationReport) {
    guard waiting == nil, frontier.size == start.size, due.first == start.size else { return }
    checkpoints.check(due.removeFirst(), root: frontier.root, &report)
  }

  mutating func finish(_ report: inout VerificationReport) {
    checkStart(&report)
    if let last = waiting { absorb(decideLast(last, &report), &report) }
    waiting = nil
    for level in levels.indices { compareTile(level: level + 1, levels[level], &report) }
    if !broken, frontier.size == head.size, frontier.root != head.root {
      report.add(Finding(.root, file: "checkpoint", "the entries do not hash to the signed root"))
    }
    report.lastTime = lastTime
    report.widestGap = gaps.widest?.gap ?? 0
    report.widestGapEnd = gaps.widest?.sequence
    if head.size > 0 { gaps.finish(lastTime: lastTime, sequence: head.size - 1, &report) }
    // What began before the entries that were read again may end among them.
    if start.size == 0 {
      ledger?.finish(firstTime: report.expired > 0 ? firstTime : nil, lastTime: lastTime, &report)
    }
  }

  private var genesis: SHA256Digest? { LogOrigin(head.origin)?.genesis }

  private func bundle(_ result: BundleResult) -> String {
    ArchiveReader.place(.entries(index: result.index), count: head.size).text
  }

  private func tile(_ result: BundleResult) -> String {
    ArchiveReader.place(.tile(level: 0, index: result.index), count: head.size).text
  }

  private func chainFinding(_ result: BundleResult) -> Finding {
    Finding(
      .chain, file: bundle(result), sequence: result.index * 256, "does not name the hash of the entry before it")
  }

  /// Decides whether a bundle's last entry or its hash in the tile was changed.
  private func settle(_ result: inout BundleResult, claimed: SHA256Digest?, _ report: inout VerificationReport) {
    guard let stored = result.lastStored, let computed = result.leaves.last else { return }
    let sequence = result.index * 256 + UInt64(result.leaves.count) - 1
    if claimed == computed {
      result.findings.append(
        Finding(.tile, file: tile(result), sequence: sequence, "its hash is not that of the entry"))
    } else {
      if claimed == stored {
        result.leaves[result.leaves.count - 1] = stored
        if result.root != nil { result.root = MerkleTree.root(of: result.leaves) }
      }
      result.findings.append(
        Finding(.leaf, file: bundle(result), sequence: sequence, "its hash is not the one in the tile"))
    }
    result.lastStored = nil
  }

  /// No entry follows the last one: the signed root tells which of the two hashes is right.
  private func decideLast(_ result: BundleResult, _ report: inout VerificationReport) -> BundleResult {
    var result = result
    guard let stored = result.lastStored, let computed = result.leaves.last else { return result }
    var tree = frontier
    for leaf in result.leaves { tree.append(leaf) }
    settle(&result, claimed: tree.root == head.root ? computed : stored, &report)
    return result
  }

  private mutating func absorb(_ result: BundleResult, _ report: inout VerificationReport) {
    for finding in result.findings { report.add(finding) }
    report.entries += result.entries
    report.expired += result.expired
    hasReadLast = result.entries > 0
    for entry in result.noted { take(entry, file: bundle(result), &report) }
    guard !broken, !result.leaves.isEmpty else {
      broken = true
      return
    }
    let end = frontier.size + UInt64(result.leaves.count)
    if let next = due.first, next <= end {
      for leaf in result.leaves {
        frontier.append(leaf)
        if due.first == frontier.size {
          due.removeFirst()
          checkpoints.check(frontier.size, root: frontier.root, &report)
        }
      }
    } else if let root = result.root {
      frontier.append(subtree: root, level: 8)
    } else {
      for leaf in result.leaves { frontier.append(leaf) }
    }
    if let root = result.root { raise(root, level: 1, &report) }
  }

  private mutating func take(_ entry: NotedEntry, file: String, _ report: inout VerificationReport) {
    guard case .erasure(let completed, let subject, let commitment) = entry.content else {
      return story.see(entry, file: file, &report)
    }
    if completed { report.erasures += 1 }
    ledger?.see(
      completed: completed, subject: subject, commitment: commitment, at: entry.sequence, file: file, &report)
  }

  private mutating func raise(_ hash: SHA256Digest, level: Int, _ report: inout VerificationReport) {
    if levels.count < level { levels.append([]) }
    levels[level - 1].append(hash)
    guard levels[level - 1].count == TilePath.fullWidth else { return }
    let hashes = levels[level - 1]
    compareTile(level: level, hashes, &report)
    levels[level - 1] = []
    raise(MerkleTree.root(of: hashes), level: level + 1, &report)
  }

  private func compareTile(level: Int, _ hashes: [SHA256Digest], _ report: inout VerificationReport) {
    guard !hashes.isEmpty else { return }
    let last = (frontier.size >> (8 * UInt64(level)) - 1) / 256
    let place = TilePath.tile(level: level, index: last, width: hashes.count)
    do {
      let (bytes, _) = try reader.content(place)
      let expected = Tile.bytes(hashes)
      if bytes.count < expected.count || !bytes.starts(with: expected) {
        let differing = zip(bytes, expected).enumerated().first { $1.0 != $1.1 }?.offset ?? bytes.count
        report.add(Finding(.tile, file: place.text, "hash \(differing / 32) is not that of the tile below"))
      }
      if superseded.contains(place.partials) {
        for finding in Superseded.findings(reader, place, expected) { report.add(finding) }
      }
    } catch { report.add(Finding(error, file: place.text)) }
  }
}
