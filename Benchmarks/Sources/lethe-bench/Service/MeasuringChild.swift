import Foundation

/// This program again, in a process of its own whose memory nothing else has touched: it measures one thing and prints an
/// account of it.
enum MeasuringChild {
  /// Runs the subcommand and reads its account; throws when it ends with another status than 0.
  static func account<Account: Decodable>(_ type: Account.Type, of arguments: [String]) async throws -> Account {
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let output = await onOwnThread { () -> Data? in
      let process = Process()
      process.executableURL = URL(fileURLWithPath: program)
      process.arguments = arguments
      let pipe = Pipe()
      process.standardOutput = pipe
      guard (try? process.run()) != nil else { return nil }
      let data = pipe.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      return process.terminationStatus == 0 ? data : nil
    }
    guard let output else { throw Harness.Failure(description: "\(arguments[0]) has failed") }
    return try JSONDecoder().decode(type, from: output)
  }
}
