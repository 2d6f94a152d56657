import Foundation
import Glibc
public import LocalCluster
import Synchronization

/// One PostgreSQL cluster for all tests of a process, without fsync, started on first use.
///
/// Its data lie in a folder under /tmp that is removed when the process exits; what a killed process left is removed by
/// the next one.
public enum TestCluster {
  private static let cluster = Once<LocalCluster>()
  private static let templates = Mutex<[String: Once<String>]>([:])

  /// The process's cluster, started by the first caller.
  public static func running() async throws -> LocalCluster {
    try await cluster.value {
      TestFolder.removeLeftovers()
      let folder = try TestFolder.make()
      let cluster = try await LocalCluster.start(
        dataFolder: folder + "/cluster", durable: false, extraSettings: ["max_connections": "300"],
        logFile: folder + "/server.log")
      TestFolder.removeAtExit(folder, server: cluster.processID, socketFolder: cluster.socketFolder)
      return cluster
    }
  }

  /// A database that others are copied from: made empty and filled by `prepare` once in a process, whoever asks first.
  ///
  /// - Parameters:
  ///   - name: lowercase letters, digits and underscores.
  ///   - prepare: gets the superuser's URL; its connections must be closed when it returns.
  /// - Returns: the database's name, to pass to `makeDatabase(named:from:)`.
  public static func template(
    _ name: String, prepare: @escaping @Sendable (_ url: String) async throws -> Void
  ) async throws -> String {
    let once = templates.withLock { known in
      let once = known[name] ?? Once<String>()
      known[name] = once
      return once
    }
    return try await once.value {
      let cluster = try await running()
      try await cluster.sql("CREATE DATABASE \"\(name)\" TEMPLATE template0")
      try await prepare(cluster.url(database: name))
      return name
    }
  }

  /// A new database of its own, empty or copied from a template.
  public static func makeDatabase(
    named prefix: String = "test", from template: String? = nil
  ) async throws -> TestDatabase {
    let cluster = try await running()
    let name = "\(prefix)_\(UUID().uuidString.prefix(8).lowercased())"
    try await cluster.sql("CREATE DATABASE \"\(name)\" TEMPLATE \"\(template ?? "template0")\"")
    return TestDatabase(name: name, cluster: cluster)
  }
}

/// A database of one test or suite.
public struct TestDatabase: Sendable {
  /// The database's name.
  public let name: String
  /// The cluster it is in.
  public let cluster: LocalCluster

  /// A libpq URI; `user` defaults to the bootstrap superuser. Roles belong to the whole cluster: see `role(_:)`.
  public func url(user: String? = nil) -> String { cluster.url(database: name, user: user) }

  /// Runs a script as the superuser.
  @discardableResult
  public func sql(_ script: String) async throws -> String { try await cluster.sql(script, database: name) }

  /// Makes sure a login role without any privilege exists in the cluster. Safe to call from tests that run at once.
  public func role(_ role: String) async throws {
    try await sql(
      """
      DO $$ BEGIN
        CREATE ROLE "\(role)" LOGIN NOSUPERUSER NOBYPASSRLS;
      EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
      END $$
      """)
  }

  /// Ends the database's connections and removes it.
  public func drop() async throws {
    try await cluster.sql("DROP DATABASE IF EXISTS \"\(name)\" WITH (FORCE)")
  }
}

/// Lends a new database to `body` and drops it afterwards, whatever comes of it.
public func withTestDatabase<Result>(
  named prefix: String = "test", from template: String? = nil,
  _ body: (TestDatabase) async throws -> Result
) async throws -> Result {
  let database = try await TestCluster.makeDatabase(named: prefix, from: template)
  do {
    let result = try await body(database)
    try await database.drop()
    return result
  } catch {
    // The body's failure is the one to report; the cluster goes with the process anyway.
    try? await database.drop()
    throw error
  }
}

/// A value made once, by the first of those who ask; the others wait for it.
private final class Once<Value: Sendable>: Sendable {
  private let task = Mutex<Task<Value, any Error>?>(nil)

  func value(_ make: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let task = self.task.withLock { known in
      let task = known ?? Task { try await make() }
      known = task
      return task
    }
    return try await task.value
  }
}
