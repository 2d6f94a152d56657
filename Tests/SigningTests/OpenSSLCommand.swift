import Foundation
import Testing

/// The `openssl` command in a folder of its own: a second implementation of the formats, run as another program.
struct OpenSSLCommand {
  let folder: URL

  /// Runs `body` in a fresh folder and removes it.
  static func with<R>(_ body: (OpenSSLCommand) async throws -> R) async throws -> R {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("signing-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(OpenSSLCommand(folder: folder))
  }

  /// Runs one command in the folder and gives its exit status.
  @discardableResult
  func run(_ arguments: String...) async throws -> Int32 { try await run(arguments) }

  /// As with single arguments.
  func run(_ arguments: [String]) async throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    process.arguments = arguments
    process.currentDirectoryURL = folder
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    return try await withCheckedThrowingContinuation { continuation in
      process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
      do { try process.run() } catch { continuation.resume(throwing: error) }
    }
  }

  func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  func write(_ bytes: [UInt8], _ name: String) throws {
    try Data(bytes).write(to: folder.appendingPathComponent(name))
  }

  func read(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))
  }

  func text(_ name: String) throws -> String { String(decoding: try read(name), as: UTF8.self) }
}

/// Bytes of a vector written in hexadecimal.
func hex(_ text: String) throws -> [UInt8] {
  let data = try #require(Data(hexadecimal: text))
  return Array(data)
}

extension Data {
  /// Independent of the code under test.
  fileprivate init?(hexadecimal text: String) {
    var bytes: [UInt8] = []
    var digits = Substring(text)
    while !digits.isEmpty {
      guard let byte = UInt8(digits.prefix(2), radix: 16) else { return nil }
      bytes.append(byte)
      digits = digits.dropFirst(2)
    }
    self.init(bytes)
  }
}
