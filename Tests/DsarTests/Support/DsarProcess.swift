import Foundation

/// The program itself, run as another process.
struct DsarProcess {
  struct Result: Sendable {
    let status: Int32
    let output: String
    let notes: String
  }

  /// Beside the program that runs the tests.
  private static var program: String {
    get throws {
      let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
      return (own as NSString).deletingLastPathComponent + "/dsar"
    }
  }

  /// Runs it in a scratch folder with an environment of its own.
  static func run(
    _ arguments: [String], in scratch: Scratch, environment: [String: String] = [:]
  ) async throws -> Result {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try program)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: scratch.path)
    // Coverage counts what the program does, too.
    let profile = ProcessInfo.processInfo.environment["LLVM_PROFILE_FILE"].map { ["LLVM_PROFILE_FILE": $0] } ?? [:]
    process.environment = ["DSAR_CONFIG": scratch.file("config"), "COLUMNS": "120"]
      .merging(profile) { $1 }.merging(environment) { $1 }
    // Files rather than pipes: nothing has to be read while the program runs.
    let id = UUID().uuidString
    let output = try scratch.write("out-\(id)", "")
    let notes = try scratch.write("notes-\(id)", "")
    process.standardOutput = FileHandle(forWritingAtPath: output)
    process.standardError = FileHandle(forWritingAtPath: notes)
    process.standardInput = FileHandle.nullDevice
    let status: Int32 = try await withCheckedThrowingContinuation { continuation in
      process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
      do { try process.run() } catch { continuation.resume(throwing: error) }
    }
    return Result(
      status: status, output: try scratch.text("out-\(id)"), notes: try scratch.text("notes-\(id)"))
  }
}
