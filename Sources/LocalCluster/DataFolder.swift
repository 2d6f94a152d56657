import Foundation
import Glibc
import PostgresPrograms

/// The folder a cluster lives in, from an empty one to a running server's.
struct DataFolder: Sendable {
  /// The bootstrap superuser's name.
  static let superuser = "postgres"

  let path: String

  var marker: String { path + "/lethe-cluster" }
  var lockFile: String { path + "/lethe-cluster.lock" }
  var pgdata: String { path + "/pgdata" }
  /// Names the socket's folder of the last start, so that the next one can remove what a killed run has left.
  private var socketNote: String { path + "/lethe-cluster.socket" }
  private var unfinished: String { path + "/pgdata.new" }
  private var pidFile: String { pgdata + "/postmaster.pid" }

  /// The major version that made the data, or nil while there are none.
  var majorVersion: Int? {
    guard let text = try? String(contentsOfFile: pgdata + "/PG_VERSION", encoding: .utf8) else { return nil }
    return Int(text.trimmingCharacters(in: .whitespacesAndNewlines).prefix(while: \.isNumber))
  }

  /// The server's programs: of the version that made the data, or the newest while there are none.
  func programs() throws(LocalClusterError) -> InstalledPrograms {
    let major = majorVersion
    do throws(ProgramError) {
      return try InstalledPrograms.find(.server, major: major)
    } catch {
      if error.code == .otherVersion, let major {
        throw LocalClusterError(
          .otherVersion, "the cluster was made by PostgreSQL \(major), and \(error.description)")
      }
      return try LocalClusterError.translating { () throws(ProgramError) in throw error }
    }
  }

  /// Makes the folder ours, or refuses one that isn't.
  func claim() throws(LocalClusterError) {
    let files = FileManager.default
    if files.fileExists(atPath: marker) { return }
    if let contents = try? files.contentsOfDirectory(atPath: path), !contents.isEmpty {
      throw LocalClusterError(.foreignFolder, "\(path) is not empty and was not made by lethe")
    }
    do {
      try files.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      try "A PostgreSQL cluster of lethe's. Don't edit.\n".write(toFile: marker, atomically: true, encoding: .utf8)
    } catch {
      throw LocalClusterError(.unusableFolder, "can't make the folder \(path)")
    }
  }

  func prepare(for account: ServerAccount) throws(LocalClusterError) {
    try account.own(path)
    // What an interrupted `initdb` left is of no use to anyone.
    try? FileManager.default.removeItem(atPath: unfinished)
  }

  /// Runs `initdb` beside the final place and moves the result there, so that a kill leaves nothing half made.
  func initialise(
    programs: InstalledPrograms, launcher: ServerLauncher, log: LogFile, durable: Bool
  ) throws(LocalClusterError) {
    var words = [
      programs.path("initdb"), "--pgdata", unfinished, "--username", Self.superuser, "--encoding", "UTF8",
      "--locale", "C.UTF-8", "--data-checksums", "--auth-local", "trust", "--auth-host", "reject",
    ]
    if !durable { words.append("--no-sync") }
    let child = try LocalClusterError.translating { () throws(ProgramError) in
      try ChildProcess.start(launcher.arguments(words), output: log.descriptor, workingFolder: "/")
    }
    guard child.exitStatus() == 0 else {
      throw LocalClusterError(.failed, "initdb failed: \(log.lastComplaint())")
    }
    // libc reads both paths during the call.
    guard unsafe rename(unfinished, pgdata) == 0 else {
      throw LocalClusterError(.unusableFolder, "can't finish the cluster in \(path)")
    }
  }

