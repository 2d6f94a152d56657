import Foundation
import Testing

@Suite("The keyring in the operator's hands")
struct KeyringCommandTests {
  private func run(_ arguments: [String], home: String, environment: [String: String] = [:]) async throws -> (
    status: Int32, printed: String
  ) {
    let process = try ServiceProcess(arguments, home: home, port: 1, environment: environment)
    return (try await process.end().status, process.printed)
  }

  private func write(_ bytes: [UInt8], to path: String, mode: Int = 0o600) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
  }

  private func bytes(_ path: String) -> [UInt8] { Array(FileManager.default.contents(atPath: path) ?? Data()) }

  /// What may be wrong with the file, and what is said of it.
  enum Fault: String, CaseIterable, Sendable {
    case truncated, foreign, worldReadable, flipped, missing, folder

    var says: String {
      switch self {
      case .truncated: "length does not fit"
      case .foreign: "not a keyring"
      case .worldReadable: "mode 0600"
      case .flipped: "checksum"
      case .missing: "there is no keyring"
      case .folder: "regular file"
      }
    }
  }

  @Test("is refused with one line that says what is wrong", arguments: Fault.allCases)
  func refused(fault: Fault) async throws {
    try await withHome { home in
      #expect(try await run(["keys", "init"], home: home).status == 0)
      let path = home + "/keyring"
      let whole = bytes(path)
      switch fault {
      case .truncated: try write(Array(whole.dropLast(9)), to: path)
      case .foreign: try write(Array("just some notes\n".utf8) + whole, to: path)
      case .worldReadable: try write(whole, to: path, mode: 0o644)
      case .flipped: try write(whole.enumerated().map { $0.offset == 60 ? $0.element ^ 1 : $0.element }, to: path)
      case .missing: try FileManager.default.removeItem(atPath: path)
      case .folder:
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      }
      let refusal = try await run(["keys", "status"], home: home)
      #expect(refusal.status == 1)
      let lines = refusal.printed.split(separator: "\n").filter { $0.hasPrefix("lethe: ") }
      #expect(lines.count == 1)
      #expect(lines.first?.contains(fault.says) == true, "\(refusal.printed)")
      #expect(lines.first?.contains(path) == true)
    }
  }

  @Test("opens with its passphrase only, takes another one, and can be left without")
  func passphrase() async throws {
    try await withHome { home in
      let (first, second) = (home + "-first", home + "-second")
      defer { for path in [first, second] { try? FileManager.default.removeItem(atPath: path) } }
      try write(Array("correct horse battery staple\n".utf8), to: first)
      try write(Array("another one, much longer than that\n".utf8), to: second)
      let with = { (path: String) in ["LETHE_KEYRING_PASSPHRASE_FILE": path] }

      #expect(try await run(["keys", "init"], home: home, environment: with(first)).status == 0)
      #expect(try await run(["keys", "status"], home: home, environment: with(first)).status == 0)
      let none = try await run(["keys", "status"], home: home)
      #expect(none.status == 1 && none.printed.contains("passphrase"))
      let wrong = try await run(["keys", "status"], home: home, environment: with(second))
      #expect(wrong.status == 1 && wrong.printed.contains("passphrase"))
      #expect(!wrong.printed.contains("horse") && !wrong.printed.contains("longer than that"))

      let changed = try await run(
        ["keys", "passphrase", "--new-file", second], home: home, environment: with(first))
      #expect(changed.status == 0)
      #expect(try await run(["keys", "status"], home: home, environment: with(first)).status == 1)
      #expect(try await run(["keys", "status"], home: home, environment: with(second)).status == 0)

      let removed = try await run(["keys", "passphrase", "--remove"], home: home, environment: with(second))
      #expect(removed.status == 0)
      #expect(try await run(["keys", "status"], home: home).status == 0)

      try write(Array("anybody may read this\n".utf8), to: first, mode: 0o644)
      let open = try await run(["keys", "passphrase", "--new-file", first], home: home)
      #expect(open.status == 1 && !open.printed.contains("anybody"))
      #expect(try await run(["keys", "status"], home: home).status == 0)
    }
  }

  @Test("a suite that doesn't exist is refused by the variable's name")
  func suite() async throws {
    try await withHome { home in
      #expect(try await run(["keys", "init"], home: home).status == 0)
      let refusal = try await run(["keys", "status"], home: home, environment: ["LETHE_SUITE": "rot13"])
      #expect(refusal.status == 1)
      #expect(refusal.printed.contains("LETHE_SUITE"))
      #expect(!refusal.printed.contains("rot13"))
    }
  }
}
