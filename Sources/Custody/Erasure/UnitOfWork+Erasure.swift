public import Audit

/// The mechanics of an erasure inside a unit of work. Who may order one, and in which state, is not decided here.
extension UnitOfWork {
  /// Step 1: seals what holds keep under their own keys, tombstones the subject, moves its lookup tags, applies the
  /// registry's rules to every table, and puts `erasure.started` into the log. From this commit on nothing of the
  /// subject is released.
  ///
  /// Waits for every unit that holds the subject. Returns false, and does nothing, when it is tombstoned already.
  ///
  /// Throws `.stale` when other holds wait for this erasure than those of `sealing`, which
  /// ``Custody/holdSealing(of:_:)`` makes; nil stands for none.
  public func tombstone(_ subject: SubjectID, codes: [String: String], sealing: HoldSealing? = nil) throws -> Bool {
    guard try SubjectStore.lockForErasure(subject, tenant: context.tenant, in: database) else { return false }
    try sealHolds(of: subject, with: sealing)
    // Subject, holds, tags, head: the order that every writer keeps, a rotation too. With the head held, no read's side
    // rows are in flight.
    try SubjectStore.moveTags(of: subject, tenant: context.tenant, at: now, in: database)
    try takeHead()
    try SubjectStore.markErasing(subject, tenant: context.tenant, at: now, in: database)
    try SubjectStore.applyErasureRules(to: subject, tenant: context.tenant, at: now, in: database)
    record(.erasureStarted, subject: subject, codes: codes, aboutErasure: true)
    return true
  }

  /// Step 5: notes that the key was destroyed at `erasedAt`, puts `erasure.completed` into the log, and returns the
  /// entry's sequence number.
  public func completeErasure(of subject: SubjectID, erasedAt: Int64, codes: [String: String]) throws -> Int64 {
    try SubjectStore.markErased(subject, tenant: context.tenant, at: erasedAt, in: database)
    record(.erasureCompleted, subject: subject, codes: codes, aboutErasure: true)
    guard let sequence = try appendEntries().last else { throw CustodyError(.unavailable, field: "log") }
    return sequence
  }

  /// An entry about a subject that is being erased: it is neither listed nor required to be live.
  public func recordAboutErasure(_ action: AuditAction, subject: SubjectID, codes: [String: String]) {
    record(action, subject: subject, codes: codes, aboutErasure: true)
  }
}
