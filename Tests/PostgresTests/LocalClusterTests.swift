import Foundation
import LocalCluster
import PostgresTesting
import Testing

/// Lends a private folder and removes it afterwards. Its mode is 0700: as root, the server's account can't pass it.
func withScratchFolder(_ body: (String) async throws -> Void) async throws {
  let folder = "/tmp/pg-tests-\(UUID().uuidString.prefix(8))"
  try FileManager.default.createDirectory(
    atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
  defer { try? FileManager.default.removeItem(atPath: folder) }
  try await body(folder)
}

@Suite("Local cluster")
struct LocalClusterTests {
  private func refusal(_ folder: String, log: String? = nil, settings: [String: String] = [:]) async
    -> LocalClusterError?
  {
    do throws(LocalClusterError) {
      let cluster = try await LocalCluster.start(
        dataFolder: folder, durable: false, extraSettings: settings, logFile: log ?? folder + ".log")
      await cluster.stop()
      return nil
    } catch {
      return error
    }
  }

  @Test("a cluster below a folder of mode 0700 starts, keeps its data over a second start, and cleans up its socket")
  func secondStart() async throws {
    try await withScratchFolder { folder in
      let data = folder + "/deep/pg", log = folder + "/log"
      let first = try await LocalCluster.start(dataFolder: data, durable: true, logFile: log)
      #expect(first.socketFolder.utf8.count + "/.s.PGSQL.5432".utf8.count < 107)
      let mode = try FileManager.default.attributesOfItem(atPath: first.socketFolder)[.posixPermissions] as? Int
      #expect(mode == 0o700)
      try await first.sql("CREATE TABLE kept AS SELECT 42 AS n")
      #expect(try await first.sql("SHOW fsync; SHOW listen_addresses; SHOW data_checksums") == "on\n\non\n")
      #expect(try await first.sql("SHOW server_encoding; SHOW lc_collate") == "UTF8\nC.UTF-8\n")
      await first.stop()
      await first.stop()
      #expect(!FileManager.default.fileExists(atPath: first.socketFolder))
      let second = try await LocalCluster.start(
        dataFolder: data, durable: false, extraSettings: ["work_mem": "5MB", "app.it": "it's"], logFile: log)
      #expect(
        try await second.sql("SELECT n FROM kept; SHOW fsync; SHOW work_mem; SHOW app.it") == "42\noff\n5MB\nit's\n")
      await second.stop()
    }
  }

  @Test("the server runs in a process group of its own, and not as root")
  func ownGroup() async throws {
    let cluster = try await TestCluster.running()
    #expect(getpgid(cluster.processID) == cluster.processID)
    let owner = try FileManager.default.attributesOfItem(atPath: "/proc/\(cluster.processID)")[.ownerAccountID] as? Int
    #expect(owner != 0)
  }

  @Test("psql's complaint is the error of a script, which stops there")
  func badScript() async throws {
    try await withTestDatabase { database in
      await #expect(throws: LocalClusterError.self) {
        try await database.sql("CREATE TABLE a (i int); SELECT nonsense; CREATE TABLE b (i int);")
      }
      let after = try await database.sql("SELECT to_regclass('a') IS NULL, to_regclass('b') IS NULL")
      #expect(after == "f|t\n")
    }
  }

  @Test("names in a URL are escaped")
  func url() async throws {
    let cluster = try await TestCluster.running()
    #expect(cluster.url(database: "a/b", user: "x@y").hasPrefix("postgresql://x%40y@/a%2Fb?host=%2Ftmp%2Flethe-"))
  }

  @Test("a folder with somebody else's files is refused and left alone")
  func foreignFolder() async throws {
    try await withScratchFolder { folder in
      try "mine".write(toFile: folder + "/letter.txt", atomically: true, encoding: .utf8)
      let error = await refusal(folder)
      #expect(error?.code == .foreignFolder)
      #expect(error?.description == "\(folder) is not empty and was not made by lethe")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["letter.txt"])
    }
  }

  @Test("a running cluster's folder is refused to a second start")
  func runningTwice() async throws {
    try await withScratchFolder { folder in
      let data = folder + "/pg"
      let cluster = try await LocalCluster.start(dataFolder: data, durable: false, logFile: folder + "/log")
      let error = await refusal(data)
      #expect(error?.code == .alreadyRunning)
      #expect(error?.description.hasPrefix("another process runs the cluster of \(data)") == true)
      #expect(try await cluster.sql("SELECT 1") == "1\n")
      await cluster.stop()
    }
  }

  @Test("data of another major version, and settings the server doesn't know, are refused in one line")
  func refusals() async throws {
    try await withScratchFolder { folder in
      let data = folder + "/pg"
      #expect(await refusal(data) == nil)
      let unknown = await refusal(data, settings: ["no_such_setting": "1"])
      #expect(unknown?.code == .failed)
      #expect(unknown?.description.contains("did not start") == true)
      #expect(unknown?.description.contains("\n") == false)
      #expect(await refusal(data, settings: ["x = 1\ny": "1"])?.description.hasSuffix("is not a setting") == true)
      #expect(await refusal(data, log: folder + "/absent/log")?.code == .unusableFolder)
      try "9.6\n".write(toFile: data + "/pgdata/PG_VERSION", atomically: true, encoding: .utf8)
      let version = await refusal(data)
      #expect(version?.code == .otherVersion)
      #expect(version?.description.hasPrefix("the cluster was made by PostgreSQL 9, and PostgreSQL ") == true)
    }
  }

  @Test("a stale pid file whose number is another process's is recovered from")
  func stalePID() async throws {
    try await withScratchFolder { folder in
      let data = folder + "/pg"
      #expect(await refusal(data) == nil)
      let stale = "\(getpid())\n\(data)/pgdata\n1\n5432\n/tmp/lethe-absent\n\n0 0\nready\n"
      try stale.write(toFile: data + "/pgdata/postmaster.pid", atomically: true, encoding: .utf8)
      #expect(await refusal(data) == nil)
    }
  }

  @Test("the server ends when its parent is killed, and the next start uses the same data")
  func parentKilled() async throws {
    try await withScratchFolder { folder in
      await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String] in
        let cluster = try await LocalCluster.start(
          dataFolder: folder + "/pg", durable: false, logFile: folder + "/log")
        try await cluster.sql("CREATE TABLE kept AS SELECT 7 AS n")
        try "\(cluster.processID) \(cluster.socketFolder)".write(
          toFile: folder + "/facts", atomically: true, encoding: .utf8)
        kill(getpid(), SIGKILL)
      }
      let facts = try String(contentsOfFile: folder + "/facts", encoding: .utf8).split(separator: " ")
      let server = try #require(pid_t(facts[0]))
      // Started at once: the old server may still be shutting down.
      let cluster = try await LocalCluster.start(dataFolder: folder + "/pg", durable: false, logFile: folder + "/log")
      // A zombie, where nobody reaps orphans, has no command line.
      #expect(FileManager.default.contents(atPath: "/proc/\(server)/cmdline")?.isEmpty != false)
      #expect(try await cluster.sql("SELECT n FROM kept") == "7\n")
      #expect(!FileManager.default.fileExists(atPath: String(facts[1])))
      await cluster.stop()
    }
  }
}

@Suite("Test databases")
struct TestDatabaseTests {
  @Test("a template is prepared once, and its copies don't share what is written to them")
  func template() async throws {
    let calls = Counter()
    let names = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<4 {
        group.addTask {
          try await TestCluster.template("pg_tests_template") { url in
            await calls.count()
            try await TestCluster.running().sql("CREATE TABLE t (i int)", database: "pg_tests_template")
            #expect(url.contains("/pg_tests_template?host="))
          }
        }
      }
      return try await group.reduce(into: Set<String>()) { $0.insert($1) }
    }
    #expect(names == ["pg_tests_template"])
    #expect(await calls.value == 1)
    let counts = try await withTestDatabase(from: "pg_tests_template") { one in
      try await withTestDatabase(from: "pg_tests_template") { two in
        try await one.sql("INSERT INTO t VALUES (1)")
        return try await [one.sql("SELECT count(*) FROM t"), two.sql("SELECT count(*) FROM t")]
      }
    }
    #expect(counts == ["1\n", "0\n"])
  }

  private actor Counter {
    private(set) var value = 0
    func count() { value += 1 }
  }
}
