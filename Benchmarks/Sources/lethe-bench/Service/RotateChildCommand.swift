import ArgumentParser
import Custody
import Foundation
import ProfilesAPI
import Schema
import Synchronization

/// What a rotation took, as the process that made it says.
struct RotationAccount: Codable, Sendable {
  /// From its beginning to the destruction of the old epoch's key.
  var seconds: Double
  /// Processor time of the process and of the programs that it started, PostgreSQL's not included.
  var processorSeconds: Double
  /// Seconds in each state.
  var states: [String: Double]
  /// Physical memory when a tenth of the keys was wrapped again, and when all were, MiB.
  var memoryAtFirst: Double
  var memoryAtLast: Double
  /// The most there ever was, MiB.
  var memoryAtMost: Double
}

/// `lethe-bench rotate-child`: rotates an installation whose cluster runs, in a process of its own whose memory nothing
/// else has touched. Its last line is a ``RotationAccount``.
struct RotateChildCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rotate-child", abstract: "Rotates an installation once; started by the measurements.",
    shouldDisplay: false)

  @Option(help: "The installation's folder.") var home: String
  @Option(help: "The folder of the cluster's socket.") var socket: String
  @Option(help: "How many keys are wrapped again in one transaction.") var batch: Int?

  private struct Seen {
    var state = RotationState.prepared
    var since = 0.0
    var states: [String: Double] = [:]
    var atFirst = 0.0
    var atLast = 0.0
  }

  func run() async throws {
    func url(_ database: String, _ role: String) -> String { "postgresql://\(role)@/\(database)?host=\(socket)" }
    let settings = BenchInstallation.settings(of: home, url: url)
    let parts = try await ServerParts.open(settings, logger: quietLogger)
    let backups = DumpedVaultBackups(
      url: url(DatabaseRoles.vaultDatabase, DatabaseRoles.vaultBackup), folder: home + "/backups", logger: quietLogger)
    var options = Rotation.Options()
    if let batch { options.batchSize = batch }
    let seen = Mutex(Seen())
    let began = ContinuousClock.now
    let outcome = try await Rotation(custody: parts.custody, backups: backups, options: options) { progress in
      seen.withLock { seen in
        if progress.record.state != seen.state {
          seen.states[seen.state.rawValue, default: 0] += progress.seconds - seen.since
          seen.state = progress.record.state
          seen.since = progress.seconds
        }
        guard progress.record.state == .backfill else { return }
        let memory = Self.mebibytes("VmRSS:")
        if seen.atFirst == 0, progress.record.keysDone * 10 >= progress.record.keysTotal { seen.atFirst = memory }
        seen.atLast = memory
      }
    }.run()
    let elapsed = began.duration(to: .now).components
    let seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18
    await parts.close()
    guard case .retired = outcome else { throw Harness.Failure(description: "the rotation did not end: \(outcome)") }
    let account = seen.withLock { seen in
      seen.states[seen.state.rawValue, default: 0] += seconds - seen.since
      return RotationAccount(
        seconds: seconds, processorSeconds: Self.processorSeconds, states: seen.states, memoryAtFirst: seen.atFirst,
        memoryAtLast: seen.atLast,
        memoryAtMost: Self.mebibytes("VmHWM:"))
    }
    print(String(decoding: try JSONEncoder().encode(account), as: UTF8.self))
  }

  private static var processorSeconds: Double {
    [RUSAGE_SELF, RUSAGE_CHILDREN].map { who in
      var usage = rusage()
      guard getrusage(__rusage_who_t(who.rawValue), &usage) == 0 else { return 0 }
      return [usage.ru_utime, usage.ru_stime].map { Double($0.tv_sec) + Double($0.tv_usec) / 1e6 }.reduce(0, +)
    }.reduce(0, +)
  }

  private static func mebibytes(_ name: String) -> Double {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
    return (line?.split { !$0.isNumber }.first.flatMap { Double($0) } ?? 0) / 1_024
  }
}
