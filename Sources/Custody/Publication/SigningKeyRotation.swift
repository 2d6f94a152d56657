import Audit
import Postgres
public import Signing

/// Replaces the log's signing key. Every log names its next key itself, while the old one still signs; see
/// docs/audit-log-spec.md.
///
/// 1. The new key is made in a file beside the old one, `<path>.next`, and is durable.
/// 2. Each log gets an entry `log.key_rotated` and is published: the checkpoint that covers it is signed by both keys.
/// 3. When every log has it, the old key's file becomes `<path>.<key id>.retired` and the new one takes its place.
/// 4. The logs that were begun meanwhile, and may have begun with the old key, get it as well.
///
/// Each step may be repeated: whoever was interrupted runs it again. Other replicas go on meanwhile, and read the key's
/// files when they meet a key that they don't have.
public struct SigningKeyRotation: Sendable {
  /// What is committed or durable by then; for fault injection.
  public enum Step: Sendable, Hashable {
    /// The new key's file is there.
    case keyMade
    /// The tenant's log has the entry.
    case announced(TenantID)
    /// The entry is published.
    case published(TenantID)
    /// The new key's file has taken the old one's place.
    case replaced
  }

  /// How far it came.
  public struct Outcome: Sendable {
    /// The key that the logs go on with.
    public let newKey: VerifyingKey
    /// The logs that have it, with the verifier key that auditors need from now on.
    public let rotated: [(tenant: TenantID, key: String)]
    /// The logs that don't have it yet. After the replacement: logs that began meanwhile, and that another replica kept
    /// publishing; they go on with the retired key until the next rotation.
    public let waiting: [TenantID]
    /// Logs whose tenants have left; they keep their keys.
    public let closed: [TenantID]
    /// Where the old key is now; nil while a log still waits.
    public let retired: String?
  }

  private let custody: Custody
  private let checkpointer: Checkpointer
  private let afterStep: @Sendable (Step) async throws -> Void

  /// - Parameter afterStep: called after each step that is committed; for fault injection.
  public init(
    custody: Custody, checkpointer: Checkpointer,
    afterStep: @escaping @Sendable (Step) async throws -> Void = { _ in }
  ) {
    self.custody = custody
    self.checkpointer = checkpointer
    self.afterStep = afterStep
  }

  /// Rotates the key of those tenants' logs, or of all. Only when all have the new key does it take the old one's place.
  ///
  /// Throws `SigningError` for the files, `AuditError` for the archive, ``CustodyError``; `.unavailable` with the field
  /// `publication` when another replica keeps publishing a tenant's log. What was done until then stays.
  public func run(_ wanted: [TenantID]? = nil) async throws -> Outcome {
    guard let path = checkpointer.keys.path else { throw CustodyError(.unavailable, field: "signing_key") }
    let next = try nextKey(path)
    try await afterStep(.keyMade)
    var rotated: [(tenant: TenantID, key: String)] = []
    var waiting: [TenantID] = []
    var closed: [TenantID] = []
    func note(_ state: LogState, _ tenant: TenantID, _ key: NoteKey) {
      switch state {
      case .rotated: rotated.append((tenant, key.text))
      case .waiting: waiting.append(tenant)
      case .closed: closed.append(tenant)
      }
    }
    for tenant in try await custody.tenants().map(\.id) {
      let key = try noteKey(next, tenant)
      note(try await rotate(tenant, to: key, isWanted: wanted?.contains(tenant) ?? true), tenant, key)
    }
    let retired = waiting.isEmpty ? try replace(path) : nil
    if retired != nil {
      try await afterStep(.replaced)
      // Whatever tenant comes after these begins with the new key: it is read before a log's first checkpoint.
      let done = Set(rotated.map(\.tenant) + closed)
      for tenant in try await custody.tenants().map(\.id) where !done.contains(tenant) {
        let key = try noteKey(next, tenant)
        note(try await catchUp(tenant, to: key), tenant, key)
      }
    }
    return Outcome(newKey: next.publicKey, rotated: rotated, waiting: waiting, closed: closed, retired: retired)
  }

  // MARK: One log

  private enum LogState { case rotated, waiting, closed }

  private func noteKey(_ key: SigningKey, _ tenant: TenantID) throws -> NoteKey {
    try NoteKey(name: custody.origin(of: tenant).text, key: key.publicKey)
  }

