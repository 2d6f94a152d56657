public import Audit
public import Foundation
public import Logging
public import Postgres
public import Redaction
public import Schema
public import Vault

/// The only door to personal data: a tenant transaction, the subjects' keys, the log, and the kept answer, joined
/// in one unit of work.
///
/// - Writes (``write(_:subjects:_:)``): rows and their log entries are committed together, or none of them.
/// - Reads (``read(_:of:action:codes:_:)``): sealed rows first, then the keys, then the committed log entry, and
///   only then the plaintext.
/// - Work of the service itself (``operate(_:_:)``), under the worker's role: erasures, publication, housekeeping.
///
/// Errors are ``CustodyError``; a database, vault or log that can't be reached is `.unavailable`, and then nothing
/// was released and nothing is half-written; a commit whose outcome is unknown is all there or not at all.
public struct Custody: Sendable {
  let data: PostgresPool
  let worker: PostgresPool
  let keyStore: KeyStore
  let keys: SubjectKeys
  let journal: ReadJournal
  let keyring: any Keyring
  let suite: Suite
  let schedule: RotationSchedule
  let originHost: String
  /// The archive's root folder, for entries that the database no longer has; nil where there is none.
  let archive: String?
  let logger: Logger

  /// Joins the parts. The pools are started and stopped by the caller.
  ///
  /// - Parameters:
  ///   - data: the data database under the application's role.
  ///   - worker: the data database under the worker's role.
  ///   - vault: the vault database under its own role.
  ///   - keyring: the epoch keys.
  ///   - suite: the cipher of what is sealed from now on; both are opened.
  ///   - cachedKeys: how many subject keys are kept in memory at most, once ``followNotices()`` runs; 0 for none.
  ///   - schedule: when epochs rotate; what certificates promise by.
  ///   - originHost: the host in the origin of every log, for example `privacy.example.com`.
  ///   - archive: the archive's root folder, from which entries are read whose rows have had their time.
  public init(
    data: PostgresPool, worker: PostgresPool, vault: PostgresPool, keyring: any Keyring, suite: Suite = .preferred,
    cachedKeys: Int = 0, schedule: RotationSchedule = RotationSchedule(days: nil), originHost: String,
    archive: String? = nil, logger: Logger
  ) throws {
    self.data = data
    self.worker = worker
    self.keyStore = KeyStore(pool: vault)
    self.keys = SubjectKeys(store: keyStore, keyring: keyring, cache: try KeyCache(capacity: cachedKeys))
    self.journal = ReadJournal(pool: data)
    self.keyring = keyring
    self.suite = suite
    self.schedule = schedule
    self.originHost = originHost
    self.archive = archive
    self.logger = logger
  }

  /// Whose keys a write needs. Declared before the transaction begins, so that nothing is awaited inside it.
  public enum Subjects: Sendable {
    /// Nobody's.
    case none
    /// Those of existing, live subjects.
    case existing([SubjectID])
    /// A subject that is made for this unit: its key is committed durably in the vault first.
    case creating
  }

  // MARK: Writing

  /// Runs `body` in one tenant transaction and commits it with its log entries.
  ///
  /// `body` runs synchronously on the connection's thread. Declared subjects are held live until the commit, so an
  /// erasure waits for it or makes it throw `.erased`.
  public func write<Result: Sendable>(
    _ context: AccessContext, subjects: Subjects = .none, _ body: @escaping @Sendable (UnitOfWork) throws -> Result
  ) async throws -> Result {
    try await translating {
      switch subjects {
      case .none:
        return try await unit(data, context, keys: [:], created: nil, body)
      case .existing(let subjects):
        let lent = try await keys.keys(of: subjects, tenant: context.tenant)
        return try await unit(data, context, keys: lent, created: nil) { unit in
          try SubjectStore.lockLive(subjects, tenant: context.tenant, in: unit.database)
          return try body(unit)
        }
      case .creating:
        let (subject, key, wrapped) = try await keys.createSubject(tenant: context.tenant)
        return try await unit(data, context, keys: [subject: key], created: subject) { unit in
          try SubjectStore.insert(
            subject, commitment: wrapped.commitment, tenant: context.tenant, at: unit.now, in: unit.database)
          unit.record(
            .keyCreated, subject: subject,
            codes: ["key_commitment": Self.hex(wrapped.commitment), "epoch": String(wrapped.epoch.rawValue)])
          return try body(unit)
        }
      }
    }
  }

