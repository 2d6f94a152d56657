import Vault

extension Custody {
  /// What the vault says of a subject's key: its commitment, and when it was destroyed, if it was.
  public func keyCommitment(of subject: SubjectID, _ context: AccessContext) async throws
    -> (commitment: [UInt8], destroyedAt: Int64?)
  {
    try await translating {
      let (commitment, destroyed) = try await keys.commitment(of: subject, tenant: context.tenant)
      return (commitment, destroyed)
    }
  }

  /// Which of those subjects have no key any more, by the vault's own word.
  public func erased(among subjects: [SubjectID], _ context: AccessContext) async throws -> Set<SubjectID> {
    try await translating { try await keys.destroyed(among: subjects, tenant: context.tenant) }
  }

  /// Which of those subjects have a key, by the vault's own word.
  func holdingKeys(among subjects: [SubjectID], _ context: AccessContext) async throws -> Set<SubjectID> {
    try await translating { try await keys.live(among: subjects, tenant: context.tenant) }
  }

  /// Step 3: destroys the subject's key, and every other key that belongs to the subject, and leaves a tombstone in
  /// the vault. Call only once the erasure is in the ledger. Idempotent: returns the time of the first destruction,
  /// microseconds since the Unix epoch, which is the live erasure time, and the newest epoch that there was: once that one
  /// is retired, no backup of the key opens any more.
  public func destroyKey(of subject: SubjectID, commitment: [UInt8], _ context: AccessContext) async throws
    -> (at: Int64, epoch: Int32)
  {
    try await translating {
      let destruction = try await keys.destroy(subject, commitment: commitment, tenant: context.tenant)
      return (destruction.at, destruction.newestEpoch.rawValue)
    }
  }
}
