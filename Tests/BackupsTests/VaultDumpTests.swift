import Foundation
import PostgresPrograms
import PostgresTesting
import ServiceTesting
import Synchronization
import Testing

@testable import Backups

@Suite("Reading the keys of a vault's dump")
struct VaultDumpTests {
  @Test("every row of the table is handed over, byte for byte")
  func equalsTable() async throws {
    try await withBackupScene { scene in
      try await scene.fillVault()
      let dump = try await scene.backup().vaultDump
      let lines = Mutex<[String]>([])
      let count = try await dump.readKeys { key in
        let line = [
          key.tenant.uuidString.lowercased(), "\(key.kind)", key.id.uuidString.lowercased(),
          key.epoch.map(String.init) ?? "", key.wrapped.map(Self.hex) ?? "", Self.hex(key.commitment),
          key.destroyedAt.map(String.init) ?? "",
        ].joined(separator: "|")
        lines.withLock { $0.append(line) }
      }
      #expect(count == 1_000)
      let table = try await scene.vault.sql(
        """
        SELECT tenant_id, kind, key_id, epoch, encode(wrapped, 'hex'), encode(commitment, 'hex'), destroyed_at
        FROM vault.keys
        """)
      #expect(lines.withLock { $0.sorted() } == table.split(separator: "\n").map(String.init).sorted())
    }
  }

  @Test("a vault without keys has none, and a dump of something else is refused")
  func noKeys() async throws {
    try await withBackupScene { scene in
      let backup = try await scene.backup()
      #expect(try await backup.vaultDump.readKeys { _ in } == 0)
      let data = VaultDump(path: backup.folder + "/data.dump")
      #expect(try await refusalOf { try await data.readKeys { _ in } }.code == .notABackup)
      let text = VaultDump(path: backup.folder + "/manifest.json")
      #expect(try await refusalOf { try await text.readKeys { _ in } }.code == .failed)
      let absent = VaultDump(path: backup.folder + "/absent")
      #expect(try await refusalOf { try await absent.readKeys { _ in } }.code == .damaged)
    }
  }

  @Test("a dump that was cut off anywhere is an error, however many keys were read before")
  func truncated() async throws {
    try await withBackupScene { scene in
      try await scene.fillVault()
      let whole = try Data(contentsOf: URL(fileURLWithPath: try await scene.backup().vaultDump.path))
      let path = scene.folder + "/cut"
      var cuts = stride(from: 0, to: whole.count, by: whole.count / 24).map { $0 }
      cuts += [1, 5, 11, whole.count - 1, whole.count - 4, whole.count - 1_000]
      for cut in cuts {
        try whole.prefix(cut).write(to: URL(fileURLWithPath: path))
        let seen = Mutex(0)
        do {
          let count = try await VaultDump(path: path).readKeys { _ in seen.withLock { $0 += 1 } }
          // What follows the keys may be lost; every key was seen then.
          #expect(count == 1_000, "cut at \(cut)")
          #expect(cut > whole.count / 2)
        } catch let error as BackupError {
          #expect([.failed, .notABackup, .malformedKey].contains(error.code), "cut at \(cut): \(error)")
        }
      }
    }
  }

