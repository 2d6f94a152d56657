import Foundation
import Signing
import Synchronization
import Testing

@testable import Audit

@Suite("The immutable attribute")
struct ImmutableFilesTests {
  static let midnight = SealingTests.midnight

  let scratch: Scratch
  var log: TestLog

  init() throws {
    scratch = try Scratch()
    log = try TestLog(in: scratch)
  }

  /// Whether this user may set the attribute on this file system.
  static let isPermitted: Bool = {
    guard let scratch = try? Scratch() else { return false }
    let folder = ArchiveFolder(root: scratch.path)
    do {
      _ = try folder.create("file", [1])
      try folder.protect("file")
      try folder.remove("file")
      return true
    } catch { return false }
  }()

  func writer(_ immutability: ImmutableAttribute?) -> ArchiveWriter {
    ArchiveWriter(folder: log.folder, origin: log.origin, signers: [log.signer], immutability: immutability)
  }

  /// Makes every file removable again, whatever the test did.
  func release() {
    let folder = ArchiveFolder(root: log.folder)
    for file in (try? log.allFiles()) ?? [] where (try? folder.isProtected(file)) ?? false {
      try? folder.remove(file)
    }
  }

  func immutableFiles() throws -> [String] {
    let folder = ArchiveFolder(root: log.folder)
    return try log.allFiles().filter { try folder.isProtected($0) }
  }

  @Test(
    "full files, counted checkpoints and the manifest get it, nobody can change them, and retention takes it away",
    .enabled(if: isPermitted, "the attribute needs CAP_LINUX_IMMUTABLE and a file system that has it"))
  mutating func sealed() throws {
    defer { release() }
    for count in [300, 600] { try log.publish(upTo: count) }
    let writer = writer(ImmutableAttribute { Issue.record("refused: \($0)") })
    try writer.seal(now: Self.midnight)
    #expect(
      try immutableFiles() == [
        "checkpoints/00000000000000000300", "checkpoints/00000000000000000600", "segments/00000000000000000000",
        "tile/0/000", "tile/0/001", "tile/entries/000", "tile/entries/001",
      ])
    let path = log.folder + "/tile/entries/000"
    #expect(unlink(path) == -1 && errno == EPERM)
    #expect(rename(path, path + ".old") == -1 && errno == EPERM)
    #expect(open(path, O_WRONLY) == -1 && errno == EPERM)
    #expect(chmod(path, 0o644) == -1 && errno == EPERM)
    // The log goes on beside them.
    try log.append()
    try writer.publish([log.entries[600]])
    try writer.expire(before: 512, policy: "p", time: 1)
    #expect(!log.exists("tile/entries/000") && !log.exists("tile/entries/001"))
    #expect(try immutableFiles().count == 5)
    // After the bundles are gone, the same manifest is not asked for them again.
    #expect(try writer.seal(now: Self.midnight + SealingTests.day).map(\.end) == [601])
  }

  @Test(
    "what a crash left unprotected is protected by the next sealing",
    .enabled(if: isPermitted, "the attribute needs CAP_LINUX_IMMUTABLE and a file system that has it"))
  mutating func afterCrash() throws {
    defer { release() }
    try log.publish(upTo: 256)
    try log.writer.seal(now: Self.midnight)
    #expect(try immutableFiles() == [])
    #expect(try writer(ImmutableAttribute()).seal(now: Self.midnight).isEmpty)
    #expect(try immutableFiles().count == 4)
  }

  @Test("a refusal is told once and is no error")
  mutating func refused() throws {
    try log.publish(upTo: 600)
    let told = Mutex<[AuditError]>([])
    let immutability = ImmutableAttribute { error in told.withLock { $0.append(error) } }
    let sink = UnwillingSink(root: log.folder, systemError: EPERM)
    let writer = ArchiveWriter(sink: sink, origin: log.origin, signers: [log.signer], immutability: immutability)
    #expect(!immutability.isRefused)
    #expect(try writer.seal(now: Self.midnight).count == 1)
    #expect(try writer.seal(now: Self.midnight).isEmpty)
    #expect(immutability.isRefused)
    #expect(told.withLock { $0 } == [AuditError(.inputOutput, file: "tile/entries/000", systemError: EPERM)])
    #expect(sink.attempts == 1)
  }

  @Test("any other failure is an error, and the segment is sealed all the same")
  mutating func failed() throws {
    try log.publish(upTo: 600)
    let sink = UnwillingSink(root: log.folder, systemError: EIO)
    let writer = ArchiveWriter(
      sink: sink, origin: log.origin, signers: [log.signer],
      immutability: ImmutableAttribute { Issue.record("not a refusal: \($0)") })
    #expect(AuditError.code { try writer.seal(now: Self.midnight) } == .inputOutput)
    #expect(try log.writer.sealedUpTo() == 600)
  }

  @Test("by default no file gets it")
  mutating func off() throws {
    defer { release() }
    try log.publish(upTo: 600)
    try log.writer.seal(now: Self.midnight)
    #expect(try immutableFiles() == [])
  }
}

/// A folder where files cannot be protected.
private final class UnwillingSink: ArchiveSink, Sendable {
  private let folder: ArchiveFolder
  private let systemError: Int32
  private let count = Mutex(0)

  init(root: String, systemError: Int32) {
    folder = ArchiveFolder(root: root)
    self.systemError = systemError
  }

  var attempts: Int { count.withLock { $0 } }

  func read(_ path: String, maximum: Int) throws(AuditError) -> [UInt8]? { try folder.read(path, maximum: maximum) }
  func list(_ path: String, _ body: (String, FileKind) -> Void) throws(AuditError) { try folder.list(path, body) }
  func exclusively<Result>(_ body: () throws(AuditError) -> Result) throws(AuditError) -> Result {
    try folder.exclusively(body)
  }
  func create(_ path: String, _ bytes: [UInt8]) throws(AuditError) -> Set<String> { try folder.create(path, bytes) }
  func replace(_ path: String, _ bytes: [UInt8]) throws(AuditError) { try folder.replace(path, bytes) }
  func synchronise(_ folders: Set<String>) throws(AuditError) { try folder.synchronise(folders) }
  func remove(_ path: String) throws(AuditError) { try folder.remove(path) }
  func removeAll(in path: String) throws(AuditError) { try folder.removeAll(in: path) }
  func isProtected(_ path: String) throws(AuditError) -> Bool { false }

  func protect(_ path: String) throws(AuditError) {
    count.withLock { $0 += 1 }
    throw AuditError(.inputOutput, file: path, systemError: systemError)
  }
}
