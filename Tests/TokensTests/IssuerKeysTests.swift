import Foundation
import Signing
import Testing

@testable import Tokens

@Suite("The issuer's keys")
struct IssuerKeysTests {
  private let clock = SettableClock(1_000)

  private func document(_ names: [String], _ key: SigningKey) throws -> [UInt8] {
    try JWKSet(names.map { JWK(key.publicKey, keyID: $0) }).document()
  }

  @Test("requests that meet an unknown kid together share one refresh")
  func coalesces() async throws {
    let key = try SigningKey.generate(.ed25519)
    let source = ChangingKeySource(try document(["a", "b"], key))
    let keys = IssuerKeys(source: source, clock: { [clock] in clock.now })
    let found = await withTaskGroup(of: VerifyingKey?.self) { group in
      for index in 0..<24 {
        group.addTask { try? await keys.key(kid: index.isMultiple(of: 2) ? "a" : "b") }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(found == [VerifyingKey?](repeating: key.publicKey, count: 24))
    #expect(source.loads == 1)
  }

  @Test("an unknown kid causes one refresh in thirty seconds")
  func coolsDown() async throws {
    let key = try SigningKey.generate(.es256)
    let source = ChangingKeySource(try document(["a"], key))
    let keys = IssuerKeys(source: source, clock: { [clock] in clock.now })
    _ = try await keys.key(kid: "a")
    source.publish(try document(["a", "b"], key))
    clock.advance(29)
    let early = try await #require(throws: IssuerKeyError.self) { try await keys.key(kid: "b") }
    #expect(early.code == .unknown)
    #expect(early.retryAfter == nil)
    #expect(source.loads == 1)
    clock.advance(1)
    #expect(try await keys.key(kid: "b") == key.publicKey)
    #expect(source.loads == 2)
    #expect(await keys.status.generation == 2)
  }

  @Test("a refresh that fails leaves the last good set in force")
  func keepsLastGood() async throws {
    let key = try SigningKey.generate(.ed25519)
    let source = ChangingKeySource(try document(["a"], key))
    let keys = IssuerKeys(source: source, clock: { [clock] in clock.now })
    try await keys.load()
    for (document, failure) in [
      (nil, TokenError.Code.sourceFailed), (Array("{}".utf8), .keySetMalformed),
      (Array("{\"keys\":[]}".utf8), .noUsableKey),
    ] as [([UInt8]?, TokenError.Code)] {
      source.publish(document)
      clock.advance(30)
      let error = try await #require(throws: IssuerKeyError.self) { try await keys.key(kid: "b") }
      #expect(error.code == .unknown)
      #expect(try await keys.key(kid: "a") == key.publicKey)
      let status = await keys.status
      #expect(status.failure == failure)
      #expect(status.keyCount == 1)
      #expect(status.loaded == 1_000)
    }
  }

  @Test("without a first set, nothing is available until one loads")
  func isUnavailable() async throws {
    let key = try SigningKey.generate(.ed25519)
    let source = ChangingKeySource(nil)
    let keys = IssuerKeys(source: source, clock: { [clock] in clock.now })
    let first = try await #require(throws: IssuerKeyError.self) { try await keys.load() }
    #expect(first.code == .unavailable)
    source.publish(try document(["a"], key))
    clock.advance(12)
    let second = try await #require(throws: IssuerKeyError.self) { try await keys.key(kid: "a") }
    #expect(second.code == .unavailable)
    #expect(second.retryAfter == 18)
    clock.advance(18)
    #expect(try await keys.key(kid: "a") == key.publicKey)
    #expect(await keys.status.failure == nil)
  }

  @Test("a key that the issuer withdraws goes out of use after the maximum age")
  func dropsWithdrawnKeys() async throws {
    let key = try SigningKey.generate(.ed25519)
    let source = ChangingKeySource(try document(["a"], key))
    let keys = IssuerKeys(source: source, clock: { [clock] in clock.now })
    try await keys.load()
    source.publish(try document(["b"], key))
    clock.advance(299)
    #expect(try await keys.key(kid: "a") == key.publicKey)
    await keys.settle()
    #expect(source.loads == 1)
    clock.advance(1)
    #expect(try await keys.key(kid: "a") == key.publicKey)
    await keys.settle()
    #expect(source.loads == 2)
    let error = try await #require(throws: IssuerKeyError.self) { try await keys.key(kid: "a") }
    #expect(error.code == .unknown)
    #expect("\(error)" == "The issuer does not publish a key with this kid.")
  }

  @Test("a clock set back does not stop refreshes")
  func survivesClockStep() async throws {
    let key = try SigningKey.generate(.ed25519)
    let source = ChangingKeySource(try document(["a"], key))
    let keys = IssuerKeys(source: source, clock: { [clock] in clock.now })
    try await keys.load()
    source.publish(try document(["b"], key))
    clock.advance(-500)
    #expect(try await keys.key(kid: "b") == key.publicKey)
  }
}

@Suite("A key set in a file")
struct FileKeySourceTests {
  @Test("a file is read as it is, and read again")
  func reads() async throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("jwks.json", Array("first".utf8))
    let source = FileKeySource(path)
    #expect(try await source.jwks() == Array("first".utf8))
    _ = try folder.write("jwks.json", [UInt8](repeating: 0x20, count: 65_536))
    #expect(try await source.jwks().count == 65_536)
  }

  @Test("a file that is too long is refused")
  func refusesLong() async throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("jwks.json", [UInt8](repeating: 0x20, count: 65_537))
    await #expect(throws: TokenError(.tooLong)) { try await FileKeySource(path).jwks() }
  }

  @Test("a file that anyone may write to, a folder, and nothing at all are refused")
  func refusesOthers() async throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("jwks.json", [1])
    try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: path)
    await #expect(throws: TokenError(.fileNotAllowed)) { try await FileKeySource(path).jwks() }
    await #expect(throws: TokenError(.fileNotAllowed)) { try await FileKeySource(folder.path).jwks() }
    await #expect(throws: TokenError(.fileNotReadable)) { try await FileKeySource(path + ".missing").jwks() }
  }
}