  /// Writes the configuration of this start. The files are ours alone: an edit would be lost, so put changes in
  /// `extraSettings`.
  func configure(
    socketFolder: String, durable: Bool, extra: [String: String], account: ServerAccount
  ) throws(LocalClusterError) {
    var settings = Self.settings
    settings["unix_socket_directories"] = socketFolder
    if !durable {
      for name in ["fsync", "synchronous_commit", "full_page_writes"] { settings[name] = "off" }
    }
    settings.merge(extra) { _, new in new }
    var text = "# Written by lethe at every start.\n"
    for (name, value) in settings.sorted(by: { $0.key < $1.key }) {
      guard name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ".") }),
        !value.contains(where: \.isNewline)
      else { throw LocalClusterError(.failed, "\(name) is not a setting") }
      text += "\(name) = '\(value.replacing("'", with: "''"))'\n"
    }
    try write(text, to: pgdata + "/postgresql.conf", account)
    try write("local all all trust\n", to: pgdata + "/pg_hba.conf", account)
    try write(socketFolder, to: socketNote, account)
  }

  /// Waits for the server of a killed run to finish, and removes the pid file of one that is gone. The lock is ours, so
  /// any server still here is a leftover.
  func settleOldServer() throws(LocalClusterError) {
    for _ in 0..<300 {
      guard let old = pidLines(), let processID = old.first.flatMap({ pid_t($0) }) else { return }
      if !isServer(processID) {
        // The number is nobody's, or by now another program's; PostgreSQL itself would refuse in the second case.
        // libc reads the path during the call.
        unsafe unlink(pidFile)
        return
      }
      usleep(100_000)
    }
    throw LocalClusterError(.alreadyRunning, "another PostgreSQL server still runs in \(path)")
  }

  /// Removes the socket's folder of a run that was killed. Call it when its server is gone.
  func removeOldSocket() {
    if let old = try? String(contentsOfFile: socketNote, encoding: .utf8) { SocketFolder.removeLeftover(old) }
  }

  /// Blocks until the server takes connections.
  func awaitReady(_ server: ChildProcess, log: LogFile) throws(LocalClusterError) {
    for _ in 0..<3000 {
      if server.hasExited {
        throw LocalClusterError(.failed, "the PostgreSQL server did not start: \(log.lastComplaint())")
      }
      // The eighth line says what the server is doing (miscadmin.h, LOCK_FILE_LINE_PM_STATUS).
      if let lines = pidLines(), lines.count > 7, pid_t(lines[0]) == server.processID,
        lines[7].hasPrefix("ready")
      {
        return
      }
      usleep(20_000)
    }
    server.signal(SIGQUIT)
    throw LocalClusterError(.failed, "the PostgreSQL server did not become ready: \(log.lastComplaint())")
  }

  private func pidLines() -> [String]? {
    guard let text = try? String(contentsOfFile: pidFile, encoding: .utf8) else { return nil }
    return text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  /// Whether the process is a PostgreSQL server of this folder: started with it as an argument. A zombie has none. The
  /// command line is readable whoever runs the process, unlike its working folder.
  private func isServer(_ processID: pid_t) -> Bool {
    let commandLine = FileManager.default.contents(atPath: "/proc/\(processID)/cmdline") ?? Data()
    return commandLine.split(separator: 0).contains { $0.elementsEqual(pgdata.utf8) }
  }

  private func write(_ text: String, to file: String, _ account: ServerAccount) throws(LocalClusterError) {
    do {
      try text.write(toFile: file, atomically: true, encoding: .utf8)
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
    } catch {
      throw LocalClusterError(.unusableFolder, "can't write \(file)")
    }
    try account.own(file)
  }

  /// No TCP, and nothing that would write a value into the server's log.
  private static let settings = [
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_duration": "off",
    "dynamic_shared_memory_type": "posix",
    "shared_buffers": "64MB",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
  ]
}

/// Keeps a second process out of the folder. The system releases it when this process ends, however it ends.
final class FolderLock: Sendable {
  private let descriptor: CInt

  init(_ path: String) throws(LocalClusterError) {
    // libc reads the path during the call.
    descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else {
      throw LocalClusterError(.unusableFolder, "can't open \(path) (errno \(errno))")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw LocalClusterError(.alreadyRunning, "another process runs the cluster of \(path.dropLast(".lock".count))")
    }
  }

  deinit {
    release()
    close(descriptor)
  }

  /// Unlocks at once: closing alone waits for a child that another thread is starting, which shares the file until it
  /// runs its program.
  func release() { _ = flock(descriptor, LOCK_UN) }
}
