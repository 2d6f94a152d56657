import Foundation
import Signing

@testable import Audit

/// An archive with something of everything that a log can have: several checkpoints, two sealed segments and entries
/// that no segment has yet, a replaced signing key, partial and full tiles, an erasure and its line in the ledger.
///
/// Bodies are a few bytes short, so that it is read quickly.
struct SampleArchive: Sendable {
  static let tenant = "11000000-0000-4000-8000-000000000001"
  /// The first midnight after the entries' times, in microseconds since 1970.
  static let midnight: Int64 = 1_767_225_600_000_000

  private let scratch: Scratch
  /// The folder with the log's folder and the ledger in it.
  let root: String
  /// One of the two keys: the one that signed first.
  let key: NoteKey

  /// Builds the archive of a log with `count` entries; at least 20.
  init(count: Int) throws {
    scratch = try Scratch()
    root = scratch.path + "/archive"
    var log = try TestLog(in: scratch)
    key = try log.signer.verifierKey()
    let second = NoteSigner(name: log.origin.text, key: try SigningKey(ed25519Seed: Array(repeating: 2, count: 32)))
    let writer = ArchiveWriter(folder: log.folder, origin: log.origin, signers: [log.signer, second])
    func publish(upTo count: Int, _ last: AuditRecord? = nil) throws {
      let first = Int(try writer.lastCheckpoint()?.size ?? 0)
      while log.entries.count < (last == nil ? count : count - 1) {
        try log.append(body: Array("b".utf8), time: TestLog.time(log.entries.count))
      }
      if let last { try log.append(last) }
      try writer.publish(Array(log.entries[first...]))
    }
    // A log without a checkpoint begins with the newest key: this one begins with the first.
    try log.writer.publish([])
    try publish(upTo: count / 3)
    let erased = ErasureRecord(
      tenant: TestLog.tenant, subject: UUID(uuid: (2, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 2)),
      commitment: Array(repeating: 0xab, count: 32), time: TestLog.time(count / 2))
    try ErasureLedger(path: root + "/erasures/ledger").append(erased)
    try publish(
      upTo: count / 2,
      AuditRecord(
        action: .erasureCompleted, subject: erased.subject, codes: ["key_commitment": Hex.encode(erased.commitment)]))
    try writer.seal(now: Self.midnight)
    try publish(upTo: count * 2 / 3, KeyRotation(old: key, new: try second.verifierKey()).record)
    try publish(upTo: count - 2)
    try writer.seal(now: Self.midnight)
    try publish(upTo: count)
  }

  /// All files with their contents, the ledger among them, in the order of their names.
  func files() throws -> [(name: String, bytes: [UInt8])] {
    try FileManager.default.subpathsOfDirectory(atPath: root).sorted().compactMap { name in
      var folder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: root + "/" + name, isDirectory: &folder), !folder.boolValue else {
        return nil
      }
      return (name, Array(try Data(contentsOf: URL(fileURLWithPath: root + "/" + name))))
    }
  }

  /// A verifier of the copy in `root`.
  func verifier(of root: String) -> ArchiveVerifier {
    ArchiveVerifier(
      folder: root + "/" + Self.tenant, keys: [key], ledger: ErasureLedger(path: root + "/erasures/ledger"))
  }

  /// Whether a ledger is as good with this bit flipped: another time of an erasure. Nothing signs the ledger, and its
  /// times are compared with nothing but the log's end.
  static func isOtherTime(_ name: String, _ bytes: [UInt8], _ position: Int, _ bit: UInt8) -> Bool {
    guard name == "erasures/ledger", let space = bytes[..<position].lastIndex(of: 0x20) else { return false }
    let fields = bytes[..<position].filter { $0 == 0x20 }.count
    let flipped = bytes[position] ^ (1 << bit)
    let digits: ClosedRange<UInt8> = (position == space + 1 ? 0x31 : 0x30)...0x39
    return fields == 4 && bytes[position] != 0x0a && digits.contains(flipped)
  }
}

/// A copy of an archive in which bits are flipped, one at a time.
final class FlippedCopy {
  let root: String
  private let files: [(name: String, bytes: [UInt8])]

  /// Copies the files into memory where the system has a folder for that.
  init(_ files: [(name: String, bytes: [UInt8])]) throws {
    self.files = files
    let memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : NSTemporaryDirectory()
    root = memory + "audit-flips-" + UUID().uuidString.lowercased()
    for file in files {
      let path = root + "/" + file.name
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try Data(file.bytes).write(to: URL(fileURLWithPath: path))
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  /// Flips a bit, runs `body`, and puts the bit back.
  func flipping<R>(_ flip: Flip, _ body: () throws -> R) throws -> R {
    let handle = open(root + "/" + files[flip.file].name, O_WRONLY)
    defer { close(handle) }
    var byte = files[flip.file].bytes[flip.position] ^ (1 << flip.bit)
    guard pwrite(handle, &byte, 1, flip.position) == 1 else { throw CocoaError(.fileWriteUnknown) }
    defer {
      byte = files[flip.file].bytes[flip.position]
      pwrite(handle, &byte, 1, flip.position)
    }
    return try body()
  }
}

/// One bit of one file.
struct Flip: Hashable {
  let file: Int
  let position: Int
  let bit: UInt8
}
