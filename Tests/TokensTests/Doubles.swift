import Foundation
import Signing
import Synchronization
import Tokens

/// A replay store in memory, with every call on record.
actor RememberedProofs: ReplayStore {
  struct Record: Hashable, Sendable {
    let thumbprint: String
    let proof: SHA256Digest
  }
  private(set) var records: [Record: Int64] = [:]

  func consume(thumbprint: String, proof: SHA256Digest, until expiry: Int64) async throws -> Bool {
    records.updateValue(expiry, forKey: Record(thumbprint: thumbprint, proof: proof)) == nil
  }
}

struct Outage: Error {}

/// A replay store that is away.
struct LostProofs: ReplayStore {
  func consume(thumbprint: String, proof: SHA256Digest, until expiry: Int64) async throws -> Bool { throw Outage() }
}

/// A revocation list with these tokens on it.
struct RevokedTokens: RevocationList {
  let tokenIDs: Set<String>
  func isRevoked(tokenID: String, tenant: UUID) async throws -> Bool {
    tokenIDs.contains(tokenID) && tenant.uuidString.lowercased() == Fixture.tenant
  }
}

/// A revocation list that is away.
struct LostRevocations: RevocationList {
  func isRevoked(tokenID: String, tenant: UUID) async throws -> Bool { throw Outage() }
}

struct FixedKeySource: KeySource {
  let document: [UInt8]
  init(_ document: [UInt8]) { self.document = document }
  func jwks() async throws -> [UInt8] { document }
}

/// A key source whose document changes, that can fail, takes a while, and counts.
final class ChangingKeySource: KeySource {
  private struct State {
    var document: [UInt8]?
    var loads = 0
  }
  private let state: Mutex<State>
  init(_ document: [UInt8]?) { state = Mutex(State(document: document)) }

  var loads: Int { state.withLock { $0.loads } }
  func publish(_ document: [UInt8]?) { state.withLock { $0.document = document } }

  func jwks() async throws -> [UInt8] {
    state.withLock { $0.loads += 1 }
    try await Task.sleep(for: .milliseconds(50))
    guard let document = state.withLock({ $0.document }) else { throw Outage() }
    return document
  }
}

/// A clock that a test sets.
final class SettableClock: Sendable {
  private let seconds: Mutex<Int64>
  init(_ seconds: Int64) { self.seconds = Mutex(seconds) }
  var now: Int64 { seconds.withLock { $0 } }
  func advance(_ by: Int64) { seconds.withLock { $0 += by } }
}
