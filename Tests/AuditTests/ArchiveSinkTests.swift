import Foundation
import Signing
import Synchronization
import Testing

@testable import Audit

@Suite("Another sink in the place of a folder")
struct ArchiveSinkTests {
  let scratch: Scratch
  var log: TestLog

  init() throws {
    scratch = try Scratch()
    log = try TestLog(in: scratch)
  }

  @Test("a store of objects that can't be changed takes the same log, byte for byte")
  mutating func objects() throws {
    let store = ObjectStore()
    let writer = ArchiveWriter(
      sink: store, origin: log.origin, signers: [log.signer],
      immutability: ImmutableAttribute { Issue.record("refused: \($0)") })
    while log.entries.count < 600 { try log.append() }
    try log.append(
      AuditRecord(action: .logEntriesExpired, codes: ["first_kept": "512", "policy": "p"]))
    for other in [log.writer, writer] {
      for (start, end) in [(0, 100), (100, 300), (300, 600)] { try other.publish(Array(log.entries[start..<end])) }
      #expect(try other.seal(now: SealingTests.midnight).map(\.end) == [600])
      try other.publish([log.entries[600]])
      #expect(try other.expirable(before: .max) == 512)
      try other.expire(before: 512, policy: "p", time: SealingTests.midnight)
    }
    #expect(try store.names == log.allFiles())
    for name in store.names { #expect(try store.read(name, maximum: .max) == log.read(name)) }
    #expect(try writer.inclusionReceipt(sequence: 9).verify(entry: log.entries[9], keys: log.keys).size == 601)
    #expect(try ArchiveReader(source: store).entry(at: 512) == log.entries[512])
    // What is sealed is locked: neither other contents nor a replacement gets in.
    #expect(AuditError.code { _ = try store.create("tile/0/000", [1]) } == .inconsistent)
    #expect(AuditError.code { try store.replace("tile/0/000", [1]) } == .inputOutput)
  }

  @Test("the writer replaces nothing but the key list, the latest checkpoint and the retention note")
  mutating func replaced() throws {
    let store = ObjectStore()
    let writer = ArchiveWriter(sink: store, origin: log.origin, signers: [log.signer])
    while log.entries.count < 600 { try log.append() }
    let new = NoteSigner(name: log.origin.text, key: try SigningKey(ed25519Seed: Array(repeating: 2, count: 32)))
    try log.append(KeyRotation(old: log.signer.verifierKey(), new: new.verifierKey()).record)
    try writer.publish(Array(log.entries[..<600]))
    try writer.publish([log.entries[600]], successor: new)
    let successor = ArchiveWriter(sink: store, origin: log.origin, signers: [new])
    try successor.seal(now: SealingTests.midnight)
    try successor.expire(before: 512, policy: "p", time: SealingTests.midnight)
    #expect(store.replaced == ["checkpoint", "retention", "vkey"])
    #expect(store.removed == ["tile/entries/000", "tile/entries/001"])
  }
}

/// Objects under names, in memory; there are no folders.
private final class ObjectStore: ArchiveSink, Sendable {
  private struct State {
    var objects: [String: [UInt8]] = [:]
    var locked: Set<String> = []
    var replaced: Set<String> = []
    var removed: Set<String> = []
  }

  private let state = Mutex(State())

  var names: [String] { state.withLock { $0.objects.keys.sorted() } }
  var replaced: Set<String> { state.withLock { $0.replaced } }
  var removed: Set<String> { state.withLock { $0.removed } }

  func read(_ path: String, maximum: Int) throws(AuditError) -> [UInt8]? {
    let bytes = state.withLock { $0.objects[path] }
    guard bytes?.count ?? 0 <= maximum else { throw AuditError(.tooLarge, file: path) }
    return bytes
  }

  func list(_ folder: String, _ body: (String, FileKind) -> Void) throws(AuditError) {
    for name in names where name.hasPrefix(folder + "/") {
      let rest = name.dropFirst(folder.count + 1)
      if !rest.contains("/") { body(String(rest), .regular) }
    }
  }

  func exclusively<Result>(_ body: () throws(AuditError) -> Result) throws(AuditError) -> Result { try body() }

  func create(_ path: String, _ bytes: [UInt8]) throws(AuditError) -> Set<String> {
    let isSame = state.withLock { state in
      let found = state.objects[path] ?? bytes
      state.objects[path] = found
      return found == bytes
    }
    guard isSame else { throw AuditError(.inconsistent, file: path) }
    return []
  }

  func replace(_ path: String, _ bytes: [UInt8]) throws(AuditError) {
    let isFree = state.withLock { state in
      guard !state.locked.contains(path) else { return false }
      state.objects[path] = bytes
      state.replaced.insert(path)
      return true
    }
    guard isFree else { throw AuditError(.inputOutput, file: path, systemError: EPERM) }
  }

  func synchronise(_ folders: Set<String>) throws(AuditError) {}

  func remove(_ path: String) throws(AuditError) {
    state.withLock { state in
      guard state.objects.removeValue(forKey: path) != nil else { return }
      state.locked.remove(path)
      state.removed.insert(path)
    }
  }

  func removeAll(in folder: String) throws(AuditError) {
    state.withLock { state in
      state.objects = state.objects.filter { !$0.key.hasPrefix(folder + "/") }
    }
  }

  func protect(_ path: String) throws(AuditError) { state.withLock { _ = $0.locked.insert(path) } }

  func isProtected(_ path: String) throws(AuditError) -> Bool { state.withLock { $0.locked.contains(path) } }
}
