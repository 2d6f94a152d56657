import Foundation
import Testing

@testable import Vault

@Suite("Envelopes")
struct EnvelopeTests {
  private let vectors = Vectors.all
  private let key: DataKey
  private let address = FieldAddress.vector

  init() throws {
    key = try DataKey(copying: Vectors.all.inputs.root.bytes)
  }

  private static let suites = Suite.allCases.filter(\.isAvailable)

  private func sealed(_ suite: Suite) throws -> [UInt8] {
    try key.seal(Array("Zoë Müller".utf8), at: address, suite: suite)
  }

  @Test("each suite's subkey, associated data and envelope are those of the specification", arguments: 0..<2)
  func vector(_ index: Int) throws {
    let vector = vectors.envelopes[index]
    let suite = try #require(Suite(rawValue: vector.suite))
    let subkey = vectors.inputs.root.bytes.withUnsafeBytes { root in
      derived { output in
        guard let root = root.baseAddress else { return }
        KeyDerivation.subkey(UInt64(suite.rawValue), for: .field, of: root, into: output)
      }
    }
    #expect(subkey == vector.subkey.bytes)
    #expect(address.associatedData(suite).bytesForTests == vector.data.bytes)
    guard suite.isAvailable else { return }
    let envelope = try key.seal(vectors.inputs.plaintext.bytes, at: address, suite: suite, nonce: vector.nonce.bytes)
    #expect(envelope == vector.envelope.bytes)
    #expect(try key.open(vector.envelope.bytes, at: address) == vectors.inputs.plaintext.bytes)
  }

  @Test("a value of any length comes back", arguments: suites, [0, 1, 15, 16, 17, 255, 65_536])
  func roundTrip(_ suite: Suite, _ length: Int) throws {
    let plaintext = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let envelope = try key.seal(plaintext, at: address, suite: suite)
    #expect(envelope.count == length + (suite == .aes256gcm ? 30 : 42))
    #expect(envelope.prefix(2) == [1, suite.rawValue])
    #expect(try key.open(envelope, at: address) == plaintext)
  }

  @Test("sealing the same value twice gives two nonces and two ciphertexts", arguments: suites)
  func freshNonces(_ suite: Suite) throws {
    let nonces = try (0..<100).map { _ in try sealed(suite)[2..<2 + suite.nonceBytes] }
    #expect(Set(nonces).count == 100)
    #expect(try sealed(suite).suffix(28) != sealed(suite).suffix(28))
  }

  @Test("the default suite is the preferred one")
  func defaultSuite() throws {
    #expect(try key.seal([1], at: address)[1] == Suite.preferred.rawValue)
  }

  @Test("an envelope opens at no other address", arguments: suites, 0..<4)
  func otherAddress(_ suite: Suite, _ part: Int) throws {
    let envelope = try sealed(suite)
    let other = FieldAddress(
      tenant: part == 0 ? UUID() : address.tenant, subject: part == 1 ? UUID() : address.subject,
      row: part == 2 ? UUID() : address.row, field: part == 3 ? address.field + 1 : address.field)
    #expect(throws: VaultError(.notOpened)) { try key.open(envelope, at: other) }
  }

