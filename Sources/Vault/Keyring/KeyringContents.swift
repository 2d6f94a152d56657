import CSodium
import Foundation

/// What a keyring file says, and its bytes (docs/keyring.md, "Layout"). The bytes are only ever in guarded memory.
struct KeyringContents: Sendable {
  let installation: UUID
  /// Earliest first.
  let keys: [EpochKey]

  /// The length of a file with two epochs.
  static let longest = length(epochs: 2)

  static func length(epochs: Int) -> Int { Place.epochs + epochs * Place.epochBytes + Place.checksumBytes }

  private static let magic: StaticString = "lethe/keyring/"
  private static let version: StaticString = "v1"

  /// Offsets and lengths, in bytes.
  private enum Place {
    static let version = 14
    static let installation = 16
    static let count = 32
    static let reserved = 33..<40
    static let epochs = 40
    static let epochBytes = 48
    static let checksumBytes = 32

    // Within an epoch.
    static let state = 4
    static let epochReserved = 5..<8
    static let createdAt = 8
    static let key = 16
  }

  init(installation: UUID, keys: [EpochKey]) {
    self.installation = installation
    self.keys = keys
  }

  /// Reads a file's bytes strictly: each file has one meaning, each meaning one file.
  init(decoding bytes: borrowing GuardedBytes, path: String) throws(VaultError) {
    // Every offset is below a length that was compared with the buffer's first.
    self = try unsafe bytes.withUnsafeBytes { (file: UnsafeRawBufferPointer) throws(VaultError) in
      func malformed(_ fault: VaultError.KeyringFault) -> VaultError {
        VaultError(.keyringMalformed, path: path, fault: fault)
      }
      guard unsafe Self.holds(Self.magic, file, at: 0) else { throw VaultError(.keyringForeign, path: path) }
      guard unsafe Self.holds(Self.version, file, at: Place.version) else { throw malformed(.version) }
      guard file.count > Place.count else { throw malformed(.length) }
      let count = unsafe Int(file[Place.count])
      guard (1...2).contains(count) else { throw malformed(.epochCount) }
      guard file.count == Self.length(epochs: count) else { throw malformed(.length) }
      guard unsafe Self.hasChecksum(file) else { throw malformed(.checksum) }
      guard unsafe Self.isZero(file[Place.reserved]) else { throw malformed(.reserved) }
      var keys: [EpochKey] = []
      for index in 0..<count {
        let start = Place.epochs + index * Place.epochBytes
        let epoch = unsafe UnsafeRawBufferPointer(rebasing: file[start..<start + Place.epochBytes])
        guard unsafe Self.isZero(epoch[Place.epochReserved]) else { throw malformed(.reserved) }
        let number = unsafe Int32(bigEndian: epoch.loadUnaligned(as: Int32.self))
        guard number > 0 else { throw malformed(.epochNumber) }
        guard let state = unsafe EpochDescription.State(rawValue: epoch[Place.state]) else {
          throw malformed(.epochState)
        }
        let createdAt = unsafe Int64(bigEndian: epoch.loadUnaligned(fromByteOffset: Place.createdAt, as: Int64.self))
        let description = EpochDescription(
          number: EpochNumber(rawValue: number), state: state, createdAt: createdAt)
        keys.append(
          try unsafe EpochKey(description) { (root: UnsafeMutableRawBufferPointer) throws(VaultError) in
            unsafe root.copyMemory(from: UnsafeRawBufferPointer(rebasing: epoch[Place.key...]))
          })
      }
      let active = keys.count { $0.description.state == .active }
      guard active > 0 else { throw malformed(.noActiveEpoch) }
      guard active == 1 else { throw malformed(.twoActiveEpochs) }
      guard keys.last?.description.state == .active,
        keys.count < 2 || keys[0].description.number < keys[1].description.number
      else { throw malformed(.epochOrder) }
      let id = unsafe file.loadUnaligned(fromByteOffset: Place.installation, as: uuid_t.self)
      return KeyringContents(installation: UUID(uuid: id), keys: keys)
    }
  }

  /// The file's bytes.
  func encoded() throws(VaultError) -> GuardedBytes {
    var bytes = try GuardedBytes(count: Self.length(epochs: keys.count))
    // The buffer has room for as many epochs as are written, and begins zeroed.
    unsafe bytes.withUnsafeMutableBytes { file in
      unsafe Self.put(Self.magic, file, at: 0)
      unsafe Self.put(Self.version, file, at: Place.version)
      unsafe file.storeBytes(of: installation.uuid, toByteOffset: Place.installation, as: uuid_t.self)
      unsafe file[Place.count] = UInt8(truncatingIfNeeded: keys.count)
      for (index, key) in keys.enumerated() {
        let start = Place.epochs + index * Place.epochBytes
        let epoch = unsafe UnsafeMutableRawBufferPointer(rebasing: file[start..<start + Place.epochBytes])
        unsafe epoch.storeBytes(of: key.description.number.rawValue.bigEndian, as: Int32.self)
        unsafe epoch[Place.state] = key.description.state.rawValue
        unsafe epoch.storeBytes(of: key.description.createdAt.bigEndian, toByteOffset: Place.createdAt, as: Int64.self)
        unsafe key.withRoot { root in
          unsafe UnsafeMutableRawBufferPointer(rebasing: epoch[Place.key...]).copyMemory(from: root)
        }
      }
      let end = file.count - Place.checksumBytes
      if let start = file.baseAddress {
        unsafe Self.checksum(UnsafeRawBufferPointer(rebasing: file[..<end]), into: start + end)
      }
    }
    return bytes
  }

  @unsafe private static func checksum(_ contents: UnsafeRawBufferPointer, into output: UnsafeMutableRawPointer) {
    unsafe KeyDerivation.hash(contents, key: nil, personal: "lethe/keyring/v1", into: output)
  }

  @unsafe private static func hasChecksum(_ file: UnsafeRawBufferPointer) -> Bool {
    let end = file.count - Place.checksumBytes
    var expected = [UInt8](repeating: 0, count: Place.checksumBytes)
    // The array has the length of a checksum, and so has the end of the file.
    return unsafe expected.withUnsafeMutableBytes { expected in
      guard let output = expected.baseAddress, let stored = file.baseAddress else { return false }
      unsafe checksum(UnsafeRawBufferPointer(rebasing: file[..<end]), into: output)
      return unsafe sodium_memcmp(output, stored + end, Place.checksumBytes) == 0
    }
  }

  @unsafe private static func isZero(_ bytes: Slice<UnsafeRawBufferPointer>) -> Bool {
    unsafe bytes.allSatisfy { $0 == 0 }
  }

  @unsafe private static func holds(_ text: StaticString, _ file: UnsafeRawBufferPointer, at offset: Int) -> Bool {
    guard file.count >= offset + text.utf8CodeUnitCount else { return false }
    return text.withUTF8Buffer { text in unsafe file[offset..<offset + text.count].elementsEqual(text) }
  }

  @unsafe private static func put(_ text: StaticString, _ file: UnsafeMutableRawBufferPointer, at offset: Int) {
    text.withUTF8Buffer { text in
      for index in text.indices { unsafe file[offset + index] = text[index] }
    }
  }
}
