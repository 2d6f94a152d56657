import Foundation
import Testing

@testable import Vault

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite("Passphrases")
struct PassphraseTests {
  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = folder.path("passphrase")
  }

  private func write(_ bytes: [UInt8], mode: mode_t = 0o600) throws {
    try Data(bytes).write(to: URL(filePath: path))
    try #require(chmod(path, mode) == 0)
  }

  private func read() throws -> [UInt8] {
    try KeyringPassphrase(readingFile: path).withUnsafeBytes { Array($0) }
  }

  @Test("one line feed at the end is left out, and nothing else is")
  func lineFeed() throws {
    for (content, expected) in [
      ("a", "a"), ("a\n", "a"), ("a\n\n", "a\n"), ("a\r\n", "a\r"), (" a b \n", " a b "), ("\na", "\na"), ("é\n", "é"),
    ] {
      try write(Array(content.utf8))
      #expect(try read() == Array(expected.utf8))
    }
    try write([0, 255, 10])
    #expect(try read() == [0, 255])
  }

  @Test("a passphrase has 1 to 1,024 bytes")
  func length() throws {
    for content in [[], [10], [UInt8](repeating: 97, count: 1025), [UInt8](repeating: 97, count: 1025) + [10]] {
      try write(content)
      #expect(throws: VaultError(.passphraseFile, path: path)) { try KeyringPassphrase(readingFile: path) }
    }
    for content in [[UInt8](repeating: 97, count: 1024), [UInt8](repeating: 97, count: 1024) + [10]] {
      try write(content)
      #expect(try read().count == 1024)
    }
    #expect(throws: VaultError(.passphraseFile)) { try KeyringPassphrase(copying: "") }
  }

  @Test("a file on which others have any right is refused", arguments: [0o640, 0o604, 0o620, 0o601] as [mode_t])
  func permissions(_ mode: mode_t) throws {
    try write([97], mode: mode)
    #expect(throws: VaultError(.passphraseFile, path: path)) { try KeyringPassphrase(readingFile: path) }
    #expect(chmod(path, 0o400) == 0)
    #expect(try read() == [97])
  }

  @Test("what is not a regular file is refused", arguments: ["folder", "pipe", "device"])
  func notRegular(_ kind: String) throws {
    var path = path
    switch kind {
    case "folder": try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    case "pipe": #expect(mkfifo(path, 0o600) == 0)
    default: path = "/dev/null"
    }
    let expected = VaultError(.passphraseFile, path: path)
    #expect(throws: expected) { try KeyringPassphrase(readingFile: path) }
  }

  @Test("a link is followed to a file that may be read, and to no other")
  func link() throws {
    try FileManager.default.createSymbolicLink(atPath: folder.path("link"), withDestinationPath: path)
    let link = folder.path("link")
    #expect(throws: VaultError(.passphraseFile, path: link, systemError: ENOENT)) {
      try KeyringPassphrase(readingFile: link)
    }
    try write([97])
    let bytes = try KeyringPassphrase(readingFile: link).withUnsafeBytes { Array($0) }
    #expect(bytes == [97])
    #expect(chmod(path, 0o644) == 0)
    #expect(throws: VaultError(.passphraseFile, path: link)) { try KeyringPassphrase(readingFile: link) }
  }

  @Test("a passphrase shows nothing of itself when printed or dumped")
  func noPrinting() throws {
    let passphrase = try KeyringPassphrase(copying: "Vergissmeinnicht")
    var dumped = ""
    dump(passphrase, to: &dumped)
    #expect("\(passphrase)" == "KeyringPassphrase")
    #expect(dumped == "- KeyringPassphrase #0\n")
  }

  @Test("a cost out of bounds does not exist")
  func costs() {
    #expect(Argon2Cost(operations: 1, memoryKiB: 8) != nil)
    #expect(Argon2Cost(operations: 10, memoryKiB: 1_048_576) != nil)
    #expect(Argon2Cost.moderate == Argon2Cost(operations: 3, memoryKiB: 262_144))
    for (operations, memory) in [(0, 8), (11, 8), (1, 7), (1, 1_048_577), (UInt32.max, 8), (1, UInt32.max)] {
      #expect(Argon2Cost(operations: operations, memoryKiB: memory) == nil)
    }
  }
}

@Suite("Sealed keyrings")
struct SealedKeyringTests {
  private let folder: TemporaryFolder
  private let path: String
  private let passphrase: KeyringPassphrase
  private let vector = Vectors.all.seal

  init() throws {
    folder = try TemporaryFolder()
    path = folder.path("keyring")
    passphrase = try KeyringPassphrase(copying: Vectors.all.seal.passphrase)
  }

  private static let cheap = Argon2Cost(operations: 1, memoryKiB: 8) ?? .moderate

  private func write(_ bytes: [UInt8]) throws {
    try Data(bytes).write(to: URL(filePath: path))
    try #require(chmod(path, 0o600) == 0)
  }

