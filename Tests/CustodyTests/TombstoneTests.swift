import Audit
import Foundation
import Postgres
import Profiles
import Redaction
import Schema
import StrictJSON
import SubjectRights
import Testing
import Vault

@testable import Custody

@Suite("What an erasure leaves", .serialized)
struct TombstoneTests {
  private static let canaries = ["Zoë Ñandú", "zoe@example.org", "+51999000111", "sub-of-zoe", "asked by phone"]

  /// Somebody about whom every table holds something.
  private func fullLife(_ house: House) async throws -> (profile: Profile, access: UUID, erasure: UUID) {
    let context = house.somebody()
    let scope = IdempotencyScope(client: "c", actor: context.actor, operation: "POST /profiles", key: "k")
    guard case .proceed(let claim) = try await house.custody.claim(scope, payload: [1], context) else { throw Thrown() }
    let profile = try await house.profile(
      "Zoë Ñandú", email: "zoe@example.org", phone: "+51999000111", identity: "sub-of-zoe", context,
      answering: Answering(claim: claim) { KeptAnswer(status: 201, body: Array($0.fullName.disclosed().utf8)) })
    _ = try await house.profiles.page(ProfileFilter(), after: nil, limit: 10, house.somebody())
    let access = try await house.open(.access, profile, note: "asked by phone")
    _ = try await house.rights.verify(access.id, by: .document, house.somebody())
    _ = try await house.rights.execute(access.id, house.somebody())
    _ = try await house.custody.placeHold(
      on: profile.subject, fields: [.profileFullName], basis: "tax_law", keepUntil: nil, .operation(house.tenant))
    let erasure = try await house.orderedErasure(of: profile, note: "asked by phone")
    return (profile, access.id, erasure)
  }

  @Test("every table's rows of the subject follow the registry: deleted, cleared, overwritten, or sealed")
  func registry() async throws {
    try await withHouse { house in
      let (profile, _, request) = try await fullLife(house)
      let other = try await house.profile("Other", email: "other@example.org")
      // Before: there is something to erase in each of these tables.
      let subject = profile.subject.uuid
      let tables = DataRegistry.tables.filter { table in
        table.columns.contains { $0.name == "subject_id" }
      }
      #expect(tables.count == 10)
      for table in tables where table.name != "actors" {
        let rows = try await house.number(
          "SELECT count(*) FROM \(unsafe: table.qualifiedName) WHERE subject_id = \(subject)")
        #expect(rows > 0, "\(table.qualifiedName)")
      }
      let reached = try await house.runner().run(request, tenant: house.tenant)
      #expect(reached == .certified)

      let erasing = try await house.number("SELECT erasing_at FROM custody.subjects WHERE subject_id = \(subject)")
      for table in tables {
        let rows = try await house.number(
          "SELECT count(*) FROM \(unsafe: table.qualifiedName) WHERE subject_id = \(subject)")
        if table.onErasure == .delete {
          #expect(rows == 0, "\(table.qualifiedName)")
          continue
        }
        for column in table.columns {
          switch column.columnClass {
          case .linkable(.clear):
            let left = try await house.number(
              """
              SELECT count(*) FROM \(unsafe: table.qualifiedName)
              WHERE subject_id = \(subject) AND \(unsafe: column.name) IS NOT NULL
              """)
            #expect(left == 0, "\(table.qualifiedName).\(column.name)")
          case .linkable(.overwriteWithErasureTime):
            let left = try await house.number(
              """
              SELECT count(*) FROM \(unsafe: table.qualifiedName)
              WHERE subject_id = \(subject) AND \(unsafe: column.name) <> \(erasing)
              """)
            #expect(left == 0, "\(table.qualifiedName).\(column.name)")
          default: break
          }
        }
      }
      // Nobody else lost anything.
      let theirs = try await house.profiles.profile(other.id, house.somebody())
      #expect(theirs.email == other.email)
      #expect(theirs.country == "PE")
      #expect(theirs.createdAt == other.createdAt)
      let found = try await house.custody.lookUp(Personal("other@example.org"), as: .email, house.somebody())
      #expect(found?.subject == other.subject)
    }
  }

