import Audit

/// An erasure that has happened, done again in a database that came from before it.
extension UnitOfWork {
  /// Tombstones the subject as of the time of its erasure: the same as ``tombstone(_:codes:sealing:)``, but the log gets
  /// an entry only where it has none of this erasure. False when the subject is tombstoned already, or has no row.
  func repeatTombstone(
    of subject: SubjectID, at time: Int64, isLogged: Bool, codes: [String: String], sealing: HoldSealing?
  ) throws -> Bool {
    do {
      guard try SubjectStore.lockForErasure(subject, tenant: context.tenant, in: database) else { return false }
    } catch let error as CustodyError where error.code == .notFound {
      return false
    }
    try sealHolds(of: subject, with: sealing)
    try takeHead()
    try SubjectStore.markErasing(subject, tenant: context.tenant, at: time, in: database)
    try SubjectStore.moveTags(of: subject, tenant: context.tenant, at: time, in: database)
    try SubjectStore.applyErasureRules(to: subject, tenant: context.tenant, at: time, in: database)
    if !isLogged { recordAboutErasure(.erasureStarted, subject: subject, codes: codes) }
    return true
  }

  /// Notes that the erasure is complete; with an entry where the log has none.
  func repeatCompletion(of subject: SubjectID, at time: Int64, isLogged: Bool, codes: [String: String]) throws {
    try SubjectStore.markErased(subject, tenant: context.tenant, at: time, in: database)
    if !isLogged { recordAboutErasure(.erasureCompleted, subject: subject, codes: codes) }
  }
}
