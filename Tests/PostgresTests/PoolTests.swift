import Dispatch
import Foundation
import LocalCluster
import Logging
import PostgresTesting
import Testing

@testable import Postgres

@Suite("Pool")
struct PoolTests {
  @Test("work waits for a connection until its deadline, then fails without having begun")
  func deadline() async throws {
    try await withTestDatabase { database in
      try await withPool(database.url(), size: 1, acquireTimeout: .seconds(1)) { pool in
        async let busy = pool.transaction { try $0.query("SELECT pg_sleep(3)").count }
        try await Task.sleep(for: .milliseconds(100))
        async let late = failure { _ = try await pool.read("SELECT 1") }
        async let laterStill = failure { try await pool.transaction { try $0.query("SELECT 1") } }
        #expect(await [late?.code, laterStill?.code] == [.timeout, .timeout])
        #expect(try await busy == 1)
        #expect(try await pool.read("SELECT 1").count == 1)
      }
    }
  }

  @Test("a pool serves as many transactions at once as it has connections")
  func parallel() async throws {
    try await withDatabasePool(size: 3) { _, pool in
      let processes = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<3 {
          group.addTask {
            try await pool.transaction { transaction in
              try transaction.query("SELECT pg_sleep(0.5)")
              return try transaction.query("SELECT pg_backend_pid() AS pid").first?.decode("pid", as: Int.self) ?? 0
            }
          }
        }
        return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
      }
      #expect(processes.count == 3)
    }
  }

  @Test("a pool that is not started, or was shut down, refuses work")
  func closed() async throws {
    try await withTestDatabase { database in
      let pool = PostgresPool(PoolConfiguration(url: database.url(), role: "test", size: 1), logger: .silent)
      #expect(await failure { _ = try await pool.read("SELECT 1") }?.code == .poolClosed)
      try await pool.start()
      #expect(await failure { try await pool.start() }?.code == .misuse)
      // The only connection is held until the one that waits has been refused; it blocks its own thread, no pool's.
      let (held, holds) = AsyncStream<Void>.makeStream()
      let release = DispatchSemaphore(value: 0)
      async let running = pool.transaction { transaction in
        holds.yield()
        release.wait()
        return try transaction.query("SELECT 1").count
      }
      for await _ in held { break }
      async let waiting = failure { _ = try await pool.read("SELECT 1") }
      async let closing: Void = pool.shutdown()
      #expect(await waiting?.code == .poolClosed)
      release.signal()
      #expect(try await running == 1)
      await closing
      #expect(await failure { _ = try await pool.read("SELECT 1") }?.code == .poolClosed)
    }
  }

  @Test(
    "a start that can't connect says so at once",
    arguments: ["host=/nonexistent dbname=x", "postgresql://nobody@127.0.0.1:1/x", "not a connection string"])
  func unreachable(url: String) async {
    let pool = PostgresPool(PoolConfiguration(url: url, role: "test", size: 1), logger: .silent)
    #expect(await failure { try await pool.start() }?.code == .connection)
    #expect(await failure { _ = try await pool.read("SELECT 1") }?.code == .poolClosed)
  }

  @Test("a pool of no connections is refused")
  func empty() async {
    let pool = PostgresPool(PoolConfiguration(url: "", role: "test", size: 0), logger: .silent)
    #expect(await failure { try await pool.start() }?.code == .misuse)
  }

  @Test("connections that died while idle are replaced without a failure in either lane")
  func idleDeath() async throws {
    try await withDatabasePool(size: 1) { database, pool in
      let end =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'postgres tests'"
        + " AND datname = '\(database.name)'"
      try await database.sql(end)
      #expect(try await pool.read("SELECT 1").count == 1)
      try await database.sql(end)
      #expect(try await pool.transaction { try $0.query("SELECT 1").count } == 1)
      // A statement that the dead connection has never seen.
      try await database.sql(end)
      #expect(try await pool.read("SELECT 2").count == 1)
    }
  }

  @Test("a connection lost inside a body is a connection error, and lost in COMMIT is unknown")
  func lostInside() async throws {
    try await withDatabasePool(
      size: 1,
      schema: """
        CREATE TABLE t (a int);
        CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION die();
        """
    ) { _, pool in
      let inside = await failure {
        try await pool.transaction { try $0.query("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(5)") }
      }
      #expect(inside?.code == .connection)
      let commit = await failure { try await pool.transaction { try $0.execute("INSERT INTO t VALUES (1)") } }
      #expect(commit?.code == .commitUnknown)
      let after = try await pool.read("SELECT 1 FROM t")
      #expect(after.isEmpty)
    }
  }

  @Test("a server that is stopped fails work instead of keeping it, and serves again when it is back")
  func serverRestart() async throws {
    try await withScratchFolder { folder in
      let log = folder + "/log"
      let first = try await LocalCluster.start(dataFolder: folder + "/pg", durable: false, logFile: log)
      // The socket's folder changes with every start; a link keeps the pool's URL the same.
      let link = folder + "/s"
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: first.socketFolder)
      try await withPool("host=\(link) user=postgres dbname=postgres") { pool in
        kill(first.processID, SIGKILL)
        #expect(
          await eventually { await failure { _ = try await pool.read("SELECT pg_sleep(0.01)") }?.code == .connection })
        await first.stop()
        #expect(await failure { try await pool.transaction { try $0.query("SELECT 1") } }?.code == .connection)
        let second = try await LocalCluster.start(dataFolder: folder + "/pg", durable: false, logFile: log)
        try FileManager.default.removeItem(atPath: link)
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: second.socketFolder)
        #expect(try await pool.read("SELECT 1").count == 1)
        #expect(try await pool.transaction { try $0.query("SELECT 1").count } == 1)
        await second.stop()
      }
    }
  }
}

@Suite("Notifications")
struct NotificationTests {
  @Test("a listener hears its channels, and says when it may have missed something")
  func heard() async throws {
    try await withDatabasePool { database, pool in
      var heard = pool.notifications(channels: ["erased", "Odd \"name\""]).makeAsyncIterator()
      #expect(await heard.next() == .reconnected)
      try await pool.transaction { transaction in
        try transaction.query("SELECT pg_notify('other', 'x'), pg_notify('erased', 'one')")
      }
      #expect(await heard.next() == .message(channel: "erased", payload: "one"))
      try await database.sql("NOTIFY \"Odd \"\"name\"\"\"")
      #expect(await heard.next() == .message(channel: "Odd \"name\"", payload: ""))
      try await database.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'postgres tests listener'"
          + " AND datname = '\(database.name)'")
      #expect(await heard.next() == .reconnected)
      try await database.sql("NOTIFY erased, 'two'")
      #expect(await heard.next() == .message(channel: "erased", payload: "two"))
    }
  }

  @Test("shutdown ends the stream")
  func ends() async throws {
    try await withTestDatabase { database in
      let stream = try await withPool(database.url()) { pool in
        let stream = pool.notifications(channels: ["a"])
        for await _ in stream { break }
        return pool.notifications(channels: ["b"])
      }
      var last: PostgresNotification?
      for await notification in stream { last = notification }
      #expect(last == nil || last == .reconnected)
    }
  }
}