  @Test("no table, file or log line holds a value of the person in clear, before or after")
  func canaries() async throws {
    try await withHouse { house in
      let (_, _, request) = try await fullLife(house)
      func search(_ when: String) async throws {
        for table in DataRegistry.tables {
          for canary in Self.canaries {
            let hex = Custody.hex(Array(canary.utf8))
            let hits = try await house.number(
              """
              SELECT count(*) FROM \(unsafe: table.qualifiedName) t
              WHERE position(\(canary) IN t::text) > 0 OR position(\(hex) IN t::text) > 0
              """)
            #expect(hits == 0, "\(when): \(table.qualifiedName)")
          }
        }
      }
      try await search("before")
      _ = try await house.runner().run(request, tenant: house.tenant)
      try await search("after")
      for line in house.installation.log.lines {
        for canary in Self.canaries { #expect(!line.contains(canary)) }
      }
      let root = house.installation.settings.archivePath
      for case let path as String in try #require(FileManager.default.enumerator(atPath: root)) {
        guard let contents = FileManager.default.contents(atPath: root + "/" + path) else { continue }
        for canary in Self.canaries { #expect(contents.range(of: Data(canary.utf8)) == nil, "\(path)") }
      }
    }
  }

  @Test("tags move to where nobody is named, each once")
  func tags() async throws {
    try await withHouse { house in
      let (profile, _, _) = try await fullLife(house)
      let tags: SQL = "SELECT string_agg(kind || epoch || encode(tag, 'hex'), ' ' ORDER BY kind) AS all FROM "
      let before = try #require(
        try await house.admin.read("\(tags) custody.lookup_tags WHERE subject_id = \(profile.subject.uuid)").first
      ).decode("all", as: String.self)
      try await house.tombstone(profile.subject)
      let after = try #require(try await house.admin.read("\(tags) custody.erased_tags").first)
        .decode("all", as: String.self)
      #expect(after == before)
      #expect(before.split(separator: " ").count == 3)
      let columns = try await house.number(
        """
        SELECT count(*) FROM information_schema.columns
        WHERE table_schema = 'custody' AND table_name = 'erased_tags' AND column_name IN ('subject_id', 'row_id')
        """)
      #expect(columns == 0)
      // The address is free again, and the next erasure of it only renews the memory.
      let again = try await house.profile("Zoë again", email: "zoe@example.org")
      try await house.tombstone(again.subject)
      let remembered = try await house.number("SELECT count(*) FROM custody.erased_tags")
      #expect(remembered == 3)
    }
  }