  /// Runs `body` in one tenant transaction under the worker's role and commits it with its log entries.
  public func operate<Result: Sendable>(
    _ context: AccessContext, _ body: @escaping @Sendable (UnitOfWork) throws -> Result
  ) async throws -> Result {
    try await translating { try await unit(worker, context, keys: [:], created: nil, body) }
  }

  /// One transaction: the epochs are held first, then `body` runs, then the entries are appended. Done once more with a
  /// keyring that was read again when the epochs have moved.
  func unit<Result: Sendable>(
    _ pool: PostgresPool, _ context: AccessContext, keys lent: [SubjectID: DataKey], created: SubjectID?,
    _ body: @escaping @Sendable (UnitOfWork) throws -> Result
  ) async throws -> Result {
    do {
      return try await attempt(pool, context, keys: lent, created: created, body)
    } catch is EpochsMoved {
      _ = try keyring.refresh()
    }
    do {
      return try await attempt(pool, context, keys: lent, created: created, body)
    } catch is EpochsMoved {
      throw CustodyError(.unavailable, field: "epochs")
    }
  }

  private func attempt<Result: Sendable>(
    _ pool: PostgresPool, _ context: AccessContext, keys lent: [SubjectID: DataKey], created: SubjectID?,
    _ body: @escaping @Sendable (UnitOfWork) throws -> Result
  ) async throws -> Result {
    let indexKeys = try await keys.indexKeys(of: context.tenant)
    return try await pool.transaction(settings: context.settings, opening: EpochStore.hold) { transaction in
      let written = try EpochStore.held(transaction.opening).map { epoch in
        guard let key = indexKeys.first(where: { $0.epoch == epoch }) else { throw EpochsMoved() }
        return key
      }
      let unit = UnitOfWork(
        context: context, database: transaction, now: Microseconds.now(), keys: lent, created: created,
        indexKeys: written, allIndexKeys: indexKeys, suite: suite)
      let result = try body(unit)
      try unit.appendEntries()
      return result
    }
  }

  // MARK: Reading

  /// Rows of the tenant, still sealed: a single-shot read, drained with others in one round trip.
  public func rows(_ statement: SQL, _ context: AccessContext) async throws -> [Row] {
    try await translating { try await data.read(statement, settings: context.settings) }
  }

  /// Opens fields of those subjects and releases the result once the entry that says so is committed.
  ///
  /// Throws `.erased` when one of the subjects is tombstoned by the time of the commit, whatever was opened before.
  public func read<Result: Sendable>(
    _ context: AccessContext, of subjects: [SubjectID], action: AuditAction = .personalDataRead,
    codes: [String: String] = [:], _ body: (Opener) throws -> Result
  ) async throws -> Result {
    try await translating {
      let distinct = Array(Set(subjects)).sorted()
      let lent = try await keys.keys(of: distinct, tenant: context.tenant)
      let opener = Opener(context: context, keys: lent)
      let result = try body(opener)
      let record = context.record(action, fields: opener.fields, codes: codes, outcome: .ok)
      try await journal.append(JournalEntry(record: record, subjects: distinct), tenant: context.tenant)
      return result
    }
  }

  /// Finds the row that has claimed a normalised value, by its lookup tag.
  public func lookUp(_ normalised: Personal<String>, as kind: TagKind, _ context: AccessContext) async throws
    -> (row: UUID, subject: SubjectID)?
  {
    try await translating {
      for isLast in [false, true] {
        let tags = try await keys.indexKeys(of: context.tenant).map { index in
          LookupTagStore.Tag(epoch: index.epoch, bytes: index.tag(kind, normalised.disclosed()))
        }
        let rows = try await data.read(
          LookupTagStore.query(tags, kind: kind, tenant: context.tenant), settings: context.settings)
        if let found = try LookupTagStore.decode(rows) { return found }
        // Nobody, by the tags that this process can make. That says little when there are others.
        guard try LookupTagStore.hasOtherEpochs(rows, than: tags), !isLast else { return nil }
        _ = try keyring.refresh()
      }
      return nil
    }
  }

