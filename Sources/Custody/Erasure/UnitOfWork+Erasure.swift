public import Audit

/// The mechanics of an erasure inside a unit of work. Who may order one, and in which state, is not decided here.
extension UnitOfWork {
  /// Step 1: tombstones the subject, moves its lookup tags, applies the registry's rules to every table, and puts
  /// `erasure.started` into the log. From this commit on nothing of the subject is released.
  ///
  /// Waits for every unit that holds the subject. Returns false, and does nothing, when it is tombstoned already.
  public func tombstone(_ subject: SubjectID, codes: [String: String]) throws -> Bool {
    guard try SubjectStore.lockForErasure(subject, tenant: context.tenant, in: database) else { return false }
    // Subject first, then head: the order every writer keeps. With the head held, no read's side rows are in flight.
    try takeHead()
    try SubjectStore.markErasing(subject, tenant: context.tenant, at: now, in: database)
    try SubjectStore.moveTags(of: subject, tenant: context.tenant, at: now, in: database)
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