  @Test("an error of the reader ends the reading at once and is passed on")
  func stops() async throws {
    struct Enough: Error {}
    try await withBackupScene { scene in
      try await scene.fillVault()
      let dump = try await scene.backup().vaultDump
      let seen = Mutex(0)
      await #expect(throws: Enough.self) {
        try await dump.readKeys { _ in
          let count = seen.withLock { seen in
            seen += 1
            return seen
          }
          if count == 10 { throw Enough() }
        }
      }
      #expect(seen.withLock { $0 } == 10)
    }
  }

  // MARK: The text of COPY

  private static let header =
    "SET row_security = off;\nCOPY vault.keys (tenant_id, kind, key_id, subject_id, epoch, wrapped, commitment, "
    + "created_at, expires_at, destroyed_at) FROM stdin;\n"
  private static let tenant = "0a0b0c0d-0e0f-4a0b-8c0d-0e0f0a0b0c0d"
  private static let key = "ffeeddcc-bbaa-4988-b766-554433221100"
  private static let commitment = #"\\x"# + String(repeating: "ab", count: 32)
  private static let live = [tenant, "1", key, key, "7", #"\\x00ff10"#, commitment, "1", #"\N"#, #"\N"#]
  private static let dead = [tenant, "4", key, #"\N"#, #"\N"#, #"\N"#, commitment, "1", "2", "1800000000000000"]

  private func keys(_ text: String) throws -> [VaultDumpKey] {
    let file = try MemoryFile(text)
    var rows = KeyRows(reading: file.descriptor)
    var keys: [VaultDumpKey] = []
    while let key = try rows.next() { keys.append(key) }
    #expect(rows.hasEnded)
    return keys
  }

  private func line(_ row: [String]) -> String { row.joined(separator: "\t") + "\n" }

  @Test("columns are found by name, NULL and bytes are told apart")
  func rows() throws {
    let text = Self.header + line(Self.live) + line(Self.dead) + "\\.\n\n--\n-- done\n"
    let keys = try keys(text)
    #expect(keys.count == 2)
    #expect(keys[0].tenant.uuidString.lowercased() == Self.tenant)
    #expect(keys[0].id.uuidString.lowercased() == Self.key)
    #expect(keys[0].kind == 1)
    #expect(keys[0].epoch == 7)
    #expect(keys[0].wrapped == [0x00, 0xFF, 0x10])
    #expect(keys[0].commitment == [UInt8](repeating: 0xAB, count: 32))
    #expect(keys[0].destroyedAt == nil)
    #expect(keys[1].kind == 4)
    #expect(keys[1].epoch == nil)
    #expect(keys[1].wrapped == nil)
    #expect(keys[1].destroyedAt == 1_800_000_000_000_000)

    let other =
      "COPY vault.keys (destroyed_at, commitment, wrapped, epoch, key_id, kind, tenant_id) FROM stdin;\n"
      + line([#"\N"#, Self.commitment, #"\\x01"#, "2", Self.key, "2", Self.tenant]) + "\\.\n"
    let reordered = try self.keys(other)
    #expect(reordered.map(\.wrapped) == [[1]])
    #expect(reordered.map(\.kind) == [2])
  }

  @Test(
    "a row that the vault doesn't write is refused",
    arguments: [
      (0, "0A0B0C0D-0e0f-4a0b-8c0d-0e0f0a0b0c0d"), (0, "0a0b0c0d0e0f-4a0b-8c0d-0e0f0a0b0c0d-"), (0, ""), (0, #"\N"#),
      (1, "0"), (1, "5"), (1, "x"), (1, ""), (1, "99999999999999999999"), (2, #"\N"#), (4, "0"), (4, "-1"),
      (4, "2147483648"), (4, #"\N"#), (5, #"\N"#), (5, #"\\x"#), (5, #"\\x0"#), (5, #"\\x0g"#), (5, #"\x00"#),
      (5, "00"), (6, #"\\x"# + String(repeating: "ab", count: 31)), (6, #"\N"#), (9, "12"),
    ])
  func malformedField(column: Int, value: String) async throws {
    var row = Self.live
    row[column] = value
    let text = Self.header + line(row) + "\\.\n"
    #expect(try await refusalOf { try keys(text) }.code == .malformedKey)
  }

  @Test("a tombstone without its time, a missing column, a second list and an endless line are refused")
  func malformedText() async throws {
    var timeless = Self.dead
    timeless[9] = #"\N"#
    let texts = [
      Self.header + line(timeless) + "\\.\n",
      Self.header + line(Array(Self.live.dropLast())) + "\\.\n",
      Self.header + line(Self.live + ["x"]) + "\\.\n",
      Self.header.replacing("wrapped, ", with: "") + "\\.\n",
      Self.header.replacing("FROM stdin;", with: "FROM PROGRAM 'x';") + "\\.\n",
      Self.header + "\\.\n" + Self.header + "\\.\n",
      Self.header + String(repeating: "a", count: 1 << 19) + "\n\\.\n",
    ]
    for text in texts { #expect(try await refusalOf { try keys(text) }.code == .malformedKey) }
  }

  @Test("text that ends inside of the rows is cut off, wherever it ends")
  func cutOff() throws {
    let text = Self.header + line(Self.live) + "\\.\n"
    for cut in (Self.header.count)..<(text.count - 1) {
      let part = String(text.prefix(cut))
      #expect(throws: KeyRows.CutOff.self) { try keys(part) }
    }
  }

  @Test("rows are whole across the reader's pieces")
  func pieces() throws {
    let many = String(repeating: line(Self.live) + line(Self.dead), count: 3_000)
    let keys = try keys(Self.header + many + "\\.\n")
    #expect(keys.count == 6_000)
    #expect(Set(keys).count == 2)
  }

  private static func hex(_ bytes: [UInt8]) -> String { bytes.map { String(format: "%02x", $0) }.joined() }
}
