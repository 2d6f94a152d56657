import Foundation

@testable import Audit

/// `tools/verify_log.py`, the second verifier, run as its users run it.
enum PythonVerifier {
  struct Finding: Decodable {
    let check: String
    let file: String?
    let entry: UInt64?
  }

  struct Report: Decodable {
    let origin: String?
    let size: UInt64
    let expired: UInt64
    let erasures: UInt64
    let cosigned: [String: UInt64]
    let findings: [Finding]

    var checks: [String] { findings.map(\.check) }
  }

  struct Failure: Error {
    let output: String
  }

  static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("tools/verify_log.py").path

  static let isAvailable = ["python3", "openssl"].allSatisfy { (try? execute([$0, "-h"])) != nil }

  /// Verifies one log's folder.
  static func verify(
    _ folder: String, keys: [NoteKey], held: String? = nil, ledger: String? = nil, witness: String? = nil
  ) async throws -> Report {
    var command = ["python3", script, folder, "--json"] + keys.flatMap { ["--key", $0.text] }
    if let held { command += ["--held", held] }
    if let ledger { command += ["--ledger", ledger] }
    if let witness { command += ["--witness", witness] }
    let (status, output) = try await run(command)
    let report = try JSONDecoder().decode(Report.self, from: output)
    guard status == (report.findings.isEmpty ? 0 : 2) else { throw Failure(output: "exit status \(status)") }
    return report
  }

  /// Runs a program to its end, away from the threads that tests run on.
  static func run(_ command: [String]) async throws -> (status: Int32, output: Data) {
    try await withCheckedThrowingContinuation { continuation in
      DispatchQueue.global().async { continuation.resume(with: Result { try execute(command) }) }
    }
  }

  private static func execute(_ command: [String]) throws -> (status: Int32, output: Data) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardInput = FileHandle.nullDevice
    if command.last == "-h" { process.standardError = FileHandle.nullDevice }
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus != 127 else { throw Failure(output: "no such program") }
    return (process.terminationStatus, output)
  }
}