  private func bytes() throws -> [UInt8] { try Array(#require(FileManager.default.contents(atPath: path))) }

  @Test("the bytes of a sealed keyring are those of the specification", arguments: 0..<2)
  func vector(_ index: Int) throws {
    let plain = Vectors.all.keyrings[index]
    try write(vector.files[index].bytes)
    let keyring = try FileKeyring.open(at: path, passphrase: passphrase)
    #expect(keyring.installation == Vectors.all.inputs.installation)
    #expect(keyring.epochs.map(\.number.rawValue) == plain.epochs)
    #expect(keyring.isSealed)

    let cost = try #require(Argon2Cost(operations: vector.operations, memoryKiB: vector.memoryKiB))
    let seal = try KeyringSeal(passphrase, salt: vector.salt.bytes, cost: cost)
    var body = try GuardedBytes(count: plain.file.bytes.count)
    body.withUnsafeMutableBytes { $0.copyBytes(from: plain.file.bytes) }
    let sealed = try seal.seal(body, nonce: vector.nonce.bytes)
    let file = sealed.withUnsafeBytes { Array($0) }
    #expect(file == vector.files[index].bytes)
  }

  @Test("a keyring made with a passphrase opens with it, and shows none of its keys")
  func create() throws {
    let made = try FileKeyring.create(at: path, passphrase: passphrase, cost: Self.cheap)
    let opened = try FileKeyring.open(at: path, passphrase: KeyringPassphrase(copying: vector.passphrase))
    #expect(opened.installation == made.installation)
    #expect(made.isSealed)
    let owner = KeyOwner(kind: .subject, tenant: UUID(), id: UUID())
    let (key, wrapped) = try made.newKey(for: owner)
    #expect(try opened.unwrap(wrapped, for: owner).commitment == key.commitment)
    let file = try bytes()
    #expect(file.count == 200)
    #expect(file.prefix(16).elementsEqual("lethe/keyring/v2".utf8))
    let id = withUnsafeBytes(of: made.installation.uuid) { Array($0) }
    #expect(file.firstRange(of: id) == nil)
    var status = stat()
    #expect(lstat(path, &status) == 0)
    #expect(status.st_mode & 0o7777 == 0o600)
  }

  @Test("a sealed keyring without a passphrase, and a plain one with one, are refused by name")
  func neededOrNot() throws {
    try write(vector.files[0].bytes)
    #expect(throws: VaultError(.passphraseNeeded, path: path)) { try FileKeyring.open(at: path) }
    try write(Vectors.all.keyrings[0].file.bytes)
    #expect(throws: VaultError(.passphraseNotNeeded, path: path)) {
      try FileKeyring.open(at: path, passphrase: passphrase)
    }
    #expect(try !FileKeyring.open(at: path).isSealed)
  }

  @Test(
    "another passphrase does not open a keyring", arguments: ["vergissmeinnicht, blau", "Vergissmeinnicht, blau ", "x"])
  func wrong(_ text: String) throws {
    try write(vector.files[0].bytes)
    let other = try KeyringPassphrase(copying: text)
    #expect(throws: VaultError(.passphraseWrong, path: path)) { try FileKeyring.open(at: path, passphrase: other) }
  }

  @Test("a sealed keyring cut at any length, or lengthened, is refused")
  func truncated() throws {
    let whole = vector.files[1].bytes
    for length in 0..<whole.count {
      try write(Array(whole.prefix(length)))
      let expected =
        switch length {
        case ..<14: VaultError(.keyringForeign, path: path)
        case ..<16: VaultError(.keyringMalformed, path: path, fault: .version)
        case 200: VaultError(.passphraseWrong, path: path)
        default: VaultError(.keyringMalformed, path: path, fault: .length)
        }
      #expect(throws: expected) { try FileKeyring.open(at: path, passphrase: passphrase) }
    }
    for extra in [1, 100_000] {
      try write(whole + [UInt8](repeating: 0, count: extra))
      #expect(throws: VaultError(.keyringMalformed, path: path, fault: .length)) {
        try FileKeyring.open(at: path, passphrase: passphrase)
      }
    }
  }

  @Test("a sealed keyring with any single bit turned is refused")
  func bitFlips() throws {
    let whole = vector.files[0].bytes
    for bit in 0..<whole.count * 8 {
      // 64 MiB to 512 MiB are within the bounds, and would be paid before the file is found out: too much for a test.
      if bit / 8 == 37 && bit % 8 < 4 { continue }
      var altered = whole
      altered[bit / 8] ^= 1 << (bit % 8)
      try write(altered)
      let error = #expect(throws: VaultError.self) { try FileKeyring.open(at: path, passphrase: passphrase) }
      switch bit / 8 {
      case ..<14: #expect(error?.code == .keyringForeign)
      case ..<16: #expect(error?.fault == .version)
      case 32..<40: #expect(error?.fault == .cost || error?.code == .passphraseWrong)
      default: #expect(error == VaultError(.passphraseWrong, path: path))
      }
    }
  }

