public import Foundation
import Glibc
import PostgresPrograms

/// One row of `vault.keys` in a dump.
public struct VaultDumpKey: Sendable, Hashable {
  /// The tenant it belongs to.
  public let tenant: UUID
  /// Its kind, as the column has it: 1 to 4.
  public let kind: Int
  /// Its id, unique within tenant and kind.
  public let id: UUID
  /// The epoch whose key wraps it; nil for a tombstone.
  public let epoch: Int32?
  /// The wrapped key; nil for a tombstone.
  public let wrapped: [UInt8]?
  /// The key's commitment, 32 bytes.
  public let commitment: [UInt8]
  /// When it was destroyed, in microseconds since 1970; nil while it lives.
  public let destroyedAt: Int64?
}

/// The dump of a vault, opened to see whether its keys are there and can be unwrapped.
///
/// `pg_restore` writes the table's rows as text, which is read in pieces: memory doesn't grow with the number of keys.
public struct VaultDump: Sendable {
  /// The dump's file, in `pg_dump`'s custom format.
  public let path: String

  /// Names a dump; it is opened by ``forEachKey(_:)``.
  public init(path: String) { self.path = path }

  /// Calls `body` with every key, in no particular order, and returns how many there were. Blocks its thread.
  ///
  /// - Throws: what `body` throws, and then stops; `BackupError`: `.damaged` for a missing file, `.failed` when
  ///   `pg_restore` fails, which it does for a dump that was cut off, `.malformedKey` for a row that the vault doesn't
  ///   write, `.notABackup` for a dump without the table. Only a return says that all keys were seen.
  public func forEachKey(_ body: (VaultDumpKey) throws -> Void) throws -> Int {
    let file = try DumpFile(opening: path)
    let programs: InstalledPrograms
    let pipe: ChildPipe
    do throws(ProgramError) {
      programs = try InstalledPrograms.find(.client)
      pipe = try ChildPipe()
    } catch {
      throw BackupError(.programs, error.description)
    }
    defer { close(pipe.reading) }
    let program = DumpProgram(
      programs, "pg_restore", ["--data-only", "--schema=vault", "--table=keys", "--file=-"])
    let process: ChildProcess
    let errors: MemoryFile
    do {
      defer { close(pipe.writing) }
      (process, errors) = try program.start(input: file.descriptor, output: pipe.writing)
    }
    do {
      var rows = KeyRows(reading: pipe.reading)
      var count = 0
      while let key = try rows.next() {
        try body(key)
        count += 1
      }
      try program.check(process, errors)
      guard rows.hasEnded else { throw BackupError(.notABackup, "\(path) has no keys: it is no vault's dump") }
      return count
    } catch {
      // Nobody reads on, and nobody waits for more than the end.
      process.signal(SIGKILL)
      let status = process.exitStatus()
      // A dump that was cut off shows as rows that end too early; the program's own complaint says more.
      if error is KeyRows.CutOff {
        throw BackupError(
          .failed, "\(path) ends too early: \(Complaint.first(in: errors.text()) ?? "status \(status)")")
      }
      throw error
    }
  }

  /// The same as ``forEachKey(_:)``, on a thread of its own. Cancelling the task does not stop it.
  public func readKeys(_ body: @escaping @Sendable (VaultDumpKey) throws -> Void) async throws -> Int {
    try await onOwnThread { Result { try forEachKey(body) } }.get()
  }
}
