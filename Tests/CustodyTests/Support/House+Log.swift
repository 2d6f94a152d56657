import Audit
import Foundation
import Postgres
import Signing
import Testing

@testable import Custody

/// One entry of a tenant's log, as the database has it.
struct LogLine: Sendable {
  let entry: Entry
  let record: AuditRecord

  var sequence: Int64 { Int64(entry.sequence) }
  var action: AuditAction { record.action }
}

extension House {
  /// The tenant's log, after recomputing all of it: contiguous, chained, hashed, timed, and ending at its head.
  func log(of other: TenantID? = nil) async throws -> [LogLine] {
    let tenant = other ?? self.tenant
    let origin = custody.origin(of: tenant)
    let rows = try await admin.read(
      "SELECT seq, entry, leaf_hash FROM audit.entries WHERE tenant_id = \(tenant.uuid) ORDER BY seq")
    var lines: [LogLine] = []
    var previous = origin.genesis
    var time: Int64 = 0
    for (position, row) in rows.enumerated() {
      let bytes = try row.decode("entry", as: [UInt8].self)
      let entry = try Entry(parsing: bytes)
      let stored = try row.decode("leaf_hash", as: [UInt8].self)
      #expect(try row.decode("seq", as: Int64.self) == Int64(position))
      #expect(entry.sequence == UInt64(position))
      #expect(entry.origin == origin)
      #expect(entry.previous == previous)
      #expect(entry.time >= time)
      previous = MerkleTree.leafHash(bytes)
      time = entry.time
      #expect(stored == previous.bytes)
      lines.append(LogLine(entry: entry, record: try AuditRecord(body: entry.body)))
    }
    let heads = try await admin.read("SELECT size, leaf_hash FROM audit.heads WHERE tenant_id = \(tenant.uuid)")
    let head = try #require(heads.first)
    #expect(try head.decode("size", as: Int64.self) == Int64(lines.count))
    #expect(try head.decode("leaf_hash", as: [UInt8].self) == previous.bytes)
    return lines
  }

  /// What was added to the log while `body` ran.
  func added<Result>(_ body: () async throws -> Result) async throws -> (result: Result, lines: [LogLine]) {
    let before = try await log().count
    let result = try await body()
    return (result, Array(try await log().dropFirst(before)))
  }

  /// The side table's rows of one entry, ordered by subject.
  func side(of sequence: Int64) async throws -> [(subject: SubjectID, salt: [UInt8])] {
    try await admin.read(
      """
      SELECT subject_id, salt FROM audit.entry_subjects
      WHERE tenant_id = \(tenant.uuid) AND seq = \(sequence) ORDER BY subject_id
      """
    ).map {
      (SubjectID(try $0.decode("subject_id", as: UUID.self)), try $0.decode("salt", as: [UInt8].self))
    }
  }

  /// Verifies the tenant's archive like somebody who has nothing but the key and the files.
  func verifiedArchive(_ other: TenantID? = nil) throws -> VerificationReport {
    let tenant = other ?? self.tenant
    return ArchiveVerifier(
      folder: server.checkpointer.folder(of: tenant), keys: [try server.checkpointer.signer(of: tenant).verifierKey()],
      held: nil, ledger: server.ledger
    ).verify()
  }

  /// Asserts that an erasure happened once, whole, and is in the archive.
  func expectErasedOnce(_ request: UUID, of subject: SubjectID) async throws {
    let lines = try await log().filter { $0.record.subject == subject.uuid }
    for action in [AuditAction.erasureStarted, .erasureCompleted, .certificateIssued] {
      #expect(lines.filter { $0.action == action }.count == 1, "\(action)")
    }
    let completions = lines.filter {
      $0.action == .requestCompleted && $0.record.codes["request"] == request.uuidString.lowercased()
    }
    #expect(completions.count == 1)
    let entries = try server.ledger.records().filter { $0.tenant == tenant.uuid && $0.subject == subject.uuid }
    #expect(entries.count == 1)
    let rows = try await admin.read(
      """
      SELECT e.step, e.completed_seq, e.destroyed_at, e.certificate, r.state, s.state AS subject_state, s.erased_at
      FROM subject_rights.erasures e
      JOIN subject_rights.requests r ON r.tenant_id = e.tenant_id AND r.id = e.request_id
      JOIN custody.subjects s ON s.tenant_id = e.tenant_id AND s.subject_id = e.subject_id
      WHERE e.request_id = \(request)
      """)
    let row = try #require(rows.first)
    #expect(try row.decode("step", as: String.self) == "certified")
    #expect(try row.decode("state", as: String.self) == "completed")
    #expect(try row.decode("subject_state", as: String.self) == "erased")
    #expect(try row.decode("certificate", as: [UInt8]?.self)?.isEmpty == false)
    let completed = lines.first { $0.action == .erasureCompleted }?.sequence
    #expect(try row.decode("completed_seq", as: Int64?.self) == completed)
    let destroyed = try await custody.keyCommitment(of: subject, .operation(tenant)).destroyedAt
    #expect(destroyed != nil)
    #expect(try row.decode("destroyed_at", as: Int64?.self) == destroyed)
    #expect(try row.decode("erased_at", as: Int64?.self) == destroyed)
    let report = try verifiedArchive()
    #expect(report.findings == [])
  }
}