  @Test(
    "a cost out of bounds is refused before any memory is taken",
    arguments: [(0, 64), (11, 64), (2, 7), (2, 1_048_577)])
  func costs(_ operations: UInt32, _ memory: UInt32) throws {
    var file = vector.files[0].bytes
    for (offset, number) in [(32, operations), (36, memory)] {
      withUnsafeBytes(of: number.bigEndian) { file.replaceSubrange(offset..<offset + 4, with: $0) }
    }
    try write(file)
    #expect(throws: VaultError(.keyringMalformed, path: path, fault: .cost)) {
      try FileKeyring.open(at: path, passphrase: passphrase)
    }
  }

  @Test("what is inside a seal is read as strictly as a plain file")
  func inside() throws {
    let seal = try KeyringSeal(passphrase, cost: Self.cheap)
    var plain = Vectors.all.keyrings[0].file.bytes
    plain[119] ^= 1
    var body = try GuardedBytes(count: plain.count)
    body.withUnsafeMutableBytes { $0.copyBytes(from: plain) }
    let sealed = try seal.seal(body)
    try write(sealed.withUnsafeBytes { Array($0) })
    #expect(throws: VaultError(.keyringMalformed, path: path, fault: .checksum)) {
      try FileKeyring.open(at: path, passphrase: passphrase)
    }
  }

  @Test("a sealed keyring rotates as a plain one does, with the same salt and a new nonce each time")
  func rotation() throws {
    let keyring = try FileKeyring.create(at: path, passphrase: passphrase, cost: Self.cheap)
    let other = try FileKeyring.open(at: path, passphrase: passphrase)
    var files = [try bytes()]
    try keyring.activate(EpochNumber(rawValue: 2))
    files.append(try bytes())
    #expect(try other.refresh())
    try other.destroy(EpochNumber(rawValue: 1))
    files.append(try bytes())
    #expect(try keyring.refresh())
    #expect(keyring.epochs.map(\.number.rawValue) == [2])
    #expect(files.map(\.count) == [200, 248, 200])
    #expect(Set(files.map { Array($0[16..<40]) }).count == 1)
    #expect(Set(files.map { Array($0[40..<64]) }).count == 3)
    #expect(try FileKeyring.open(at: path, passphrase: passphrase).epochs == keyring.epochs)
  }

  @Test("the key of a passphrase is made again only for another salt, cost or passphrase")
  func keptKey() throws {
    _ = try FileKeyring.create(at: path, passphrase: passphrase, cost: Self.cheap)
    let first = try StoredKeyring(reading: path, passphrase: passphrase)
    let again = try StoredKeyring(reading: path, passphrase: passphrase, known: first.seal)
    #expect(again.seal === first.seal)
    try FileKeyring.open(at: path, passphrase: passphrase).reseal(passphrase: passphrase, cost: Self.cheap)
    let resealed = try StoredKeyring(reading: path, passphrase: passphrase, known: first.seal)
    #expect(resealed.seal !== first.seal)
    #expect(resealed.seal?.salt != first.seal?.salt)
  }

  @Test("a keyring can be sealed, sealed anew and unsealed, and what it held before is overwritten")
  func reseal() throws {
    let keyring = try FileKeyring.create(at: path)
    let owner = KeyOwner(kind: .subject, tenant: UUID(), id: UUID())
    let wrapped = try keyring.newKey(for: owner).wrapped
    let other = try KeyringPassphrase(copying: "another")
    let steps: [KeyringPassphrase?] = [passphrase, other, nil]
    for next in steps {
      let old = try #require(FileHandle(forReadingAtPath: path))
      let held = keyring.epochs
      try keyring.reseal(passphrase: next, cost: Self.cheap)
      let left = try #require(try old.readToEnd())
      #expect(left.allSatisfy { $0 == 0 } && left.count >= 120)
      #expect(keyring.epochs == held)
      #expect(keyring.isSealed == (next != nil))
      let opened = try FileKeyring.open(at: path, passphrase: next)
      #expect(try opened.unwrap(wrapped, for: owner).commitment == wrapped.commitment)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["keyring"])
  }

  @Test("a process that holds the keyring keeps it when another seals it, and says what it lacks")
  func resealedElsewhere() throws {
    let keyring = try FileKeyring.create(at: path, passphrase: passphrase, cost: Self.cheap)
    let holder = try FileKeyring.open(at: path, passphrase: passphrase)
    try keyring.reseal(passphrase: KeyringPassphrase(copying: "another"), cost: Self.cheap)
    #expect(throws: VaultError(.passphraseWrong, path: path)) { try holder.refresh() }
    #expect(throws: VaultError(.passphraseWrong, path: path)) { try holder.activate(EpochNumber(rawValue: 2)) }
    try keyring.reseal(passphrase: nil)
    #expect(throws: VaultError(.passphraseNotNeeded, path: path)) { try holder.refresh() }
    #expect(holder.epochs == keyring.epochs)
    let plain = try FileKeyring.open(at: path)
    try keyring.reseal(passphrase: passphrase, cost: Self.cheap)
    #expect(throws: VaultError(.passphraseNeeded, path: path)) { try plain.refresh() }
    #expect(try !holder.refresh())
  }
}
