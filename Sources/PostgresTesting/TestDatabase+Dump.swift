import Foundation
import LocalCluster
import PostgresPrograms

extension TestDatabase {
  /// A dump of the database as a script, made by `pg_dump` as the superuser: rows, owners, grants, policies.
  public func dump() async throws -> String {
    let arguments = [
      try InstalledPrograms.find(.client).path("pg_dump"), "--no-password", "--dbname", url(),
    ]
    let outcome = await onOwnThread { () -> Result<String, ProgramError> in
      Result { () throws(ProgramError) in try ChildProcess.run(arguments, input: "") }
    }
    return try outcome.get()
  }

  /// Puts a dump in the place of the database: drops it under everybody who is connected, makes it again under the same
  /// name and owner, and fills it. The database is another one afterwards, by its object identifier.
  public func restore(_ dump: String, owner: String) async throws {
    try await drop()
    try await cluster.sql("CREATE DATABASE \"\(name)\" OWNER \"\(owner)\" TEMPLATE template0")
    try await sql(dump)
  }
}
