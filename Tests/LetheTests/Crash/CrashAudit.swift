import Audit
import Custody
import Foundation
import Postgres
import ProfilesAPI
import ServiceTesting
import Signing
import StrictJSON

/// Holds the databases and the archive against everything that was answered and seen before.
struct CrashAudit {
  private let site: CrashSite
  private let evidence: CrashEvidence
  private var logs: [CrashLog]
  /// The newest checkpoint that was seen of each tenant.
  private var held: [SignedNote?]
  private(set) var acknowledged = 0
  private(set) var checkpoints = 0
  private var heads = 0

  init(site: CrashSite, evidence: CrashEvidence) {
    self.site = site
    self.evidence = evidence
    logs = site.tenants.map(CrashLog.init)
    held = Array(repeating: nil, count: site.tenants.count)
  }

  var progress: String {
    let counts = evidence.snapshot.counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    return "\(acknowledged) answers and \(heads) heads and \(checkpoints) checkpoints compared with "
      + "\(logs.map(\.leaves.count)) entries (\(counts.joined(separator: ", ")))"
  }

  /// Sees what anybody may see at any time: the ends of the committed logs, and the checkpoints in the archive.
  static func watch(_ site: CrashSite, _ evidence: CrashEvidence) async {
    while !evidence.isOver {
      for (number, tenant) in site.tenants.enumerated() {
        look(site, evidence, number, tenant)
        // The database may be down; it is asked again soon.
        if let rows = try? await site.admin.read(
          "SELECT size, leaf_hash FROM audit.heads WHERE tenant_id = \(tenant.uuid)"),
          let row = rows.first, let size = try? row.decode("size", as: Int64.self),
          let leaf = SHA256Digest((try? row.decode("leaf_hash", as: [UInt8].self)) ?? [])
        {
          evidence.saw(size: size, leaf: leaf, of: number)
        }
      }
      try? await Task.sleep(for: .milliseconds(15))
    }
  }

  /// The file is replaced in one step: it is there, whole and signed, at any time after the first.
  private static func look(_ site: CrashSite, _ evidence: CrashEvidence, _ number: Int, _ tenant: TenantID) {
    do {
      guard let note = try ArchiveReader(folder: folder(site, tenant)).checkpoint() else { return }
      _ = try note.verified(by: [site.keys[number]])
      evidence.saw(note, try Checkpoint(parsing: note.body), of: number)
    } catch {
      evidence.complain("the archive's checkpoint: \(error)")
    }
  }

  private static func folder(_ site: CrashSite, _ tenant: TenantID) -> String {
    "\(site.settings.archivePath)/\(tenant)"
  }

  /// What is otherwise than it was answered or seen. Takes the evidence, which is in the logs from here on.
  mutating func compare() async throws -> [String] {
    var faults = evidence.complaints
    for (number, tenant) in site.tenants.enumerated() { Self.look(site, evidence, number, tenant) }
    // Before the database is read: what comes later may come after that.
    let taken = evidence.take()
    for number in logs.indices {
      faults += try await logs[number].advance(site.admin).map { "tenant \(number): \($0)" }
      faults += logs[number].contradictions(heads: taken.heads[number], roots: taken.roots[number])
        .map { "tenant \(number): \($0)" }
      heads += taken.heads[number].count
      checkpoints += taken.roots[number].count
      if let note = taken.newest[number] { held[number] = note }
    }
    for answer in taken.acknowledgements {
      guard let actions = logs[answer.tenant].actions[answer.request] else {
        faults.append("an answer without an entry: \(answer.action?.rawValue ?? "a step") \(answer.request)")
        continue
      }
      if let action = answer.action, !actions.contains(action) {
        faults.append("an answer with other entries: \(action) \(answer.request)")
      }
    }
    acknowledged += taken.acknowledgements.count
    return faults
  }

