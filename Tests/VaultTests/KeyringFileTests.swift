import Foundation
import Testing

@testable import Vault

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite("Keyring files")
struct KeyringFileTests {
  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = folder.path("keyring")
  }

  // MARK: Making

  @Test("a new keyring is one file for its owner only, with epoch 1 active")
  func create() throws {
    let before = Int64(Date().timeIntervalSince1970)
    let keyring = try FileKeyring.create(at: path)
    var status = stat()
    #expect(lstat(path, &status) == 0)
    #expect(status.st_mode & 0o7777 == 0o600)
    #expect(status.st_nlink == 1)
    #expect(status.st_size == 120)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["keyring"])
    #expect(keyring.activeEpoch == EpochNumber(rawValue: 1))
    #expect(keyring.epochs.map(\.number.rawValue) == [1])
    #expect(keyring.epochs.map(\.state) == [.active])
    #expect(keyring.epochs[0].createdAt >= before && keyring.epochs[0].createdAt <= before + 60)
  }

  @Test("a keyring that is opened again has the same id, epochs and keys")
  func reopen() throws {
    let made = try FileKeyring.create(at: path)
    let opened = try FileKeyring.open(at: path)
    #expect(opened.installation == made.installation)
    #expect(opened.epochs == made.epochs)
    let owner = KeyOwner(kind: .subject, tenant: UUID(), id: UUID())
    let (key, wrapped) = try made.newKey(for: owner)
    let envelope = try key.seal([4, 2], at: .vector)
    #expect(try opened.unwrap(wrapped, for: owner).open(envelope, at: .vector) == [4, 2])
  }

  @Test("two keyrings share neither id nor keys")
  func independent() throws {
    let one = try FileKeyring.create(at: path)
    let two = try FileKeyring.create(at: folder.path("other"))
    let owner = KeyOwner(kind: .subject, tenant: UUID(), id: UUID())
    let wrapped = try one.newKey(for: owner).wrapped
    #expect(one.installation != two.installation)
    #expect(throws: VaultError(.notOpened)) { try two.unwrap(wrapped, for: owner) }
  }

  @Test("whatever is at the path already stays, untouched", arguments: ["file", "folder", "link"])
  func refusesExisting(_ kind: String) throws {
    switch kind {
    case "file": try write([1, 2, 3])
    case "folder": try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    default: try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: folder.path("nowhere"))
    }
    #expect(throws: VaultError(.keyringExists, path: path)) { try FileKeyring.create(at: path) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["keyring"])
    if kind == "file" { #expect(FileManager.default.contents(atPath: path) == Data([1, 2, 3])) }
  }

  @Test("of many that make the same keyring at once, one succeeds")
  func race() async throws {
    let path = path
    let ids = await withTaskGroup(of: UUID?.self) { group in
      for _ in 0..<16 {
        group.addTask {
          do { return try FileKeyring.create(at: path).installation } catch { return nil }
        }
      }
      return await group.reduce(into: [UUID]()) { if let id = $1 { $0.append(id) } }
    }
    #expect(try ids == [FileKeyring.open(at: path).installation])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["keyring"])
  }

  @Test("a folder that does not exist is reported with its error number")
  func createInMissingFolder() {
    let path = folder.path("nowhere/keyring")
    #expect(throws: VaultError(.keyringIO, path: path, systemError: ENOENT)) { try FileKeyring.create(at: path) }
  }

  @Test("a path that names a folder is refused")
  func createWithoutName() {
    #expect(throws: VaultError(.keyringNotRegular, path: folder.path + "/")) {
      try FileKeyring.create(at: folder.path + "/")
    }
  }

  // MARK: The file and its surroundings

  @Test("a missing keyring is reported as missing", arguments: ["keyring", "nowhere/keyring"])
  func missing(_ name: String) {
    #expect(throws: VaultError(.keyringMissing, path: folder.path(name))) {
      try FileKeyring.open(at: folder.path(name))
    }
  }

  @Test("what is not a regular file is refused", arguments: ["folder", "link", "pipe", "device"])
  func notRegular(_ kind: String) throws {
    var path = path
    switch kind {
    case "folder": try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    case "link":
      _ = try FileKeyring.create(at: folder.path("real"))
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: folder.path("real"))
    case "pipe": #expect(mkfifo(path, 0o600) == 0)
    default: path = "/dev/null"
    }
    let expected = VaultError(.keyringNotRegular, path: path)
    #expect(throws: expected) { try FileKeyring.open(at: path) }
  }

  @Test(
    "a keyring on which others have any right is refused",
    arguments: [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o666] as [mode_t])
  func permissions(_ mode: mode_t) throws {
    _ = try FileKeyring.create(at: path)
    #expect(chmod(path, mode) == 0)
    #expect(throws: VaultError(.keyringPermissions, path: path)) { try FileKeyring.open(at: path) }
    #expect(chmod(path, 0o400) == 0)
    #expect(try FileKeyring.open(at: path).epochs.count == 1)
  }

  @Test("only root may use another user's keyring")
  func owner() throws {
    let file = KeyringFile(path: path)
    try file.check(mode: S_IFREG | 0o600, owner: 1000, user: 1000)
    try file.check(mode: S_IFREG | 0o600, owner: 1000, user: 0)
    for user in [1001, 65534] as [uid_t] {
      #expect(throws: VaultError(.keyringOwner, path: path)) {
        try file.check(mode: S_IFREG | 0o600, owner: 1000, user: user)
      }
    }
    #expect(throws: VaultError(.keyringOwner, path: path)) {
      try file.check(mode: S_IFREG | 0o600, owner: 0, user: 1000)
    }
  }

  @Test("a path the system cannot use is reported with its error number")
  func unusablePath() {
    let path = folder.path(String(repeating: "k", count: 300))
    #expect(throws: VaultError(.keyringIO, path: path, systemError: ENAMETOOLONG)) { try FileKeyring.open(at: path) }
    #expect(throws: VaultError(.keyringIO, path: path, systemError: ENAMETOOLONG)) { try FileKeyring.create(at: path) }
  }

  // MARK: The bytes

  @Test("the bytes of a keyring are those of the specification", arguments: Vectors.all.keyrings)
  func vector(_ vector: Vectors.KeyringFile) throws {
    let inputs = Vectors.all.inputs
    try write(vector.file.bytes)
    let keyring = try FileKeyring.open(at: path)
    #expect(keyring.installation == inputs.installation)
    #expect(keyring.epochs.map(\.number.rawValue) == vector.epochs)
    #expect(keyring.activeEpoch.rawValue == inputs.epoch)
    #expect(keyring.epochs.last?.createdAt == 1_700_000_000)
    #expect(keyring.epochs.map(\.state).suffix(1) == [.active])

    let keys = try vector.epochs.map { number in
      try number == inputs.epoch
        ? EpochKey(number, root: inputs.epochRoot.bytes)
        : EpochKey(number, .retiring, createdAt: 1_697_408_000, root: inputs.retiringRoot.bytes)
    }
    let encoded = try KeyringContents(installation: inputs.installation, keys: keys).encoded()
    let bytes = encoded.withUnsafeBytes { Array($0) }
    #expect(bytes == vector.file.bytes)

    let owner = KeyOwner(kind: .subject, tenant: inputs.tenant, id: inputs.subject)
    let wrapping = Vectors.all.wrappings[0]
    let wrapped = WrappedKey(
      epoch: EpochNumber(rawValue: inputs.epoch), blob: wrapping.blob.bytes, commitment: Vectors.all.commitment.bytes)
    #expect(try keyring.unwrap(wrapped, for: owner).commitment == Vectors.all.commitment.bytes)
  }

  /// One change to a valid file of two epochs, after which its checksum is made right again.
  struct Damage: Sendable, CustomTestStringConvertible {
    let fault: VaultError.KeyringFault
    let changes: [Int: UInt8]
    var testDescription: String { "\(fault) at \(changes.keys.sorted())" }
  }

  @Test(
    "each fault inside the file has its own name",
    arguments: [
      Damage(fault: .version, changes: [15: UInt8(ascii: "3")]),
      Damage(fault: .epochCount, changes: [32: 0]),
      Damage(fault: .epochCount, changes: [32: 3]),
      Damage(fault: .length, changes: [32: 1]),
      Damage(fault: .reserved, changes: [33: 1]),
      Damage(fault: .reserved, changes: [39: 1]),
      Damage(fault: .reserved, changes: [47: 1]),
      Damage(fault: .reserved, changes: [93: 1]),
      Damage(fault: .epochNumber, changes: [43: 0]),
      Damage(fault: .epochNumber, changes: [88: 0x80]),
      Damage(fault: .epochState, changes: [44: 0]),
      Damage(fault: .epochState, changes: [92: 3]),
      Damage(fault: .noActiveEpoch, changes: [92: 2]),
      Damage(fault: .twoActiveEpochs, changes: [44: 1]),
      Damage(fault: .epochOrder, changes: [44: 1, 92: 2]),
      Damage(fault: .epochOrder, changes: [43: 7]),
      Damage(fault: .epochOrder, changes: [43: 8]),
    ])
  func faults(_ damage: Damage) throws {
    var bytes = Vectors.all.keyrings[1].file.bytes
    for (offset, value) in damage.changes { bytes[offset] = value }
    try write(withChecksum(bytes))
    let expected = VaultError(.keyringMalformed, path: path, fault: damage.fault)
    #expect(throws: expected) { try FileKeyring.open(at: path) }
  }

  @Test("a file that is no keyring is called that", arguments: ["", "x", "-----BEGIN PRIVATE KEY-----\n"])
  func foreign(_ text: String) throws {
    try write(Array(text.utf8))
    #expect(throws: VaultError(.keyringForeign, path: path)) { try FileKeyring.open(at: path) }
  }

  @Test("a keyring cut at any length, or lengthened, is refused")
  func truncated() throws {
    let whole = Vectors.all.keyrings[1].file.bytes
    for length in 0..<whole.count {
      try write(Array(whole.prefix(length)))
      let expected =
        switch length {
        case ..<14: VaultError(.keyringForeign, path: path)
        case ..<16: VaultError(.keyringMalformed, path: path, fault: .version)
        default: VaultError(.keyringMalformed, path: path, fault: .length)
        }
      #expect(throws: expected) { try FileKeyring.open(at: path) }
    }
    for extra in [1, 100_000] {
      try write(whole + [UInt8](repeating: 0, count: extra))
      #expect(throws: VaultError(.keyringMalformed, path: path, fault: .length)) { try FileKeyring.open(at: path) }
    }
  }

  @Test("a keyring with any single bit turned is refused")
  func bitFlips() throws {
    let whole = Vectors.all.keyrings[0].file.bytes
    for bit in 0..<whole.count * 8 {
      var altered = whole
      altered[bit / 8] ^= 1 << (bit % 8)
      try write(altered)
      let error = #expect(throws: VaultError.self) { try FileKeyring.open(at: path) }
      switch bit / 8 {
      case ..<14: #expect(error?.code == .keyringForeign)
      case ..<16: #expect(error?.fault == .version)
      case 32: #expect(error?.fault == .epochCount || error?.fault == .length)
      default: #expect(error?.fault == .checksum)
      }
    }
  }

  private func write(_ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(filePath: path))
    try #require(chmod(path, 0o600) == 0)
  }

  private func withChecksum(_ bytes: [UInt8]) -> [UInt8] {
    let body = Array(bytes.dropLast(32))
    let checksum = body.withUnsafeBytes { body in
      derived { KeyDerivation.hash(body, key: nil, personal: "lethe/keyring/v1", into: $0) }
    }
    return body + checksum
  }
}