  @Test("ids that trade places do not open an envelope", arguments: suites)
  func tradedPlaces(_ suite: Suite) throws {
    let envelope = try sealed(suite)
    let ids = [address.tenant, address.subject, address.row]
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
      let other = FieldAddress(
        tenant: ids[order[0]], subject: ids[order[1]], row: ids[order[2]], field: address.field)
      #expect(throws: VaultError(.notOpened)) { try key.open(envelope, at: other) }
    }
    let swapped = FieldAddress(
      tenant: address.tenant, subject: address.subject, row: address.row, field: address.field.byteSwapped)
    #expect(throws: VaultError(.notOpened)) { try key.open(envelope, at: swapped) }
  }

  @Test("an envelope does not open at an address with any bit turned", arguments: suites)
  func turnedAddress(_ suite: Suite) throws {
    let envelope = try sealed(suite)
    for bit in 0..<128 {
      for part in 0..<3 {
        let other = FieldAddress(
          tenant: part == 0 ? turned(address.tenant, bit) : address.tenant,
          subject: part == 1 ? turned(address.subject, bit) : address.subject,
          row: part == 2 ? turned(address.row, bit) : address.row, field: address.field)
        #expect(throws: VaultError(.notOpened)) { try key.open(envelope, at: other) }
      }
    }
    for bit in 0..<16 {
      let other = FieldAddress(
        tenant: address.tenant, subject: address.subject, row: address.row, field: address.field ^ (1 << bit))
      #expect(throws: VaultError(.notOpened)) { try key.open(envelope, at: other) }
    }
  }

  private func turned(_ id: UUID, _ bit: Int) -> UUID {
    var bytes = id.uuid
    withUnsafeMutableBytes(of: &bytes) { $0[bit / 8] ^= 1 << (bit % 8) }
    return UUID(uuid: bytes)
  }

  @Test("another key does not open an envelope", arguments: suites)
  func otherKey(_ suite: Suite) throws {
    let envelope = try sealed(suite)
    let other = try DataKey.random()
    #expect(throws: VaultError(.notOpened)) { try other.open(envelope, at: address) }
  }

  @Test("an envelope whose suite byte names the other suite is refused", arguments: suites)
  func otherSuite(_ suite: Suite) throws {
    var envelope = try key.seal([UInt8](repeating: 7, count: 64), at: address, suite: suite)
    envelope[1] = suite == .aes256gcm ? 2 : 1
    let error = #expect(throws: VaultError.self) { try key.open(envelope, at: address) }
    // A CPU without AES says so before it looks further.
    #expect(error?.code == (Suite.aes256gcm.isAvailable ? .notOpened : .suiteUnavailable))
  }

  @Test("an envelope cut at any length is refused", arguments: suites)
  func truncated(_ suite: Suite) throws {
    let envelope = try sealed(suite)
    for length in 0..<envelope.count {
      #expect(throws: VaultError(.notOpened)) { try key.open(Array(envelope.prefix(length)), at: address) }
    }
    #expect(throws: VaultError(.notOpened)) { try key.open(envelope + [0], at: address) }
  }

  @Test("an envelope with any single bit turned is refused", arguments: suites)
  func bitFlips(_ suite: Suite) throws {
    let envelope = try sealed(suite)
    for bit in 0..<envelope.count * 8 {
      var altered = envelope
      altered[bit / 8] ^= 1 << (bit % 8)
      #expect(throws: VaultError(.notOpened)) { try key.open(altered, at: address) }
    }
  }

  @Test("an envelope of an unknown suite or version is refused like any other", arguments: [0, 3, 255] as [UInt8])
  func unknownHeader(_ byte: UInt8) throws {
    var envelope = try sealed(.preferred)
    envelope[1] = byte
    #expect(throws: VaultError(.notOpened)) { try key.open(envelope, at: address) }
    envelope = try sealed(.preferred)
    envelope[0] = byte
    #expect(throws: VaultError(.notOpened)) { try key.open(envelope, at: address) }
  }

  @Test("one key serves many tasks at once")
  func concurrency() async throws {
    let (key, address) = (key, address)
    let opened = try await withThrowingTaskGroup(of: [UInt8].self) { group in
      for number in 0..<64 as Range<UInt8> {
        group.addTask {
          try key.open(key.seal([number], at: address), at: address)
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(opened.sorted() == Array(0..<64))
  }

  @Test("the commitment is the specification's, and each key has its own")
  func commitment() throws {
    #expect(key.commitment == vectors.commitment.bytes)
    #expect(try DataKey(copying: vectors.inputs.root.bytes).commitment == key.commitment)
    #expect(try DataKey.random().commitment != key.commitment)
  }

  @Test("key bytes of another length are refused", arguments: [0, 31, 33])
  func keyLength(_ length: Int) {
    #expect(throws: VaultError(.keyLength)) { try DataKey(copying: [UInt8](repeating: 0, count: length)) }
  }

  @Test("a key shows nothing of itself when printed or dumped")
  func noPrinting() {
    var dumped = ""
    dump(key, to: &dumped)
    #expect("\(key)" == "DataKey")
    #expect(String(reflecting: key) == "DataKey")
    #expect(dumped == "- DataKey #0\n")
  }
}
