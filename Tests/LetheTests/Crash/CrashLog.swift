import Audit
import Custody
import Foundation
import Postgres
import Signing

/// One tenant's log, read from the database as it grows and recomputed from its bytes.
struct CrashLog {
  let tenant: TenantID
  private let origin: LogOrigin
  private(set) var leaves: [SHA256Digest] = []
  /// What each request is in the log with.
  private(set) var actions: [UUID: Set<AuditAction>] = [:]
  /// How often something happened to a subject, of what happens once.
  private(set) var completed: [UUID: Int] = [:]
  private var frontier = TreeFrontier()
  private var edges: [TreeFrontier] = [TreeFrontier()]
  private var time: Int64 = 0

  private static let stride = 64

  init(tenant: TenantID) {
    self.tenant = tenant
    origin = LogOrigin(host: "privacy.example.test", tenant: tenant.uuid)
  }

  /// Reads what is new; whatever is wrong with it.
  mutating func advance(_ admin: PostgresPool) async throws -> [String] {
    let tenant = tenant
    let start = Int64(leaves.count)
    let (head, rows) = try await Self.patiently {
      try await admin.transaction(readOnly: true, isolation: .repeatableRead) { transaction in
        (
          try transaction.query("SELECT size, leaf_hash FROM audit.heads WHERE tenant_id = \(tenant.uuid)"),
          // One before, too: it has to be what it was.
          try transaction.query(
            """
            SELECT seq, entry, leaf_hash FROM audit.entries
            WHERE tenant_id = \(tenant.uuid) AND seq >= \(start - 1) ORDER BY seq
            """)
        )
      }
    }
    var faults: [String] = []
    var expected = max(start - 1, 0)
    for row in rows {
      let bytes = try row.decode("entry", as: [UInt8].self)
      let leaf = MerkleTree.leafHash(bytes)
      let sequence = try row.decode("seq", as: Int64.self)
      if sequence != expected { faults.append("entry \(sequence) where \(expected) should be") }
      if try row.decode("leaf_hash", as: [UInt8].self) != leaf.bytes { faults.append("the leaf of \(sequence)") }
      expected = sequence + 1
      if sequence < start {
        if leaves[Int(sequence)] != leaf { faults.append("entry \(sequence) is another one") }
        continue
      }
      let entry = try Entry(parsing: bytes)
      if entry.sequence != UInt64(sequence) || entry.origin != origin { faults.append("the place of \(sequence)") }
      if entry.previous != leaves.last ?? origin.genesis { faults.append("the chain before \(sequence)") }
      if entry.time < time { faults.append("the time of \(sequence)") }
      time = entry.time
      leaves.append(leaf)
      frontier.append(leaf)
      if leaves.count % Self.stride == 0 { edges.append(frontier) }
      let record = try AuditRecord(body: entry.body)
      if let request = record.requestID { actions[request, default: []].insert(record.action) }
      if record.action == .erasureCompleted, let subject = record.subject { completed[subject, default: 0] += 1 }
    }
    let size = try head.first?.decode("size", as: Int64.self)
    let last = try head.first?.decode("leaf_hash", as: [UInt8].self)
    if size != Int64(leaves.count) { faults.append("the head says \(size ?? -1) entries, there are \(leaves.count)") }
    if last != leaves.last?.bytes { faults.append("the head names another leaf") }
    return faults
  }

  /// PostgreSQL may still be on its way down, or up.
  private static func patiently<Result>(_ ask: () async throws -> Result) async throws -> Result {
    for _ in 0..<200 {
      if let result = try? await ask() { return result }
      try await Task.sleep(for: .milliseconds(50))
    }
    return try await ask()
  }

  /// The tree's root when the log had `size` entries.
  func root(at size: Int) -> SHA256Digest {
    var edge = edges[size / Self.stride]
    for leaf in leaves[(size / Self.stride * Self.stride)..<size] { edge.append(leaf) }
    return edge.root
  }

  /// What an auditor saw and the log doesn't have.
  func contradictions(heads: [Int64: SHA256Digest], roots: [UInt64: SHA256Digest]) -> [String] {
    var faults: [String] = []
    for (size, leaf) in heads where size > 0 {
      if size > leaves.count {
        faults.append("\(size) entries were committed, there are \(leaves.count)")
      } else if leaves[Int(size) - 1] != leaf {
        faults.append("entry \(size - 1) was another one")
      }
    }
    for (size, seen) in roots {
      if size > UInt64(leaves.count) {
        faults.append("\(size) entries were published, there are \(leaves.count)")
      } else if root(at: Int(size)) != seen {
        faults.append("another log of \(size) entries was published")
      }
    }
    return faults
  }
}
