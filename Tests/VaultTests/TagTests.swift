import Foundation
import Testing

@testable import Vault

@Suite("Lookup tags")
struct TagTests {
  private let inputs = Vectors.all.inputs
  private let keyring: FileKeyring
  private let secret: DataKey
  private let epoch: EpochNumber

  init() throws {
    let inputs = Vectors.all.inputs
    keyring = try FileKeyring(
      KeyringContents(
        installation: inputs.installation,
        keys: [
          EpochKey(inputs.epoch - 1, .retiring, root: inputs.retiringRoot.bytes),
          EpochKey(inputs.epoch, root: inputs.epochRoot.bytes),
        ]), path: "in memory")
    secret = try DataKey(copying: inputs.tenantRoot.bytes)
    epoch = EpochNumber(rawValue: inputs.epoch)
  }

  @Test("the subkeys behind an index key are those of the specification")
  func subkeys() {
    for (root, expected) in [
      (inputs.epochRoot, Vectors.all.indexKey.epochSubkey), (inputs.tenantRoot, Vectors.all.indexKey.tenantSubkey),
    ] {
      let subkey = root.bytes.withUnsafeBytes { root in
        derived { output in
          if let root = root.baseAddress { KeyDerivation.subkey(1, for: .index, of: root, into: output) }
        }
      }
      #expect(subkey == expected.bytes)
    }
  }

  @Test("a tag is that of the specification", arguments: Vectors.all.tags)
  func vector(_ vector: Vectors.Tag) throws {
    let key = try keyring.indexKey(epoch: epoch, tenant: inputs.tenant, tenantSecret: secret)
    #expect(key.epoch == epoch)
    #expect(try key.tag(#require(TagKind(rawValue: vector.kind)), vector.value) == vector.tag.bytes)
  }

  @Test("kind, value, tenant, tenant secret and epoch each change a tag")
  func everythingCounts() throws {
    let key = try keyring.indexKey(epoch: epoch, tenant: inputs.tenant, tenantSecret: secret)
    let others = try [
      keyring.indexKey(epoch: epoch, tenant: inputs.subject, tenantSecret: secret),
      keyring.indexKey(epoch: epoch, tenant: inputs.tenant, tenantSecret: DataKey.random()),
      keyring.indexKey(epoch: EpochNumber(rawValue: epoch.rawValue - 1), tenant: inputs.tenant, tenantSecret: secret),
    ]
    let tags = [key.tag(.email, "a"), key.tag(.email, "b"), key.tag(.phone, "a")] + others.map { $0.tag(.email, "a") }
    #expect(Set(tags).count == 6)
    #expect(tags.allSatisfy { $0.count == 32 })
  }

  @Test("a kind and a value cannot be divided in two ways")
  func noAmbiguity() throws {
    let key = try keyring.indexKey(epoch: epoch, tenant: inputs.tenant, tenantSecret: secret)
    #expect(try key.tag(#require(TagKind(rawValue: "ab")), "c") != key.tag(#require(TagKind(rawValue: "a")), "bc"))
  }

  @Test("a tag under a data key is that of the specification", arguments: Vectors.all.keyTags)
  func keyTag(_ vector: Vectors.Tag) throws {
    let subkey = inputs.root.bytes.withUnsafeBytes { root in
      derived { output in
        if let root = root.baseAddress { KeyDerivation.subkey(2, for: .index, of: root, into: output) }
      }
    }
    #expect(subkey == Vectors.all.keyTagSubkey.bytes)
    let key = try DataKey(copying: inputs.root.bytes)
    #expect(try key.tag(#require(TagKind(rawValue: vector.kind)), vector.value) == vector.tag.bytes)
  }

  @Test("a tag under a data key stays the same when the key is wrapped by another epoch, and is no other key's")
  func keyTagAcrossEpochs() throws {
    let owner = KeyOwner(kind: .expiring, tenant: inputs.tenant, id: inputs.row)
    let other = try FileKeyring(
      KeyringContents(installation: inputs.installation, keys: [EpochKey(inputs.epoch, root: inputs.epochRoot.bytes)]),
      path: "in memory")
    let key = try keyring.newKey(for: owner).key
    let again = try other.unwrap(keyring.wrap(key, for: owner), for: owner)
    let tag = try key.tag(.idempotency, "anna")
    #expect(try again.tag(.idempotency, "anna") == tag)
    let others = try [
      key.tag(.idempotency, "anne"), key.tag(.email, "anna"), DataKey.random().tag(.idempotency, "anna"),
      keyring.indexKey(epoch: epoch, tenant: inputs.tenant, tenantSecret: key).tag(.idempotency, "anna"),
    ]
    #expect(Set(others + [tag]).count == 5)
  }

  @Test("an epoch that is gone gives no index key")
  func unknownEpoch() {
    #expect(throws: VaultError(.unknownEpoch)) {
      try keyring.indexKey(epoch: EpochNumber(rawValue: 5), tenant: inputs.tenant, tenantSecret: secret)
    }
  }

  @Test("a kind's name is short and plain", arguments: ["", "Email", "e-mail", "é", String(repeating: "a", count: 65)])
  func kindNames(_ name: String) {
    #expect(TagKind(rawValue: name) == nil)
  }

  @Test("the kinds in use have the names of the specification")
  func kinds() {
    let names = [TagKind.email, .phone, .identity, .actor, .idempotency].map(\.rawValue)
    #expect(names == ["email", "phone", "identity", "actor", "idempotency"])
    #expect(names.compactMap(TagKind.init(rawValue:)).map(\.rawValue) == names)
  }

  @Test("an index key shows nothing of itself when printed or dumped")
  func noPrinting() throws {
    let key = try keyring.indexKey(epoch: epoch, tenant: inputs.tenant, tenantSecret: secret)
    var dumped = ""
    dump(key, to: &dumped)
    #expect("\(key)" == "IndexKey")
    #expect(dumped == "- IndexKey #0\n")
  }
}
