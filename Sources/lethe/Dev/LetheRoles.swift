import LocalCluster
import Schema

/// The roles and databases in the private cluster, made once.
enum LetheRoles {
  /// Makes what is missing; a start that was killed on the way is completed.
  static func create(in cluster: LocalCluster) async throws {
    try await cluster.sql(DatabaseRoles.createRoles)
    let existing = try await cluster.sql(DatabaseRoles.listDatabases).split(separator: "\n").map(String.init)
    if !existing.contains(DatabaseRoles.dataDatabase) { try await cluster.sql(DatabaseRoles.createDataDatabase()) }
    if !existing.contains(DatabaseRoles.vaultDatabase) { try await cluster.sql(DatabaseRoles.createVaultDatabase()) }
  }
}
