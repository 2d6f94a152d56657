import Postgres

extension Custody {
  /// Deletes the proofs that could no longer be accepted, of every tenant. Safe to run anywhere, any number of times.
  /// Returns how many went.
  @discardableResult
  public func deleteExpiredProofs() async throws -> Int {
    // A minute on top of the window: clocks of replicas differ.
    let before = Microseconds.now() / 1_000_000 - 60
    return try await translating {
      try await worker.transaction { try UsedProofStore.deleteExpired(before: before, in: $0) }
    }
  }

  /// Deletes a tenant's kept answers after 24 hours, and its expiring keys. Safe to run anywhere, any number of
  /// times. Returns how many rows went.
  @discardableResult
  public func deleteExpired(in tenant: TenantID) async throws -> Int {
    let now = Microseconds.now()
    return try await translating {
      let answers = try await worker.transaction(settings: AccessContext.operation(tenant).settings) { transaction in
        try IdempotencyStore.deleteExpired(tenant: tenant, before: now - Self.keepsAnswersFor, in: transaction)
      }
      return answers + (try await keyStore.deleteExpired(tenant: tenant, before: now))
    }
  }
}
