import Foundation
import Signing
import Testing

@testable import Audit

/// Whoever made the folder wants the verifier to crash, to hang, to eat memory, or to read something else.
@Suite("Verifying a folder that was made to do harm", .longWork)
struct HostileArchiveTests {
  let scratch: Scratch
  var log: TestLog

  /// Every kind of file that the verifier opens.
  static let files = [
    "checkpoint", "vkey", "retention", "checkpoints/00000000000000000300", "segments/00000000000000000000",
    "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44",
  ]

  init() throws {
    scratch = try Scratch()
    log = try TestLog(in: scratch)
    try log.publish(upTo: 299)
    try log.append(AuditRecord(action: .logEntriesExpired, codes: ["first_kept": "0", "policy": "p"]))
    try log.writer.publish([log.entries[299]])
    try log.writer.seal(now: SealingTests.midnight)
    let note = try RetentionNote(origin: log.origin, firstKept: 0, time: 1, policy: "p").text
    try log.write("retention", Array(SignedNote.signing(note, by: log.signer).text.utf8))
  }

  private var path: String { log.folder + "/" }

  private static func residentBytes() throws -> Int {
    let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
    return (Int(pages[1]) ?? 0) * 4096
  }

  @Test("the folder is valid before anything is done to it")
  func valid() throws {
    #expect(try log.verify().findings == [])
  }

  @Test("a sparse file of 10 GB in a file's place is a finding, at once and without its memory", arguments: files)
  func sparse(_ file: String) throws {
    let bytes = try log.read(file)
    try log.write(file, bytes)
    #expect(truncate(path + file, 10 << 30) == 0)
    let before = try Self.residentBytes()
    let report = try log.verify(workers: 2)
    #expect(try Self.residentBytes() - before < 1 << 30)
    #expect(report.findings.first?.check == "layout")
    #expect(report.findings.contains { $0.file == file })
  }

  @Test("a ledger of 10 GB without a line is a finding, and isn't read to its end")
  func sparseLedger() throws {
    let ledger = scratch.path + "/ledger"
    try Data().write(to: URL(fileURLWithPath: ledger))
    #expect(truncate(ledger, 10 << 30) == 0)
    #expect(try log.verify(ledger: ErasureLedger(path: ledger)).findings.map(\.check) == ["ledger"])
  }

  @Test("a pipe in a file's place is a finding, and nobody waits for it", arguments: files)
  func pipe(_ file: String) throws {
    try log.remove(file)
    #expect(mkfifo(path + file, 0o600) == 0)
    let findings = try log.verify().findings
    #expect(findings.first?.check == "layout")
    #expect(findings.contains { $0.file == file })
  }

  @Test("a link in a file's place is a finding, even to the same bytes", arguments: files)
  func link(_ file: String) throws {
    let bytes = try log.read(file)
    try log.remove(file)
    try Data(bytes).write(to: URL(fileURLWithPath: scratch.path + "/elsewhere"))
    try FileManager.default.createSymbolicLink(
      atPath: path + file, withDestinationPath: scratch.path + "/elsewhere")
    let findings = try log.verify().findings
    #expect(findings.first?.check == "layout")
    #expect(findings.contains { $0.file == file })
  }

  @Test("a folder in a file's place is a finding", arguments: files)
  func folder(_ file: String) throws {
    try log.remove(file)
    try FileManager.default.createDirectory(atPath: path + file, withIntermediateDirectories: false)
    let findings = try log.verify().findings
    #expect(findings.first?.check == "layout")
  }

  @Test("a device among the files is a finding", .enabled(if: getuid() == 0, "only root can make devices"))
  func device() throws {
    try log.remove("tile/0/000")
    // The number of /dev/zero, which never ends.
    try #require(mknod(path + "tile/0/000", S_IFCHR | 0o600, 1 << 8 | 5) == 0)
    let findings = try log.verify().findings
    #expect(findings.first?.check == "layout")
    #expect(findings.first?.file == "tile/0/000")
  }

  @Test("a linked folder is not entered", arguments: ["tile", "tile/entries", "checkpoints", "segments"])
  func linkedFolder(_ folder: String) throws {
    try FileManager.default.moveItem(atPath: path + folder, toPath: scratch.path + "/elsewhere")
    try FileManager.default.createSymbolicLink(
      atPath: path + folder, withDestinationPath: scratch.path + "/elsewhere")
    let findings = try log.verify().findings
    #expect(findings.first?.check == "layout")
    #expect(findings.first?.file == folder)
  }

