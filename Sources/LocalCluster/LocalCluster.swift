import Foundation
import PostgresPrograms
import Synchronization

/// A private PostgreSQL cluster: the system's server programs, a folder of ours, a Unix socket, no TCP.
///
/// Nobody but this user (and root) reaches the socket, because its folder has mode 0700; that is why the server trusts
/// every role there. The server runs as the unprivileged account `postgres` (or `nobody`) when we are root. It has a
/// process group of its own, so that Ctrl-C reaches us first, and it shuts down when this process ends by any signal,
/// SIGKILL included.
///
/// Layout of the data folder: `lethe-cluster` (marks the folder as ours), `lethe-cluster.lock` (held while we run),
/// `lethe-cluster.socket` (where the last start put its socket), `pgdata` (PostgreSQL's own).
public final class LocalCluster: Sendable {
  /// The folder of the server's socket: short (a socket's path has at most 107 bytes), mode 0700, removed by `stop`.
  public let socketFolder: String
  /// The bootstrap superuser's name.
  public let superuser: String
  /// Process id of the server's first process.
  public let processID: Int32

  private let programs: InstalledPrograms
  private let server: ChildProcess
  private let lock: FolderLock
  private let isStopped = Mutex(false)

  private init(
    socketFolder: String, superuser: String, programs: InstalledPrograms, server: ChildProcess, lock: FolderLock
  ) {
    self.socketFolder = socketFolder
    self.superuser = superuser
    self.programs = programs
    self.server = server
    self.lock = lock
    processID = server.processID
  }

  /// Starts the cluster of a folder, making folder and cluster when there are none, and returns when it takes
  /// connections.
  ///
  /// - Parameters:
  ///   - dataFolder: an absent or empty folder, or one that an earlier start made.
  ///   - durable: false switches fsync off: fast, and lost with the machine. For tests.
  ///   - extraSettings: lines for `postgresql.conf`, over ours.
  ///   - logFile: where the server's output is appended. It is opened by us, with mode 0600.
  /// - Throws: `LocalClusterError`, one line each: a foreign folder, another PostgreSQL major version, a running
  ///   instance, missing programs, or the end of the server's log when it doesn't start.
  public static func start(
    dataFolder: String, durable: Bool = true, extraSettings: [String: String] = [:], logFile: String
  ) async throws(LocalClusterError) -> LocalCluster {
    let outcome = await onOwnThread { () -> Result<LocalCluster, LocalClusterError> in
      Result { () throws(LocalClusterError) in
        try launch(
          dataFolder: dataFolder, durable: durable, extraSettings: extraSettings, logFile: logFile)
      }
    }
    return try outcome.get()
  }

  /// A libpq URI for a database of this cluster. `user` defaults to the bootstrap superuser.
  public func url(database: String, user: String? = nil) -> String {
    "postgresql://\(Self.escaped(user ?? superuser))@/\(Self.escaped(database))?host=\(Self.escaped(socketFolder))"
  }

  /// Runs a script with `psql` as the bootstrap superuser and returns its output, unaligned, without headers. The
  /// script stops at its first error.
  ///
  /// - Throws: `.failed` with the first line of psql's complaint.
  @discardableResult
  public func sql(_ script: String, database: String = "postgres") async throws(LocalClusterError) -> String {
    let arguments = [
      programs.path("psql"), "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1",
      "--dbname", url(database: database), "--file", "-",
    ]
    let outcome = await onOwnThread { () -> Result<String, LocalClusterError> in
      Result { () throws(LocalClusterError) in
        try LocalClusterError.translating { () throws(ProgramError) in try ChildProcess.run(arguments, input: script) }
      }
    }
    return try outcome.get()
  }

  /// Shuts the server down (fast: open transactions are rolled back), waits for it, and removes the socket's folder.
  public func stop() async {
    let isFirst = isStopped.withLock { stopped in
      defer { stopped = true }
      return !stopped
    }
    if isFirst { server.signal(SIGINT) }
    await onOwnThread { [self] in
      if !server.waitForExit(seconds: 30) {
        server.signal(SIGQUIT)
        if !server.waitForExit(seconds: 10) { server.signal(SIGKILL) }
        _ = server.waitForExit(seconds: 5)
      }
      try? FileManager.default.removeItem(atPath: socketFolder)
      lock.release()
    }
  }

  private static func escaped(_ text: String) -> String {
    text.utf8.map { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
        String(UnicodeScalar(byte))
      default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }.joined()
  }

  private static func launch(
    dataFolder: String, durable: Bool, extraSettings: [String: String], logFile: String
  ) throws(LocalClusterError) -> LocalCluster {
    let folder = DataFolder(path: URL(fileURLWithPath: dataFolder).path)
    try folder.claim()
    let lock = try FolderLock(folder.lockFile)
    let account = try ServerAccount.forThisProcess()
    let programs = try folder.programs()
    let launcher = try ServerLauncher(account: account, reach: folder.path)
    let log = try LogFile(logFile)
    try folder.prepare(for: account)
    if folder.majorVersion == nil {
      try folder.initialise(programs: programs, launcher: launcher, log: log, durable: durable)
    }
    try folder.settleOldServer()
    folder.removeOldSocket()
    let socketFolder = try SocketFolder.make(for: account)
    do throws(LocalClusterError) {
      try folder.configure(socketFolder: socketFolder, durable: durable, extra: extraSettings, account: account)
      let server = try LocalClusterError.translating { () throws(ProgramError) in
        try ChildProcess.start(
          launcher.arguments([programs.path("postgres"), "-D", folder.pgdata]), output: log.descriptor,
          workingFolder: "/")
      }
      try folder.awaitReady(server, log: log)
      return LocalCluster(
        socketFolder: socketFolder, superuser: DataFolder.superuser, programs: programs, server: server, lock: lock)
    } catch {
      try? FileManager.default.removeItem(atPath: socketFolder)
      throw error
    }
  }
}