  /// Commits one entry that is not about any subject's data: a refusal, a search without a hit.
  public func note(_ context: AccessContext, _ action: AuditAction, outcome: AuditOutcome, codes: [String: String])
    async throws
  {
    try await translating {
      let record = context.record(action, fields: [], codes: codes, outcome: outcome)
      try await journal.append(JournalEntry(record: record, subjects: []), tenant: context.tenant)
    }
  }

  // MARK: Packages: values under an expiring key of their own

  /// Seals bytes under a new key of their own that dies at `expires` or with the subject, whichever is first.
  public func sealExpiring(
    _ bytes: [UInt8], as field: PersonalField, id: UUID, of subject: SubjectID, expires: Int64,
    _ context: AccessContext
  ) async throws -> [UInt8] {
    try await translating {
      let key = try await keys.createExpiringKey(
        tenant: context.tenant, subject: subject, id: id, expires: expires)
      return try key.seal(
        bytes, at: FieldAddress(tenant: context.tenant.uuid, subject: subject.uuid, row: id, field: field.rawValue),
        suite: suite)
    }
  }

  /// Opens what ``sealExpiring(_:as:id:of:expires:_:)`` sealed, and releases it once the entry is committed.
  public func openExpiring(
    _ envelope: [UInt8], as field: PersonalField, id: UUID, of subject: SubjectID, action: AuditAction,
    codes: [String: String], _ context: AccessContext
  ) async throws -> [UInt8] {
    try await translating {
      let key = try await keys.expiringKey(tenant: context.tenant, id: id)
      let bytes = try key.open(
        envelope,
        at: FieldAddress(tenant: context.tenant.uuid, subject: subject.uuid, row: id, field: field.rawValue))
      let record = context.record(action, fields: [field], codes: codes, outcome: .ok)
      try await journal.append(JournalEntry(record: record, subjects: [subject]), tenant: context.tenant)
      return bytes
    }
  }

  // MARK: Errors

  /// Translates what the parts throw, once: a part that can't be reached is `.unavailable`, an envelope that does
  /// not open is `.unreadable`. Everything else goes on as it is.
  func translating<Result>(_ body: () async throws -> Result) async throws -> Result {
    do {
      return try await body()
    } catch let error as PostgresError where Self.isUnavailability(error) {
      logger.warning("a database did not answer", metadata: ["code": "\(error.code)"])
      throw CustodyError(.unavailable, field: "database")
    } catch let error as VaultError where error.isOfKeyring {
      // The keyring's file can't be read again, or written: nothing is lost, and it may work later.
      logger.error("the keyring can't be used", metadata: ["error": "\(error)"])
      throw CustodyError(.unavailable, field: "keyring")
    } catch let error as VaultError {
      logger.error("the vault refused", metadata: ["code": "\(error.code)"])
      throw CustodyError(.unreadable)
    }
  }

  /// A shutdown of the server or a timeout (class 57), a conflict with another transaction (class 40), or a lost,
  /// refused or exhausted connection: it may work again later.
  private static func isUnavailability(_ error: PostgresError) -> Bool {
    switch error.code {
    case .connection, .timeout, .poolClosed, .commitUnknown, .identityChanged: true
    case .statement(let state): ["57", "53", "40", "08"].contains(state.prefix(2))
    case .cancelled, .decoding, .misuse: false
    }
  }

  /// Lower-case hexadecimal digits, as commitments are written.
  public static func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }
}

extension AccessContext {
  /// Row-level security, set in the same round trip as the transaction's first statement.
  var settings: [SessionSetting] { [SessionSetting(name: "app.tenant_id", value: tenant.description)] }
}