  @Test(
    "a checkpoint from the future ends in findings soon, whatever size it claims",
    arguments: [301, 512, 65_536, 1 << 40, 1 << 63, UInt64.max])
  func future(_ size: UInt64) throws {
    let body = Checkpoint(origin: log.origin.text, size: size, root: MerkleTree.emptyRoot).text
    let note = try SignedNote.signing(body, by: log.signer)
    try log.write("checkpoint", Array(note.text.utf8))
    for workers in [1, 2] {
      let report = try log.verify(workers: workers)
      #expect(!report.isValid)
      #expect(report.findings.contains { $0.check == "missing" })
    }
    // As the checkpoint to go on from, it is no better.
    var options = VerifierOptions(workers: 2)
    options.interval = 1
    let report = ArchiveVerifier(folder: log.folder, keys: try log.keys, since: note, options: options).verify()
    #expect(!report.isValid)
  }

  @Test("a held checkpoint from the future is a rollback")
  func heldFuture() throws {
    let body = Checkpoint(origin: log.origin.text, size: 1 << 63, root: MerkleTree.emptyRoot).text
    let note = try SignedNote.signing(body, by: log.signer)
    #expect(try log.verify(held: note).findings.map(\.check) == ["rollback"])
    let report = ArchiveVerifier(
      folder: log.folder, keys: try log.keys, since: note, options: VerifierOptions()
    ).verify()
    #expect(report.findings.map(\.check) == ["rollback"])
    #expect(report.entries == 300)
  }

  @Test(
    "numbers that aren't written as they must be are refused", arguments: ["0300", "+300", "300 ", "1e2", "", "３００"])
  func numbers(_ number: String) throws {
    let root = MerkleTree.root(of: log.entries.map(MerkleTree.leafHash)).base64
    let note = try SignedNote.signing("\(log.origin.text)\n\(number)\n\(root)\n", by: log.signer)
    try log.write("checkpoint", Array(note.text.utf8))
    #expect(try log.verify().findings.map(\.check) == ["parsing"])
  }

  @Test("partial tiles of a wrong width are no tiles of this log", arguments: ["043", "0", "256", "45", "044"])
  func widths(_ width: String) throws {
    for stem in ["tile/0/001.p/", "tile/entries/001.p/"] {
      let bytes = try log.read(stem + "44")
      try log.remove(stem + "44")
      try log.write(stem + width, bytes)
      #expect(try log.verify().findings.contains { $0.check == "layout" || $0.check == "missing" })
      try log.remove(stem + width)
      try log.write(stem + "44", bytes)
    }
  }

  @Test("bytes behind the end of any file are a finding", arguments: files)
  func trailing(_ file: String) throws {
    for extra in [[UInt8](arrayLiteral: 0), Array("\n".utf8), Array(repeating: 0x41, count: 5000)] {
      let bytes = try log.read(file)
      try log.write(file, bytes + extra)
      let report = try log.verify()
      #expect(!report.isValid)
      #expect(report.findings.contains { $0.file == file })
      try log.write(file, bytes)
    }
  }

  @Test("an empty file, or half a file, is a finding", arguments: files)
  func short(_ file: String) throws {
    let bytes = try log.read(file)
    for length in [0, 1, bytes.count / 2, bytes.count - 1] {
      try log.write(file, Array(bytes.prefix(length)))
      #expect(try !log.verify().isValid)
    }
  }

  @Test("an entry whose length says more than there is is found, and its neighbours aren't believed")
  func oversize() throws {
    var bundle = try log.read("tile/entries/000")
    bundle[0] = 0xff
    bundle[1] = 0xff
    try log.write("tile/entries/000", bundle)
    #expect(try !log.verify().isValid)
  }

  @Test("a manifest that lists a file elsewhere makes nobody read it")
  func manifestElsewhere() throws {
    let note = try SignedNote(
      parsing: log.read("segments/00000000000000000000"), maximumBytes: Manifest.maximumBytes)
    let body = note.body.replacingOccurrences(of: "file tile/entries/000 ", with: "file ../../../etc/passwd ")
    let forged = try SignedNote.signing(body, by: log.signer)
    try log.write("segments/00000000000000000000", Array(forged.text.utf8))
    #expect(try log.verify().findings.map(\.check) == ["parsing"])
  }

  @Test("more replacements of the key than a log can have cost no more memory")
  func manyRotations() throws {
    var chain = KeyChain()
    var report = VerificationReport(folder: "x")
    var old = try log.keys[0]
    for index in 0..<KeyChain.maximumRotations + 50 {
      let seed = SHA256Digest.hash(Array("\(index)".utf8)).bytes
      let new = try NoteKey(name: log.origin.text, key: SigningKey(ed25519Seed: seed).publicKey)
      chain.see(old: old, new: new, at: UInt64(index), file: "x", &report)
      old = new
    }
    #expect(chain.keys.count == KeyChain.maximumRotations + 1)
    #expect(report.findings.count == 50)
  }
}