  /// A log that was begun while the others were rotated. It is published first: only with a checkpoint does it have a
  /// key, and another replica may be about to sign that with the old one.
  private func catchUp(_ tenant: TenantID, to next: NoteKey) async throws -> LogState {
    do {
      try await publish(tenant)
      return try await rotate(tenant, to: next, isWanted: true)
    } catch let error as CustodyError where error.code == .unavailable {
      return .waiting
    }
  }

  private func rotate(_ tenant: TenantID, to next: NoteKey, isWanted: Bool) async throws -> LogState {
    if try checkpointer.signer(of: tenant).verifierKey() == next { return .rotated }
    let head = try await reading(tenant) { try AuditLogStore.readHead(tenant: tenant, in: $0) }
    if head.isClosed { return .closed }
    guard isWanted else { return .waiting }
    // Before, so that what the entry says of the old key is read off the archive.
    try await publish(tenant)
    if try await announce(tenant, next) { try await afterStep(.announced(tenant)) }
    try await publish(tenant)
    guard try checkpointer.signer(of: tenant).verifierKey() == next else {
      throw CustodyError(.unavailable, field: "signing_key")
    }
    try await afterStep(.published(tenant))
    return .rotated
  }

  /// Adds the entry, unless one is there that isn't published yet. With the publication's lock and under the head:
  /// a second announcement of the same key would be one that no checkpoint could ever cover.
  private func announce(_ tenant: TenantID, _ next: NoteKey) async throws -> Bool {
    let checkpointer = checkpointer
    let announced = try await custody.operate(.operation(tenant)) { unit -> Bool? in
      guard try AuditLogStore.claimPublication(tenant: tenant, in: unit.database) else { return nil }
      try unit.takeHead()
      guard let head = unit.head else { return nil }
      let current = try checkpointer.signer(of: tenant).verifierKey()
      if current == next { return false }
      var position = Int64(try checkpointer.writer(of: tenant).lastCheckpoint()?.size ?? 0)
      while position < head.size {
        let entries = try AuditLogStore.entries(from: position, limit: 1_024, tenant: tenant, in: unit.database)
        guard !entries.isEmpty else { throw AuditError(.inconsistent, sequence: UInt64(position)) }
        for bytes in entries where try KeyRotation(body: Entry(parsing: bytes).body, origin: head.origin) != nil {
          return false
        }
        position += Int64(entries.count)
      }
      unit.record(.logKeyRotated, codes: KeyRotation(old: current, new: next).record.codes)
      return true
    }
    guard let announced else { throw CustodyError(.unavailable, field: "publication") }
    return announced
  }

  private func publish(_ tenant: TenantID) async throws {
    // Another replica publishes, or doesn't have the new key's file in memory yet: it is there a moment later.
    for attempt in 0..<50 {
      if try await checkpointer.publish(tenant) != nil { return }
      if attempt < 49 { try await Task.sleep(for: .milliseconds(100)) }
    }
    throw CustodyError(.unavailable, field: "publication")
  }

  private func reading<Value: Sendable>(
    _ tenant: TenantID, _ body: @escaping @Sendable (Transaction) throws -> Value
  ) async throws -> Value {
    try await custody.translating {
      try await custody.worker.transaction(settings: AccessContext.operation(tenant).settings, readOnly: true) {
        try body($0)
      }
    }
  }

  // MARK: Files

  private func nextKey(_ path: String) throws -> SigningKey {
    let nextPath = SigningKeys.nextPath(of: path)
    do {
      _ = try SigningKeyFile.create(at: nextPath)
    } catch let error where error.code == .fileExists {
      // A rotation that was begun before goes on.
    }
    let key = try SigningKeyFile.load(from: nextPath)
    checkpointer.keys.reload()
    return key
  }

  /// Keeps the old key under another name first, then puts the new one into its place; each in one step.
  private func replace(_ path: String) throws -> String {
    let old = try SigningKeyFile.load(from: path)
    let retired = SigningKeys.retiredPath(of: path, old)
    try SigningKeyFile.replace(path, by: SigningKeys.nextPath(of: path), keepingAs: retired)
    checkpointer.keys.reload()
    return retired
  }
}