  /// Every archive, as somebody verifies it who has the key, the files and the last checkpoint seen.
  func verifyArchives() throws -> [String] {
    let ledger = ErasureLedger(path: site.settings.archivePath + "/erasures/ledger")
    return site.tenants.enumerated().flatMap { number, tenant in
      ArchiveVerifier(
        folder: Self.folder(site, tenant), keys: [site.keys[number]], held: held[number], ledger: ledger
      ).verify().findings.map { "archive \(number): \($0)" }
    }
  }

  // MARK: The end

  /// Lets every erasure come to its end, stops the servers, publishes the rest, and compares all of it once more.
  mutating func finish() async throws -> [String] {
    var faults = try await compare()
    faults += try await settle()
    let statuses = try await site.stopServing()
    if statuses != [0, 0] { faults.append("the servers ended with \(statuses)") }

    let server = try await Server.prepare(site.settings, logger: CapturedLog().logger)
    var published: [UInt64?] = []
    for tenant in site.tenants { published.append(try await server.checkpointer.publish(tenant)) }
    await server.close()
    faults += try await compare()
    for (number, tenant) in site.tenants.enumerated() {
      // The whole table once more, from its first entry: nothing that was read before is otherwise now.
      var again = CrashLog(tenant: tenant)
      faults += try await again.advance(site.admin)
      if again.leaves != logs[number].leaves { faults.append("tenant \(number): the log was rewritten") }
      if published[number] != UInt64(again.leaves.count) { faults.append("tenant \(number): not all is published") }
      let twice = again.completed.filter { $0.value != 1 }
      if !twice.isEmpty { faults.append("tenant \(number): \(twice.count) subjects were erased twice") }
      let reader = ArchiveReader(folder: Self.folder(site, tenant))
      for (sequence, leaf) in again.leaves.enumerated() {
        if MerkleTree.leafHash(try reader.entry(at: UInt64(sequence), size: UInt64(again.leaves.count))) != leaf {
          faults.append("tenant \(number): the archive has another entry \(sequence)")
          break
        }
      }
    }
    faults += try verifyArchives()
    let records = try ErasureLedger(path: site.settings.archivePath + "/erasures/ledger").records()
    let done = logs.map(\.completed.count).reduce(0, +)
    let ordered = evidence.snapshot.ordered.count
    if records.count < done || done < ordered {
      faults.append("\(ordered) erasures ordered, \(done) in the log, \(records.count) in the ledger")
    }
    return faults
  }

  /// Whoever is living can be read; whose erasure was ordered is gone, and certified.
  private func settle() async throws -> [String] {
    var faults: [String] = []
    let people = try site.tenants.map { tenant in
      (
        admin: try site.issuer.person("settle-admin", in: tenant),
        officer: try site.issuer.person("settle-officer", in: tenant)
      )
    }
    let load = try CrashLoad(99, site: site, evidence: evidence, http: .shared, seed: 1)
    func get(_ path: String, as person: TestPerson) async throws -> CrashLoad.Answer {
      try await eventually("an answer") {
        var load = load
        return await load.call("GET", path, as: person).flatMap { $0.status == 503 ? nil : $0 }
      }
    }
    let state = evidence.snapshot
    for person in state.living.values.prefix(150) {
      let answer = try await get("/profiles/\(person.id)", as: people[person.tenant].admin)
      if answer.status != 200 || answer.json["email"]?.string != person.email {
        faults.append("a living person: \(answer.status)")
      }
    }
    for order in state.ordered.values {
      let (admin, officer) = people[order.person.tenant]
      do {
        _ = try await eventually("the end of an erasure") {
          let answer = try await get("/privacy/data/\(order.request)", as: officer)
          return answer.json["erasure"]?["step"]?.string == "certified" ? answer : nil
        }
      } catch { faults.append("the erasure \(order.request): \(error)") }
      let answer = try await get("/profiles/\(order.person.id)", as: admin)
      if answer.status != 410 { faults.append("an erased person: \(answer.status)") }
    }
    return faults
  }
}
