import Audit
import Foundation
import Signing

/// An archive with something of everything that a log can have: several checkpoints, two sealed segments and entries
/// that no segment has yet, a replaced signing key, partial and full tiles, an erasure and its line in the ledger.
struct FlipArchive {
  /// A file, below the folder that holds the log's folder and the ledger.
  struct File {
    let name: String
    let bytes: [UInt8]
  }

  static let tenant = UUID(uuid: (0x11, 0, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1))
  static let ledger = "erasures/ledger"

  /// In the order of their names.
  let files: [File]
  /// The key that signed first; the other one is learnt from the log.
  let key: NoteKey

  /// Builds the archive of a log with `count` entries, at least 20, in a folder that is removed again.
  init(entries count: Int) throws {
    let root = NSTemporaryDirectory() + "audit-exhaustive-" + UUID().uuidString.lowercased()
    defer { try? FileManager.default.removeItem(atPath: root) }
    let origin = LogOrigin(host: "audit.example.com", tenant: Self.tenant)
    let signers = try [1, 2].map { (seed: UInt8) in
      NoteSigner(name: origin.text, key: try SigningKey(ed25519Seed: Array(repeating: seed, count: 32)))
    }
    let folder = root + "/" + Self.tenant.uuidString.lowercased()
    let writer = ArchiveWriter(folder: folder, origin: origin, signers: signers)
    let begin: Int64 = 1_767_139_200_000_000
    let midnight = begin + 86_400_000_000
    var previous = origin.genesis
    var size = 0
    func publish(upTo end: Int, _ last: [UInt8]? = nil) throws {
      var entries: [[UInt8]] = []
      while size < end {
        let body = size == end - 1 ? last ?? [0x62] : [0x62]
        let entry = try Entry(
          origin: origin, sequence: UInt64(size), previous: previous, time: begin + Int64(size), body: body)
        entries.append(entry.bytes)
        previous = entry.leafHash
        size += 1
      }
      try writer.publish(entries)
    }
    key = try signers[0].verifierKey()
    // A log without a checkpoint begins with the newest key: this one begins with the first.
    try ArchiveWriter(folder: folder, origin: origin, signer: signers[0]).publish([])
    try publish(upTo: count / 3)
    let erased = ErasureRecord(
      tenant: Self.tenant, subject: UUID(), commitment: Array(repeating: 0xab, count: 32),
      time: begin + Int64(count / 2))
    try ErasureLedger(path: root + "/" + Self.ledger).append(erased)
    let told = AuditRecord(
      action: .erasureCompleted, subject: erased.subject, codes: ["key_commitment": Hex.encode(erased.commitment)])
    try publish(upTo: count / 2, told.body())
    try writer.seal(now: midnight)
    try publish(upTo: count * 2 / 3, KeyRotation(old: key, new: try signers[1].verifierKey()).record.body())
    try publish(upTo: count - 2)
    try writer.seal(now: midnight)
    try publish(upTo: count)
    files = try FileManager.default.subpathsOfDirectory(atPath: root).sorted().compactMap { name in
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: root + "/" + name, isDirectory: &isFolder), !isFolder.boolValue
      else { return nil }
      return File(name: name, bytes: Array(try Data(contentsOf: URL(fileURLWithPath: root + "/" + name))))
    }
  }

  /// All bits, except those that only make another time of the ledger's: nothing signs the ledger, and its times are
  /// compared with nothing but the log's end.
  func flips() -> [Flip] {
    files.enumerated().flatMap { index, file in
      file.bytes.indices.flatMap { position in
        (0..<8).map { Flip(file: Int32(index), position: Int32(position), bit: $0) }
          .filter { !isOtherTime(file, position, $0.bit) }
      }
    }
  }

  private func isOtherTime(_ file: File, _ position: Int, _ bit: UInt8) -> Bool {
    guard file.name == Self.ledger, let space = file.bytes.lastIndex(of: 0x20), position > space else { return false }
    let digits: ClosedRange<UInt8> = (position == space + 1 ? 0x31 : 0x30)...0x39
    return file.bytes[position] != 0x0a && digits.contains(file.bytes[position] ^ (1 << bit))
  }
}

/// One bit of one file.
struct Flip {
  let file: Int32
  let position: Int32
  let bit: UInt8
}

/// A copy of an archive, in memory where the system has a folder for that.
final class FlippedCopy {
  private let root: String
  private let archive: FlipArchive
  private var handles: [Int32] = []

  init(_ archive: FlipArchive) throws {
    self.archive = archive
    let memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : NSTemporaryDirectory()
    root = memory + "audit-exhaustive-" + UUID().uuidString.lowercased()
    for file in archive.files {
      let path = root + "/" + file.name
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try Data(file.bytes).write(to: URL(fileURLWithPath: path))
      handles.append(open(path, O_WRONLY))
    }
  }

  deinit {
    for handle in handles { close(handle) }
    try? FileManager.default.removeItem(atPath: root)
  }

  func verify() -> VerificationReport {
    ArchiveVerifier(
      folder: root + "/" + FlipArchive.tenant.uuidString.lowercased(), keys: [archive.key],
      ledger: ErasureLedger(path: root + "/" + FlipArchive.ledger)
    ).verify()
  }

  /// Verifies with one bit flipped, and puts the bit back.
  func verify(_ flip: Flip) throws -> VerificationReport {
    let byte = archive.files[Int(flip.file)].bytes[Int(flip.position)]
    try write(byte ^ (1 << flip.bit), flip)
    let report = verify()
    try write(byte, flip)
    return report
  }

  private func write(_ byte: UInt8, _ flip: Flip) throws {
    var byte = byte
    guard pwrite(handles[Int(flip.file)], &byte, 1, Int(flip.position)) == 1 else {
      throw CocoaError(.fileWriteUnknown)
    }
  }
}
