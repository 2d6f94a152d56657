import Postgres
extension Custody {
  /// Deletes what has had its time: used proofs, kept answers after 24 hours, expiring keys. Safe to run anywhere,
  /// any number of times. Returns how many rows went.
  @discardableResult
  public func deleteExpired() async throws -> Int {
    let now = Microseconds.now()
    return try await translating {
      // A minute on top of the window: clocks of replicas differ.
      var gone = try await worker.transaction { transaction in
        try UsedProofStore.deleteExpired(before: now / 1_000_000 - 60, in: transaction)
      }
      for tenant in try await tenants() {
        let settings = AccessContext.operation(tenant.id).settings
        gone += try await worker.transaction(settings: settings) { transaction in
          try IdempotencyStore.deleteExpired(
            tenant: tenant.id, before: now - Self.keepsAnswersFor, in: transaction)
        }
        gone += try await keyStore.deleteExpired(tenant: tenant.id, before: now)
      }
      return gone
    }
  }
}
