import ArgumentParser
import Audit
import Foundation

/// `lethe-bench verify-child`: verifies one log and says what it took. Its last line is a ``VerificationAccount``.
struct VerifyChildCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify-child", abstract: "Verifies a log once; started by the measurements.", shouldDisplay: false)

  @Option(help: "The log's folder.") var folder: String
  @Option(help: "Its verifier key.") var key: String
  @Option(help: "How many bundles are hashed at once.") var workers: Int

  func run() async throws {
    guard let key = NoteKey(key) else { throw ValidationError("--key is no verifier key") }
    let begin = ContinuousClock.now
    let report = ArchiveVerifier(folder: folder, keys: [key], workers: workers).verify()
    let took = begin.duration(to: .now).components
    guard report.isValid else {
      throw Harness.Failure(description: "the log does not verify: \(report.findings.first?.description ?? "")")
    }
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let most = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }?.split { !$0.isNumber }.first
    let account = VerificationAccount(
      seconds: Double(took.seconds) + Double(took.attoseconds) / 1e18,
      mebibytes: (most.flatMap { Double($0) } ?? 0) / 1_024)
    print(String(decoding: try JSONEncoder().encode(account), as: UTF8.self))
  }
}