  @Test("in the vault the subject's key and the keys of its packages are destroyed, and never come again")
  func vault() async throws {
    try await withHouse { house in
      let (profile, access, request) = try await fullLife(house)
      let package = try #require(
        try await house.admin.read("SELECT id FROM subject_rights.packages WHERE request_id = \(access)").first
      ).decode("id", as: UUID.self)
      _ = try await house.runner().run(request, tenant: house.tenant)
      for id in [profile.subject.uuid, package] {
        let row = try await house.installation.vault.sql(
          """
          SELECT wrapped IS NULL, epoch IS NULL, destroyed_at IS NOT NULL, octet_length(commitment) FROM vault.keys
          WHERE key_id = '\(id)'
          """)
        #expect(row.trimmingCharacters(in: .newlines) == "t|t|t|32")
      }
      let owner = KeyOwner(kind: .subject, tenant: house.tenant.uuid, id: profile.subject.uuid)
      let (_, wrapped) = try house.custody.keyring.newKey(for: owner)
      let inserted = try await house.custody.keyStore.insert(owner, subject: nil, wrapped: wrapped, at: 1)
      #expect(!inserted)
      for statement in [
        "UPDATE vault.keys SET destroyed_at = NULL, wrapped = '\\x00', epoch = 1 WHERE key_id = '\(profile.subject)'",
        "DELETE FROM vault.keys WHERE key_id = '\(profile.subject)'",
      ] {
        await #expect(throws: (any Error).self) { try await house.installation.vault.sql(statement) }
      }
    }
  }

  @Test("what is left sealed opens with no key that the vault still has, also after the row is restored")
  func noise() async throws {
    try await withHouse { house in
      let (profile, _, request) = try await fullLife(house)
      for number in 0..<3 { _ = try await house.profile("Other \(number)") }
      let sealed = try #require(
        try await house.admin.read("SELECT full_name_sealed FROM user_profiles.profiles WHERE id = \(profile.id)").first
      ).decode("full_name_sealed", as: [UInt8].self)
      let address = FieldAddress(
        tenant: house.tenant.uuid, subject: profile.subject.uuid, row: profile.id,
        field: PersonalField.profileFullName.rawValue)
      func opening() async throws -> Int {
        let text = try await house.installation.vault.sql(
          "SELECT kind, key_id FROM vault.keys WHERE destroyed_at IS NULL AND kind IN (1, 3)")
        var opened = 0
        for line in text.split(separator: "\n") {
          let parts = line.split(separator: "|")
          let id = try #require(UUID(uuidString: String(parts[1])))
          let kind = try #require(UInt8(parts[0]).flatMap(KeyOwner.Kind.init))
          guard case .live(let wrapped)? = try await house.custody.keyStore.find(kind, [id], tenant: house.tenant)[id]
          else { throw Thrown() }
          let key = try house.custody.keyring.unwrap(
            wrapped, for: KeyOwner(kind: kind, tenant: house.tenant.uuid, id: id))
          if (try? key.open(sealed, at: address)) != nil { opened += 1 }
        }
        return opened
      }
      let before = try await opening()
      #expect(before == 1)
      _ = try await house.runner().run(request, tenant: house.tenant)
      let still = try #require(
        try await house.admin.read("SELECT full_name_sealed FROM user_profiles.profiles WHERE id = \(profile.id)").first
      ).decode("full_name_sealed", as: [UInt8].self)
      #expect(still == sealed)
      let after = try await opening()
      #expect(after == 0)
      // A superuser brings the subject's row back to life: the vault has nothing for it.
      try await house.tamper(
        "UPDATE custody.subjects SET state = 'live', erased_at = NULL WHERE subject_id = \(profile.subject.uuid)")
      let code = try await refusal { try await house.profiles.profile(profile.id, house.somebody()) }
      #expect(code == .erased)
    }
  }

  @Test("a tombstone is final for everybody who does not switch the triggers off")
  func final() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      try await house.tombstone(profile.subject)
      for role in ["lethe_worker", "lethe_owner"] {
        await #expect(throws: (any Error).self) {
          try await house.installation.data.sql(
            """
            SET ROLE \(role); SET app.tenant_id = '\(house.tenant)';
            UPDATE custody.subjects SET state = 'live' WHERE subject_id = '\(profile.subject)';
            """)
        }
      }
      await #expect(throws: (any Error).self) {
        try await house.installation.data.sql("UPDATE custody.subjects SET state = 'live'")
      }
      let live = try await house.number("SELECT count(*) FROM custody.subjects WHERE state = 'live'")
      #expect(live == 0)
    }
  }

  @Test("a second order for the same subject is refused until the erasure is completed, and then completed at once")
  func secondOrder() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let first = try await house.approvedErasure(of: profile)
      let second = try await house.approvedErasure(of: profile)
      _ = try await house.rights.execute(first, house.somebody())
      await #expect(throws: SubjectRightsError.self) {
        do {
          _ = try await house.rights.execute(second, house.somebody())
        } catch let error as SubjectRightsError {
          #expect(error.code == .alreadyOrdered)
          throw error
        }
      }
      let state = try await house.rights.request(second, house.somebody()).state
      #expect(state == .approved)
      _ = try await house.runner().run(first, tenant: house.tenant)
      let officer = house.somebody()
      let (completed, lines) = try await house.added { try await house.rights.execute(second, officer) }
      #expect(completed.state == .completed)
      #expect(completed.executedBy == officer.actor)
      #expect(completed.completedAt != nil)
      #expect(lines.map(\.action) == [.requestCompleted])
      #expect(lines.first?.record.codes["reason"] == "already_erased")
      #expect(lines.first?.record.codes["request"] == second.uuidString.lowercased())
      #expect(lines.first?.record.subject == profile.subject.uuid)
      let erasure = try await house.rights.erasure(of: second, house.somebody())
      #expect(erasure == nil)
      await #expect(throws: SubjectRightsError.self) { try await house.rights.execute(second, house.somebody()) }
      try await house.expectErasedOnce(first, of: profile.subject)
    }
  }

  @Test("two officers who order two erasures of one person at once: one is ordered")
  func ordersAtOnce() async throws {
    try await withHouse { house in
      let profile = try await house.profile()
      let requests = try await [house.approvedErasure(of: profile), house.approvedErasure(of: profile)]
      let ordered = try await withThrowingTaskGroup(of: Bool.self) { group in
        for request in requests + requests {
          group.addTask {
            do {
              _ = try await house.rights.execute(request, house.somebody())
              return true
            } catch let error as SubjectRightsError {
              #expect([.alreadyOrdered, .wrongState].contains(error.code))
              return false
            }
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(ordered.filter { $0 }.count == 1)
      let rows = try await house.number("SELECT count(*) FROM subject_rights.erasures")
      #expect(rows == 1)
      let entries = try await house.log().filter { $0.action == .requestExecuting }
      #expect(entries.count == 1)
    }
  }

  @Test("answers kept about the person are gone; so are notes and packages")
  func kept() async throws {
    try await withHouse { house in
      let context = house.somebody()
      let scope = IdempotencyScope(client: "c", actor: context.actor, operation: "POST /profiles", key: "k")
      guard case .proceed(let claim) = try await house.custody.claim(scope, payload: [1], context) else {
        throw Thrown()
      }
      let profile = try await house.profile(
        "Zoë Ñandú", context,
        answering: Answering(claim: claim) { KeptAnswer(status: 201, body: Array($0.id.uuidString.utf8)) })
      let access = try await house.open(.access, profile, note: "a note")
      let note = try await house.rights.note(of: access, house.somebody())
      #expect(note?.disclosed() == "a note")
      _ = try await house.rights.verify(access.id, by: .document, house.somebody())
      _ = try await house.rights.execute(access.id, house.somebody())
      try await house.tombstone(profile.subject)
      guard case .erased = try await house.custody.claim(scope, payload: [1], context) else {
        Issue.record("the answer was replayed")
        return
      }
      let later = try await house.rights.note(of: access, house.somebody())
      #expect(later == nil)
      let code = try await refusal { try await house.rights.package(of: access.id, house.somebody()) }
      #expect(code == .erased)
      let opened = try await refusal { try await house.open(.access, profile) }
      #expect(opened == .erased)
    }
  }
}
