import CBaseline
import Foundation
import Synchronization

/// A server in a process of its own.
final class ChildService: Sendable {
  /// Milliseconds from the start of the process to its first answer that it is ready.
  let startMilliseconds: Double
  let port: UInt16
  private let processID: pid_t
  private let ended: Ended

  /// Whether the process has ended; set by the thread that waits for it.
  private final class Ended: Sendable {
    let value = Mutex(false)
  }

  private init(startMilliseconds: Double, port: UInt16, processID: pid_t, ended: Ended) {
    self.startMilliseconds = startMilliseconds
    self.port = port
    self.processID = processID
    self.ended = ended
  }

  /// Starts a program and returns once it says on `/health/ready` that it is.
  ///
  /// - Parameters:
  ///   - arguments: the program's path and its words.
  ///   - environment: variables over our own.
  ///   - port: the port that the program was told to listen on.
  ///   - logFile: where its output goes.
  static func start(
    _ arguments: [String], environment: [String: String] = [:], port: UInt16, logFile: String
  ) async throws -> ChildService {
    guard FileManager.default.createFile(atPath: logFile, contents: nil, attributes: [.posixPermissions: 0o600]),
      let log = FileHandle(forWritingAtPath: logFile)
    else {
      throw Harness.Failure(description: "\(logFile) can't be written")
    }
    let ended = Ended()
    let begin = baseline_wall_nanoseconds()
    let processID = try await spawn(arguments, environment, log, ended).get()
    while true {
      if baseline_http_status(port, "/health/ready") == 200 { break }
      if ended.value.withLock({ $0 }) {
        let last = (try? String(contentsOfFile: logFile, encoding: .utf8))?.suffix(400) ?? ""
        throw Harness.Failure(description: "\(arguments[0]) ended before it was ready: \(last)")
      }
      if baseline_wall_nanoseconds() - begin > 60_000_000_000 {
        kill(processID, SIGTERM)
        throw Harness.Failure(description: "\(arguments[0]) was not ready within a minute")
      }
      try await Task.sleep(for: .milliseconds(1))
    }
    return ChildService(
      startMilliseconds: Double(baseline_wall_nanoseconds() - begin) / 1_000_000, port: port, processID: processID,
      ended: ended)
  }

  /// This program as a server of a folder's installation, which begins with so many people.
  static func serve(_ home: String, port: UInt16, people: Int = 25) async throws -> ChildService {
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return try await start(
      [program, "serve-child", "--home", home, "--port", "\(port)", "--people", "\(people)"], port: port,
      logFile: home + ".log")
  }

  /// A port that is free now.
  static func freePort() throws -> UInt16 {
    let port = baseline_free_port()
    guard port != 0 else { throw Harness.Failure(description: "there is no free port") }
    return port
  }

  /// Physical memory of the process (not of its database), in MiB, as the kernel counts it.
  func residentMebibytes() throws -> Double {
    let status = try String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }),
      let kibibytes = line.split(whereSeparator: { !$0.isNumber }).first.flatMap({ Double($0) })
    else { throw Harness.Failure(description: "the kernel does not say how much memory the server has") }
    return kibibytes / 1_024
  }

  /// Asks it to stop and waits for its end.
  func stop() async throws {
    for signal in [SIGTERM, SIGKILL] {
      if !ended.value.withLock({ $0 }) { kill(processID, signal) }
      for _ in 0..<3_000 {
        if ended.value.withLock({ $0 }) { return }
        try await Task.sleep(for: .milliseconds(10))
      }
    }
    throw Harness.Failure(description: "the server does not stop")
  }

  /// Starts the program from a thread that lives as long as it: `setpriv` ties the program's life to that thread, so
  /// that no server stays when we are killed.
  private static func spawn(
    _ arguments: [String], _ environment: [String: String], _ log: FileHandle, _ ended: Ended
  ) async -> Result<pid_t, any Error> {
    await withCheckedContinuation { continuation in
      Thread {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
        process.arguments = ["--pdeathsig", "TERM"] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = log
        process.standardError = log
        do {
          try process.run()
        } catch {
          continuation.resume(returning: .failure(error))
          return
        }
        continuation.resume(returning: .success(process.processIdentifier))
        process.waitUntilExit()
        ended.value.withLock { $0 = true }
      }.start()
    }
  }
}
