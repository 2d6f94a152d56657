/// A keyring as its file has it: what it says, and what seals it.
struct StoredKeyring: Sendable {
  let contents: KeyringContents
  /// Nil for a plain file.
  let seal: KeyringSeal?

  /// The length of the longest file.
  private static let longest = KeyringContents.longest + KeyringSeal.overhead

  init(contents: KeyringContents, seal: KeyringSeal?) {
    self.contents = contents
    self.seal = seal
  }

  /// Reads the file. A passphrase is needed for a sealed file, and refused for a plain one. `known`, what sealed the file
  /// when it was read before, saves making the same key again.
  init(reading path: String, passphrase: KeyringPassphrase?, known: KeyringSeal? = nil) throws(VaultError) {
    let bytes = try KeyringFile(path: path).read(atMost: Self.longest)
    guard try Self.isSealed(bytes) else {
      contents = try KeyringContents(decoding: bytes, path: path)
      seal = nil
      guard passphrase == nil else { throw VaultError(.passphraseNotNeeded, path: path) }
      return
    }
    guard (1...2).contains(where: { bytes.count == KeyringContents.length(epochs: $0) + KeyringSeal.overhead }) else {
      throw VaultError(.keyringMalformed, path: path, fault: .length)
    }
    let (salt, cost) = try KeyringSeal.parameters(of: bytes, path: path)
    guard let passphrase else { throw VaultError(.passphraseNeeded, path: path) }
    let seal: KeyringSeal
    if let known, known.salt == salt, known.cost == cost, known.passphrase === passphrase {
      seal = known
    } else {
      seal = try KeyringSeal(passphrase, salt: salt, cost: cost)
    }
    contents = try KeyringContents(decoding: seal.open(bytes, path: path), path: path)
    self.seal = seal
  }

  /// The file's bytes.
  func encoded() throws(VaultError) -> GuardedBytes {
    let body = try contents.encoded()
    guard let seal else { return body }
    return try seal.seal(body)
  }

  private static func isSealed(_ bytes: borrowing GuardedBytes) throws(VaultError) -> Bool {
    // The comparison ends with the shorter of both.
    unsafe bytes.withUnsafeBytes { file in
      KeyringSeal.magic.withUTF8Buffer { magic in
        unsafe file.count >= magic.count && file[..<magic.count].elementsEqual(magic)
      }
    }
  }
}
