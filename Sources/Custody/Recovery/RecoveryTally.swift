/// The reports of a recovery as they grow, and their note in the archive meanwhile.
final class RecoveryTally {
  private(set) var reports: [RecoveryReport]
  private var logged: Set<TenantID> = []
  private let note: RecoveryNote

  /// - Parameter isNoted: whether to leave a note from the start: something will be changed.
  init(tenants: [RecoveryReport], note: RecoveryNote, isNoted: Bool) throws {
    reports = tenants
    self.note = note
    if isNoted { try save() }
  }

  /// The tenant's report so far.
  func report(of tenant: TenantID) -> RecoveryReport {
    reports.first { $0.tenant == tenant } ?? RecoveryReport(tenant)
  }

  /// Changes the tenant's report, durably.
  func change(_ tenant: TenantID, _ body: (inout RecoveryReport) -> Void) throws {
    guard let index = reports.firstIndex(where: { $0.tenant == tenant }) else { return }
    let before = reports[index]
    body(&reports[index])
    if reports[index] != before { try save() }
  }

  /// The tenant's log tells of it: the next recovery begins from nothing.
  func isLogged(_ tenant: TenantID) throws {
    logged.insert(tenant)
    try save()
  }

  /// The recovery has come to its end.
  func finish() { note.remove() }

  private func save() throws {
    try note.save(reports.filter { !logged.contains($0.tenant) && $0.didSomething })
  }
}
