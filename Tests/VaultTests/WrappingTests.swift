import Foundation
import Testing

@testable import Vault

@Suite("Wrapped keys")
struct WrappingTests {
  private let inputs = Vectors.all.inputs
  private let epochKey: EpochKey
  private let owner: KeyOwner

  init() throws {
    epochKey = try EpochKey(Vectors.all.inputs.epoch, root: Vectors.all.inputs.epochRoot.bytes)
    owner = KeyOwner(kind: .subject, tenant: Vectors.all.inputs.tenant, id: Vectors.all.inputs.subject)
  }

  @Test("each kind of key wraps to the blob of the specification, and opens again", arguments: 0..<5)
  func vector(_ index: Int) throws {
    let vector = Vectors.all.wrappings[index]
    let kind = try #require(KeyOwner.Kind(rawValue: vector.kind))
    let suite = try #require(Suite(rawValue: vector.suite))
    let owner = KeyOwner(kind: kind, tenant: inputs.tenant, id: vector.id)
    #expect(
      owner.associatedData(EpochNumber(rawValue: inputs.epoch), suite).bytesForTests == vector.data.bytes)
    guard suite.isAvailable else { return }
    let key = try DataKey(copying: inputs.root.bytes)
    if suite == .xchacha20poly1305 {
      #expect(try epochKey.wrap(key, for: owner, nonce: vector.nonce.bytes).blob == vector.blob.bytes)
    }
    let wrapped = WrappedKey(epoch: epochKey.description.number, blob: vector.blob.bytes, commitment: key.commitment)
    let opened = try epochKey.unwrap(wrapped, for: owner)
    #expect(opened.commitment == Vectors.all.commitment.bytes)
  }

  @Test("a key wrapped for one owner unwraps for no other", arguments: 0..<3)
  func otherOwner(_ part: Int) throws {
    let wrapped = try epochKey.wrap(DataKey.random(), for: owner)
    let other = KeyOwner(
      kind: part == 0 ? .hold : owner.kind, tenant: part == 1 ? UUID() : owner.tenant,
      id: part == 2 ? UUID() : owner.id)
    #expect(throws: VaultError(.notOpened)) { try epochKey.unwrap(wrapped, for: other) }
  }

  @Test("a wrapping does not open under another epoch's number, even with the same key")
  func otherNumber() throws {
    let wrapped = try epochKey.wrap(DataKey.random(), for: owner)
    let other = try EpochKey(inputs.epoch + 1, root: inputs.epochRoot.bytes)
    #expect(throws: VaultError(.notOpened)) { try other.unwrap(wrapped, for: owner) }
  }

  @Test("a blob that is cut or has any bit turned is refused")
  func altered() throws {
    let wrapped = try epochKey.wrap(DataKey.random(), for: owner)
    for length in 0..<wrapped.blob.count {
      let cut = WrappedKey(
        epoch: wrapped.epoch, blob: Array(wrapped.blob.prefix(length)), commitment: wrapped.commitment)
      #expect(throws: VaultError(.notOpened)) { try epochKey.unwrap(cut, for: owner) }
    }
    for bit in 0..<wrapped.blob.count * 8 {
      var blob = wrapped.blob
      blob[bit / 8] ^= 1 << (bit % 8)
      let turned = WrappedKey(epoch: wrapped.epoch, blob: blob, commitment: wrapped.commitment)
      #expect(throws: VaultError(.notOpened)) { try epochKey.unwrap(turned, for: owner) }
    }
  }

  @Test("a sealed value of another length than a key's does not unwrap", arguments: [0, 31, 33])
  func otherLength(_ length: Int) throws {
    let suite = Suite.xchacha20poly1305
    let data = owner.associatedData(EpochNumber(rawValue: inputs.epoch), suite)
    let key = try SealingKey(.wrapping) { (root: UnsafeMutableRawBufferPointer) throws(VaultError) in
      root.copyBytes(from: inputs.epochRoot.bytes)
    }
    let content = [UInt8](repeating: 9, count: length)
    let blob = try content.withUnsafeBytes { try key.seal($0, suite: suite, associatedData: data) }
    let wrapped = WrappedKey(epoch: epochKey.description.number, blob: blob, commitment: [])
    #expect(throws: VaultError(.notOpened)) { try epochKey.unwrap(wrapped, for: owner) }
  }

  @Test("a key that is not the one its commitment names is refused")
  func commitmentMismatch() throws {
    let wrapped = try epochKey.wrap(DataKey.random(), for: owner)
    for bit in 0..<wrapped.commitment.count * 8 {
      var commitment = wrapped.commitment
      commitment[bit / 8] ^= 1 << (bit % 8)
      let other = WrappedKey(epoch: wrapped.epoch, blob: wrapped.blob, commitment: commitment)
      #expect(throws: VaultError(.commitmentMismatch)) { try epochKey.unwrap(other, for: owner) }
    }
    for length in [0, 31] {
      let short = WrappedKey(
        epoch: wrapped.epoch, blob: wrapped.blob, commitment: Array(wrapped.commitment.prefix(length)))
      #expect(throws: VaultError(.commitmentMismatch)) { try epochKey.unwrap(short, for: owner) }
    }
  }

  @Test("a key is random, and sealing with it survives unwrapping")
  func newKeys() throws {
    let folder = try TemporaryFolder()
    let keyring = try FileKeyring.create(at: folder.path("keyring"))
    let (key, wrapped) = try keyring.newKey(for: owner)
    let (other, otherWrapped) = try keyring.newKey(for: owner)
    #expect(wrapped.commitment == key.commitment)
    #expect(wrapped.commitment != otherWrapped.commitment)
    #expect(wrapped.epoch == keyring.activeEpoch)
    #expect(wrapped.blob.count == 74)
    let envelope = try key.seal([1, 2, 3], at: .vector)
    #expect(try keyring.unwrap(wrapped, for: owner).open(envelope, at: .vector) == [1, 2, 3])
    #expect(throws: VaultError(.notOpened)) { try other.open(envelope, at: .vector) }
  }

  @Test("a key moves from the retiring epoch to the active one, and the retiring one can then go")
  func rewrapping() throws {
    let old = EpochNumber(rawValue: 6)
    let before = try keyring([EpochKey(6, root: inputs.retiringRoot.bytes)])
    let during = try keyring([
      EpochKey(6, .retiring, root: inputs.retiringRoot.bytes), EpochKey(7, root: inputs.epochRoot.bytes),
    ])
    let after = try keyring([EpochKey(7, root: inputs.epochRoot.bytes)])
    let (key, wrapped) = try before.newKey(for: owner)
    let envelope = try key.seal([1, 2, 3], at: .vector)

    let moved = try during.wrap(during.unwrap(wrapped, for: owner), for: owner)
    #expect(wrapped.epoch == old)
    #expect(moved.epoch == EpochNumber(rawValue: 7))
    #expect(moved.commitment == wrapped.commitment)
    #expect(try after.unwrap(moved, for: owner).open(envelope, at: .vector) == [1, 2, 3])
    #expect(throws: VaultError(.unknownEpoch)) { try after.unwrap(wrapped, for: owner) }
    #expect(throws: VaultError(.unknownEpoch)) { try before.unwrap(moved, for: owner) }
    let relabelled = WrappedKey(epoch: moved.epoch, blob: wrapped.blob, commitment: wrapped.commitment)
    #expect(throws: VaultError(.notOpened)) { try during.unwrap(relabelled, for: owner) }
  }

  @Test("rewrapping does what unwrapping and wrapping do, and leaves nothing in memory")
  func rewrap() throws {
    let witness = Witness()
    let slab = try GuardedSlab(slots: 2, of: SealingKey.memoryBytes, onRelease: { witness.see($0) })
    let (six, seven) = try (EpochKey(6, root: inputs.retiringRoot.bytes), EpochKey(7, root: inputs.epochRoot.bytes))
    let wrapped = try six.wrap(DataKey(copying: inputs.root.bytes), for: owner)
    let moved = try six.rewrap(wrapped, for: owner, under: seven, in: slab)
    #expect(moved.epoch == EpochNumber(rawValue: 7))
    #expect(moved.commitment == wrapped.commitment)
    #expect(moved.blob.count == 74)
    #expect(moved.blob != wrapped.blob)
    #expect(slab.used == 0)
    #expect(witness.releases.map { $0.allSatisfy { $0 == 0 } } == [true])
    let envelope = try seven.unwrap(moved, for: owner).seal([5], at: .vector)
    #expect(try DataKey(copying: inputs.root.bytes).open(envelope, at: .vector) == [5])
  }

  @Test("rewrapping refuses what unwrapping refuses")
  func rewrapRefusals() throws {
    let during = try keyring([
      EpochKey(6, .retiring, root: inputs.retiringRoot.bytes), EpochKey(7, root: inputs.epochRoot.bytes),
    ])
    let wrapped = try keyring([EpochKey(6, root: inputs.retiringRoot.bytes)]).newKey(for: owner).wrapped
    #expect(try during.rewrap(wrapped, for: owner).epoch == EpochNumber(rawValue: 7))
    #expect(try during.rewrap(during.rewrap(wrapped, for: owner), for: owner).commitment == wrapped.commitment)
    let other = KeyOwner(kind: .hold, tenant: owner.tenant, id: owner.id)
    #expect(throws: VaultError(.notOpened)) { try during.rewrap(wrapped, for: other) }
    let cut = WrappedKey(epoch: wrapped.epoch, blob: wrapped.blob.dropLast(), commitment: wrapped.commitment)
    #expect(throws: VaultError(.notOpened)) { try during.rewrap(cut, for: owner) }
    let unnamed = WrappedKey(epoch: wrapped.epoch, blob: wrapped.blob, commitment: inputs.root.bytes)
    #expect(throws: VaultError(.commitmentMismatch)) { try during.rewrap(unnamed, for: owner) }
    let gone = WrappedKey(
      epoch: EpochNumber(rawValue: 5), blob: wrapped.blob, commitment: wrapped.commitment)
    #expect(throws: VaultError(.unknownEpoch)) { try during.rewrap(gone, for: owner) }
  }

  @Test("more keys can be in use than have a place ready")
  func manyKeys() throws {
    let ring = try keyring([EpochKey(7, root: inputs.epochRoot.bytes)])
    let keys = try (0..<FileKeyring.workingKeys + 50).map { _ in try ring.newKey(for: owner) }
    #expect(Set(keys.map(\.key.commitment)).count == FileKeyring.workingKeys + 50)
    for (key, wrapped) in keys.suffix(60) {
      let envelope = try key.seal([1], at: .vector)
      #expect(try ring.unwrap(wrapped, for: owner).open(envelope, at: .vector) == [1])
    }
  }

  private func keyring(_ keys: [EpochKey]) throws -> FileKeyring {
    try FileKeyring(KeyringContents(installation: inputs.installation, keys: keys), path: "in memory")
  }
}
