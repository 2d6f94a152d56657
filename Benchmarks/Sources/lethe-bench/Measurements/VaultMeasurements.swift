import CBaseline
import Foundation
import Vault

/// Sealing and opening one field, beside libsodium's one-shot AES-256-GCM over the same bytes.
struct VaultMeasurements {
  let harness: Harness

  func run() async throws -> Findings {
    let sizes = [32, 256]
    let names =
      sizes.flatMap { ["vault/seal/\($0)", "vault/seal-counter/\($0)", "vault/open/\($0)"] } + ["vault/cache-hit"]
    guard harness.wants(anyOf: names) else { return Findings() }
    guard Suite.preferred == .aes256gcm else {
      return Findings(notes: ["vault: left out, this processor has no AES instructions"])
    }
    let tenant = UUID()
    let subject = UUID()
    let keyring = try FileKeyring.create(at: harness.folder + "/vault.keyring")
    let owner = KeyOwner(kind: .subject, tenant: tenant, id: subject)
    let (key, wrapped) = try keyring.newKey(for: owner)
    let address = FieldAddress(tenant: tenant, subject: subject, row: UUID(), field: 3)
    var findings = Findings()
    for size in sizes { try await measure(size, key, address, into: &findings) }
    let cache = try KeyCache(capacity: 1_000, lifetime: .seconds(86_400))
    cache.insert(key, for: owner, since: cache.ticket())
    let hit = try await harness.compareCPU(
      "vault/cache-hit", against: "unwrapping the same key",
      ours: { count in
        for _ in 0..<count {
          guard cache.key(for: owner)?.commitment.count == 32 else { throw Self.wrong }
        }
      },
      baseline: { count in
        for _ in 0..<count {
          guard try keyring.unwrap(wrapped, for: owner).commitment.count == 32 else { throw Self.wrong }
        }
      })
    if let hit { findings.comparisons.append(hit) }
    return findings
  }

  private func measure(_ size: Int, _ key: DataKey, _ address: FieldAddress, into findings: inout Findings) async throws
  {
    // The bytes that an address is bound as: five parts of 14, 16, 16, 16, 2 and 1 bytes, each after a length of two.
    let boundBytes = 77
    guard let raw = baseline_aead_new(size, boundBytes) else {
      throw Harness.Failure(description: "libsodium can't run AES-256-GCM")
    }
    defer { baseline_aead_free(raw) }
    let plaintext = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
    let envelope = try key.seal(plaintext, at: address)
    let seal = { (count: Int) in
      for _ in 0..<count {
        guard try key.seal(plaintext, at: address).count == envelope.count else { throw Self.wrong }
      }
    }
    let rawSeal = { (nonce: baseline_nonce, count: Int) in
      guard baseline_aead_seal(raw, nonce, count) == count else { throw Self.wrong }
    }
    let comparisons = [
      try await harness.compareCPU(
        "vault/seal/\(size)", against: "encrypt, key expanded each time, random nonce", goal: 1.3, ours: seal,
        baseline: { try rawSeal(BASELINE_NONCE_RANDOM, $0) }),
      try await harness.compareCPU(
        "vault/seal-counter/\(size)", against: "encrypt, key expanded each time, counted nonce", ours: seal,
        baseline: { try rawSeal(BASELINE_NONCE_COUNTER, $0) }),
      try await harness.compareCPU(
        "vault/open/\(size)", against: "decrypt, key expanded each time", goal: 1.3,
        ours: { count in
          for _ in 0..<count {
            guard try key.open(envelope, at: address).count == size else { throw Self.wrong }
          }
        },
        baseline: { count in
          guard baseline_aead_open(raw, count) == count else { throw Self.wrong }
        }),
    ]
    findings.comparisons += comparisons.compactMap(\.self)
  }

  private static var wrong: Harness.Failure { Harness.Failure(description: "a field was not sealed or not opened") }
}
