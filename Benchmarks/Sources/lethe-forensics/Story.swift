import Backups
import Custody
import Foundation
import LocalCluster
import Logging
import Profiles
import ProfilesAPI
import Schema
import StrictJSON
import SubjectRights

/// What happens before the sweep: people come, epochs turn, one person is erased, the epochs turn once more.
struct Story {
  let installation: ForensicInstallation
  let server: Server
  let logger: Logger

  /// One person, with everything that has to be known to look for the key.
  struct Person: Sendable {
    let profile: UUID
    let subject: UUID
  }

  static func begin(_ installation: ForensicInstallation, logger: Logger) async throws -> Story {
    let server = try await Server.prepare(installation.settings, logger: logger)
    let tenant = Tenant(id: installation.tenant, kind: .condominium, name: "Forensics")
    _ = try await server.custody.createTenant(tenant)
    return Story(installation: installation, server: server, logger: logger)
  }

  // MARK: People

  /// Somebody new with a profile whose fields are all filled.
  func person() async throws -> Person {
    let name = UUID().uuidString.lowercased()
    let draft = try ProfileDraft(
      fullName: "Avery Example \(name.prefix(8))", email: "\(name.prefix(24))@example.com",
      phone: "+999\(UInt64.random(in: 100_000_000_000...999_999_999_999))",
      identity: "user-\(name)", country: "PT", language: "pt")
    let profile = try await server.profiles.create(draft, context())
    return Person(profile: profile.id, subject: profile.subject.uuid)
  }

  /// Answers an access request: a package under a key of its own.
  func makePackage(for person: Person) async throws {
    let request = try await open("access", for: person)
    _ = try await rights.verify(request, by: .document, context())
    _ = try await rights.execute(request, context())
  }

  /// Opens an erasure with a note, which is sealed under the person's key; not yet approved.
  func openErasure(of person: Person) async throws -> UUID { try await open("erasure", for: person) }

  /// Has the erasure approved and carried out to its certificate, by the service's own runner.
  func erase(_ request: UUID, _ person: Person) async throws {
    _ = try await rights.verify(request, by: .document, context())
    _ = try await rights.approve(request, context())
    _ = try await rights.execute(request, context())
    let runner = ErasureRunner(
      custody: server.custody, checkpointer: server.checkpointer, ledger: server.ledger,
      policy: installation.settings.retention, logger: logger)
    guard try await runner.run(request, tenant: installation.tenant) == .certified else {
      throw Failure("the erasure was not carried out to its certificate")
    }
    do {
      _ = try await server.profiles.profile(person.profile, context())
      throw Failure("the erased person's profile is still answered")
    } catch let error as CustodyError where error.code == .erased {
      // As it should be.
    }
  }

  private func open(_ type: String, for person: Person) async throws -> UUID {
    let body = """
      {"type":"\(type)","profile_id":"\(person.profile.uuidString.lowercased())","note":"Called on Monday."}
      """
    let draft = try RequestDraft(reading: ObjectReader(try JSONValue(parsing: Array(body.utf8))))
    return try await rights.open(draft, context()).id
  }

  private var rights: SubjectRights {
    SubjectRights(custody: server.custody, profiles: server.profiles, policy: installation.settings.retention)
  }

  /// Another officer each time: whoever opened a request may not approve it.
  private func context() -> AccessContext {
    AccessContext(
      tenant: installation.tenant, actor: ActorID(UUID()), purpose: .profileAdministration, requestID: UUID())
  }

  // MARK: Keys and backups

  /// Rotates once, with real backups of the vault.
  func rotate() async throws {
    let backups = DumpedVaultBackups(
      url: installation.vaultBackupURL, folder: installation.backups, logger: logger)
    let outcome = try await Rotation(custody: server.custody, backups: backups).run()
    guard case .retired = outcome else { throw Failure("the rotation did not end: \(outcome)") }
  }

  /// Takes a backup of both databases as `lethe backup` does.
  func backUp() async throws {
    _ = try await BackupWriter(into: installation.backups, logger: logger)
      .write(dataURL: installation.dataBackupURL, vaultURL: installation.vaultBackupURL)
  }

  /// Puts bytes into both databases, where backups take them along.
  func plant(_ bytes: [UInt8]) async throws {
    let hex = bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    func script(_ role: String) -> String {
      """
      CREATE TABLE public.planted (bytes bytea);
      GRANT SELECT ON public.planted TO \(role);
      INSERT INTO public.planted VALUES ('\\x\(hex)');
      """
    }
    try await installation.data.sql(script(DatabaseRoles.backup), database: DatabaseRoles.dataDatabase)
    try await installation.vault.sql(script(DatabaseRoles.vaultBackup), database: DatabaseRoles.vaultDatabase)
  }

  // MARK: Evidence

  /// Records the envelopes that are under the person's own key, by the registry of columns.
  func recordEnvelopes(of person: Person, as wanted: Wanted, into evidence: Evidence) async throws {
    for column in DataRegistry.sealedColumns {
      let rows = try await installation.dataRows(
        """
        SELECT \(column.rowID), encode(\(column.column), 'hex') FROM \(column.table)
        WHERE subject_id = '\(person.subject)' AND \(column.column) IS NOT NULL
        """)
      for row in rows {
        try evidence.add(
          try Self.bytes(row[1]), of: wanted, tenant: installation.tenant.uuid, subject: person.subject,
          row: try Self.id(row[0]), field: column.field.rawValue)
      }
    }
    guard evidence.envelopes[wanted, default: 0] > 0 else { throw Failure("the person has no sealed field") }
  }

  /// Records the person's access package, which is under an expiring key.
  func recordPackage(of person: Person, into evidence: Evidence) async throws {
    let rows = try await installation.dataRows(
      "SELECT id, encode(sealed, 'hex') FROM subject_rights.packages WHERE subject_id = '\(person.subject)'")
    guard rows.count == 1 else { throw Failure("the person has no access package") }
    try evidence.add(
      try Self.bytes(rows[0][1]), of: .package, tenant: installation.tenant.uuid, subject: person.subject,
      row: try Self.id(rows[0][0]), field: PersonalField.accessPackage.rawValue)
  }

  /// Records every key of the person as the active epoch has wrapped it.
  func recordKeys(of person: Person, as wanted: Wanted, into evidence: Evidence) async throws {
    let rows = try await installation.vaultRows(
      """
      SELECT kind, key_id, epoch, encode(wrapped, 'hex') FROM vault.keys
      WHERE wrapped IS NOT NULL AND '\(person.subject)' IN (key_id, subject_id)
      """)
    guard !rows.isEmpty else { throw Failure("the person has no key") }
    for row in rows {
      guard let kind = UInt8(row[0]), let epoch = UInt32(row[2]) else { throw Failure("a key's row is not readable") }
      try evidence.add(
        wrapped: try Self.bytes(row[3]), of: kind == 1 ? wanted : .package, kind: kind,
        tenant: installation.tenant.uuid, id: try Self.id(row[1]), epoch: epoch)
    }
  }

  private static func id(_ text: String) throws -> UUID {
    guard let id = UUID(uuidString: text) else { throw Failure("an id of the database is none") }
    return id
  }

  private static func bytes(_ hex: String) throws -> [UInt8] {
    let digits = hex.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
    guard digits.count == hex.utf8.count, digits.count.isMultiple(of: 2) else { throw Failure("not hexadecimal") }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }
}
