import LocalCluster
import Schema

/// The roles and databases in the private cluster, made once.
enum LetheRoles {
  /// Makes what is missing; a start that was killed on the way is completed.
  static func create(in cluster: LocalCluster) async throws {
    try await cluster.sql(DatabaseRoles.createRoles)
    let existing = try await cluster.sql(DatabaseRoles.listDatabases).split(separator: "\n").map(String.init)
    let (data, vault) = (DatabaseRoles.dataDatabase, DatabaseRoles.vaultDatabase)
    // Who may connect is said again at every start: a newer version may have a role more.
    try await cluster.sql(
      existing.contains(data) ? DatabaseRoles.restrictDataDatabase(named: data) : DatabaseRoles.createDataDatabase())
    try await cluster.sql(
      existing.contains(vault) ? DatabaseRoles.restrictVaultDatabase(named: vault) : DatabaseRoles.createVaultDatabase()
    )
  }
}
