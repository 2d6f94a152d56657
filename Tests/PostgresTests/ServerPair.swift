import Foundation
import Glibc
import LocalCluster
import Synchronization

@testable import Postgres

/// A private primary, a standby that follows it, and an address (a link to a socket's folder) that leads to the first
/// and can be moved to the second.
final class ServerPair: Sendable {
  struct Failure: Error { let message: String }

  let primary: LocalCluster
  private let folder: String
  private let isStopped = DispatchSemaphore(value: 0)
  private let standby = Mutex<pid_t?>(nil)

  private var socketFolder: String { folder + "/standby-socket" }
  private var data: String { folder + "/standby" }
  private var address: String { folder + "/address" }

  var url: String { Self.url(address) }
  var standbyURL: String { Self.url(socketFolder) }

  fileprivate init(folder: String) async throws {
    self.folder = folder
    primary = try await LocalCluster.start(
      dataFolder: folder + "/primary", durable: false, logFile: folder + "/primary.log")
    try FileManager.default.createSymbolicLink(atPath: address, withDestinationPath: primary.socketFolder)
  }

  /// Copies the primary with `pg_basebackup` and starts the copy as its standby, ready to be asked.
  func startStandby() async throws {
    let primaryData = try await text("SHOW data_directory")
    let rules = primaryData + "/pg_hba.conf"
    let old = try String(contentsOfFile: rules, encoding: .utf8)
    // Written in place: the file stays the server account's.
    guard let file = FileHandle(forWritingAtPath: rules) else { throw Failure(message: "no pg_hba.conf") }
    try file.truncate(atOffset: 0)
    try file.write(contentsOf: Data((old + "local replication all trust\n").utf8))
    try file.close()
    try await primary.sql("SELECT pg_reload_conf()")
    let programs = try await text("SELECT setting FROM pg_config WHERE name = 'BINDIR'")
    for path in [data, socketFolder] {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
      if geteuid() == 0, let account = getpwnam("postgres") {
        chown(path, account.pointee.pw_uid, account.pointee.pw_gid)
      }
    }
    let copied = await status([
      programs + "/pg_basebackup", "-D", data, "-h", primary.socketFolder, "-U", "postgres", "-R", "-X", "stream",
      "--checkpoint=fast", "--no-sync",
    ])
    guard copied == 0 else { throw Failure(message: "pg_basebackup: \(copied)") }
    let arguments = [
      programs + "/postgres", "-D", data, "-c", "unix_socket_directories=\(socketFolder)", "-c", "hot_standby=on",
    ]
    // The thread stays until the server has ended: the parent-death signal follows it.
    Thread { [self] in
      let server = process(arguments)
      do {
        try server.run()
        standby.withLock { $0 = server.processIdentifier }
        server.waitUntilExit()
      } catch {}
      isStopped.signal()
    }.start()
    let answers = await eventually { (try? await ask("SELECT 1")) != nil }
    guard answers else {
      throw Failure(message: "the standby does not answer")
    }
  }

  func standbyHas(_ table: String) async -> Bool {
    (try? await ask("SELECT 1 FROM pg_class WHERE relname = '\(unsafe: table)'"))?.count == 1
  }

  /// Returns when the standby takes writes.
  func promote() async throws {
    _ = try await ask("SELECT pg_promote(true, 60)")
  }

  /// From now on new connections reach the former standby.
  func moveAddress() throws {
    try FileManager.default.removeItem(atPath: address)
    try FileManager.default.createSymbolicLink(atPath: address, withDestinationPath: socketFolder)
  }

  fileprivate func stop() async {
    if let server = standby.withLock({ $0 }) {
      kill(server, SIGQUIT)
      await withCheckedContinuation { continuation in
        Thread {
          self.isStopped.wait()
          continuation.resume()
        }.start()
      }
    }
    await primary.stop()
    try? FileManager.default.removeItem(atPath: folder)
  }

  private func ask(_ sql: SQL) async throws -> [Row] {
    try await withPool(standbyURL, size: 1, statementTimeout: .seconds(60)) { try await $0.read(sql) }
  }

  private func text(_ script: String) async throws -> String {
    try await primary.sql(script).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  private func status(_ arguments: [String]) async -> Int32 {
    await withCheckedContinuation { continuation in
      Thread { [self] in
        let program = process(arguments)
        do {
          try program.run()
          program.waitUntilExit()
          continuation.resume(returning: program.terminationStatus)
        } catch {
          continuation.resume(returning: -1)
        }
      }.start()
    }
  }

  /// A program under the server's account, which ends with the thread that starts it.
  private func process(_ arguments: [String]) -> Process {
    var prefix = ["setpriv", "--pdeathsig", "INT"]
    if geteuid() == 0 { prefix += ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"] }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = prefix + arguments
    process.currentDirectoryURL = URL(fileURLWithPath: "/")
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    return process
  }

  private static func url(_ folder: String) -> String { "postgresql://postgres@/postgres?host=\(folder)" }
}

/// Lends a pair whose standby has not been started, and removes it afterwards.
func withServerPair(_ body: (ServerPair) async throws -> Void) async throws {
  // Under the name that the next run's clean-up knows. 0711: the server's account passes through.
  let folder = "/tmp/lethe-test-\(getpid())-pair\(UUID().uuidString.prefix(4))"
  try FileManager.default.createDirectory(
    atPath: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o711])
  let pair = try await ServerPair(folder: folder)
  do {
    try await body(pair)
    await pair.stop()
  } catch {
    await pair.stop()
    throw error
  }
}
