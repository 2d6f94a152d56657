import Audit
import Custody
import Foundation
import Signing
import Synchronization

/// What was answered to the callers, and what an auditor saw: nothing of it may be otherwise later.
final class CrashEvidence: Sendable {
  struct Person: Sendable {
    let tenant: Int
    let id: String
    let email: String
  }

  /// An answer: the log has an entry of this request.
  struct Acknowledgement: Sendable {
    let tenant: Int
    let request: UUID
    /// The entry's action, where there is only one that it can be.
    let action: AuditAction?
  }

  struct Order: Sendable {
    let person: Person
    let request: String
  }

  struct State: Sendable {
    var living: [String: Person] = [:]
    /// Known to be in this state at no time in particular: an erasure is being asked for, or the asking was cut off.
    var unsettled: Set<String> = []
    var ordered: [String: Order] = [:]
    var erased: [String: Person] = [:]
    var acknowledgements: [Acknowledgement] = []
    var answered = 0
    /// For each tenant: the leaf that was seen at the end of a committed log of that size.
    var heads: [[Int64: SHA256Digest]]
    /// For each tenant: the root that was seen in a signed checkpoint of that size.
    var roots: [[UInt64: SHA256Digest]]
    var newest: [SignedNote?]
    var complaints: [String] = []
    var counts: [String: Int] = [:]
    var isOver = false
  }

  private let state: Mutex<State>

  init(tenants: Int) {
    state = Mutex(
      State(
        heads: Array(repeating: [:], count: tenants), roots: Array(repeating: [:], count: tenants),
        newest: Array(repeating: nil, count: tenants)))
  }

  func with<Result>(_ body: (inout sending State) throws -> sending Result) rethrows -> sending Result {
    try state.withLock(body)
  }

  var isOver: Bool { state.withLock { $0.isOver } }
  var complaints: [String] { state.withLock { $0.complaints } }
  /// How many answers there were so far.
  var answered: Int { state.withLock { $0.answered } }
  var snapshot: State { state.withLock { $0 } }

  /// What has to be in the logs by now, once.
  func take() -> State {
    state.withLock { state in
      let taken = state
      state.acknowledgements = []
      for tenant in state.heads.indices { (state.heads[tenant], state.roots[tenant]) = ([:], [:]) }
      return taken
    }
  }

  func acknowledge(_ answer: Acknowledgement) {
    state.withLock { state in
      state.acknowledgements.append(answer)
      state.answered += 1
    }
  }

  func stop() { state.withLock { $0.isOver = true } }
  func count(_ what: String) { state.withLock { $0.counts[what, default: 0] += 1 } }
  func complain(_ text: String) {
    state.withLock { if $0.complaints.count < 50 { $0.complaints.append(text) } }
  }

  /// The end of a committed log, as somebody saw it.
  func saw(size: Int64, leaf: SHA256Digest, of tenant: Int) {
    state.withLock { state in
      let before = state.heads[tenant].updateValue(leaf, forKey: size)
      if let before, before != leaf { state.complaints.append("two logs of \(size) entries") }
    }
  }

  /// A checkpoint, as an auditor keeps it.
  func saw(_ note: SignedNote, _ checkpoint: Checkpoint, of tenant: Int) {
    state.withLock { state in
      let before = state.roots[tenant].updateValue(checkpoint.root, forKey: checkpoint.size)
      if let before, before != checkpoint.root { state.complaints.append("two checkpoints of size \(checkpoint.size)") }
      let newest = state.newest[tenant].flatMap { try? Checkpoint(parsing: $0.body) }
      if checkpoint.size >= newest?.size ?? 0 { state.newest[tenant] = note }
    }
  }
}
