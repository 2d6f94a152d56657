import Foundation
import Signing
import Testing

@testable import Audit

/// A folder that goes when the test ends.
final class Scratch: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "audit-tests-" + UUID().uuidString.lowercased()
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A tenant's log with real entries, and the folder that it is published into.
struct TestLog {
  static let seed = SHA256Digest.hash(Array("audit-log test key".utf8)).bytes
  static let tenant = UUID(uuid: (0x11, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1))

  let origin: LogOrigin
  let signer: NoteSigner
  let folder: String
  var entries: [[UInt8]] = []
  private var previous: SHA256Digest

  init(in scratch: Scratch, tenant: UUID = Self.tenant, seed: [UInt8] = Self.seed) throws {
    origin = LogOrigin(host: "audit.example.com", tenant: tenant)
    signer = NoteSigner(name: origin.text, key: try SigningKey(ed25519Seed: seed))
    folder = scratch.path + "/archive/" + tenant.uuidString.lowercased()
    previous = origin.genesis
  }

  var writer: ArchiveWriter { ArchiveWriter(folder: folder, origin: origin, signer: signer) }
  var keys: [NoteKey] { get throws { [try signer.verifierKey()] } }

  static func time(_ index: Int) -> Int64 { 1_767_139_200_000_000 + Int64(index) }

  @discardableResult
  mutating func append(_ record: AuditRecord = AuditRecord(action: .profileUpdated)) throws -> [UInt8] {
    try append(body: record.body(), time: Self.time(entries.count))
  }

  @discardableResult
  mutating func append(body: [UInt8], time: Int64) throws -> [UInt8] {
    let entry = try Entry(
      origin: origin, sequence: UInt64(entries.count), previous: previous, time: time, body: body)
    previous = entry.leafHash
    entries.append(entry.bytes)
    return entry.bytes
  }

  /// Appends records until there are `count` entries and publishes what is new.
  @discardableResult
  mutating func publish(upTo count: Int) throws -> SignedNote {
    let published = Int(try writer.lastCheckpoint()?.size ?? 0)
    while entries.count < count { try append() }
    return try writer.publish(Array(entries[published..<count]))
  }

  func verify(held: SignedNote? = nil, ledger: ErasureLedger? = nil, workers: Int = 1) throws -> VerificationReport {
    ArchiveVerifier(folder: folder, keys: try keys, held: held, ledger: ledger, workers: workers).verify()
  }

  func read(_ file: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/" + file)))
  }

  /// Replaces a file, which is read-only.
  func write(_ file: String, _ bytes: [UInt8]) throws {
    let path = folder + "/" + file
    try? FileManager.default.removeItem(atPath: path)
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  func remove(_ file: String) throws {
    try FileManager.default.removeItem(atPath: folder + "/" + file)
  }

  func exists(_ file: String) -> Bool { FileManager.default.fileExists(atPath: folder + "/" + file) }

  /// All regular files, relative to the folder, in order.
  func allFiles() throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder).filter { name in
      var folder: ObjCBool = false
      return FileManager.default.fileExists(atPath: self.folder + "/" + name, isDirectory: &folder)
        && !folder.boolValue
    }.sorted()
  }
}

extension AuditError {
  /// The code of the error that `body` throws, or `nil` when it throws none.
  static func code(_ body: () throws -> Void) -> Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? AuditError)?.code
    }
  }
}
