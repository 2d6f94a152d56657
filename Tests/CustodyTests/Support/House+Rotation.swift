import Foundation
import Postgres
import Profiles
import ProfilesAPI
import Redaction
import ServiceTesting
import Testing
import Vault

@testable import Custody

extension ProfileDraft {
  /// Somebody with this address.
  init(email: String) throws {
    try self.init(
      fullName: "Zoë Ñandú", email: email, phone: nil, identity: nil, country: "PE", language: "es")
  }
}

extension House {
  /// People with addresses `person0@example.com` and so on.
  func people(_ count: Int) async throws -> [Profile] {
    var people: [Profile] = []
    for number in 0..<count { people.append(try await profile(email: "person\(number)@example.com")) }
    return people
  }

  /// A rotation of this house.
  func rotation(
    batchSize: Int = 7, standbys: [String] = [], progress: @escaping @Sendable (RotationProgress) -> Void = { _ in }
  ) -> Rotation {
    Rotation(
      custody: custody, backups: installation.vaultBackups,
      options: Rotation.Options(batchSize: batchSize, standbyPatience: 0, requiredStandbys: standbys),
      progress: progress)
  }

  /// Another process over the same databases, with a keyring that it read itself, just now.
  func secondProcess() async throws -> Custody {
    try Custody(
      data: custody.data, worker: custody.worker, vault: custody.keyStore.pool,
      keyring: try FileKeyring.open(at: installation.settings.keyringPath), originHost: custody.originHost,
      logger: installation.log.logger)
  }

  /// Begins a rotation and leaves it in a state up to `backfill`.
  func holdRotation(at state: RotationState) async throws {
    let vault = VaultRotationStore(pool: custody.keyStore.pool)
    let (one, two) = (EpochNumber(rawValue: 1), EpochNumber(rawValue: 2))
    try await custody.worker.transaction { try RotationStore.begin(from: one, to: two, at: 1, in: $0) }
    try await vault.insert(two, at: 1)
    try custody.keyring.activate(two)
    let rotation = try #require(try await custody.rotation())
    try await custody.worker.transaction { try RotationStore.move(rotation, to: state, at: 2, in: $0) }
  }

  /// Runs them at once; for each the code with which it was refused, nil for done.
  func attempts(_ bodies: [@Sendable () async throws -> Void]) async -> [CustodyError.Code?] {
    await withTaskGroup(of: (Int, CustodyError.Code?).self) { group in
      for (number, body) in bodies.enumerated() {
        group.addTask {
          do {
            try await body()
            return (number, nil)
          } catch {
            return (number, (error as? CustodyError)?.code ?? .unreadable)
          }
        }
      }
      var codes = [CustodyError.Code?](repeating: nil, count: bodies.count)
      for await (number, code) in group { codes[number] = code }
      return codes
    }
  }

  /// Every live key as the vault has it.
  func wrappedKeys() async throws -> [(KeyOwner, WrappedKey)] {
    let found = try await vaultRows(
      "SELECT tenant_id || ' ' || kind || ' ' || key_id || ' ' || epoch || ' ' || encode(wrapped, 'hex') || ' ' "
        + "|| encode(commitment, 'hex') FROM vault.keys WHERE wrapped IS NOT NULL")
    return try found.map { line in
      let parts = line.split(separator: " ").map(String.init)
      let number = try #require(UInt8(parts[1]))
      let owner = KeyOwner(
        kind: try #require(KeyOwner.Kind(rawValue: number)), tenant: try #require(UUID(uuidString: parts[0])),
        id: try #require(UUID(uuidString: parts[2])))
      return (
        owner,
        WrappedKey(
          epoch: EpochNumber(rawValue: Int32(parts[3]) ?? 0), blob: Self.bytes(parts[4]),
          commitment: Self.bytes(parts[5]))
      )
    }
  }

  /// The epochs that keys, tags and the data database itself name.
  func epochsInUse() async throws -> [[Int32]] {
    let keys = try await vaultRows("SELECT DISTINCT epoch FROM vault.keys WHERE epoch IS NOT NULL ORDER BY 1")
    let tags = try await admin.read("SELECT DISTINCT epoch FROM custody.lookup_tags ORDER BY 1")
    let known = try await admin.read(EpochStore.all)
    return [
      keys.compactMap { Int32($0) }, try tags.map { try $0.decode("epoch", as: Int32.self) },
      try known.map { try $0.decode("epoch", as: Int32.self) },
    ]
  }

  func vaultEpochs() async throws -> [Int32] {
    try await vaultRows("SELECT epoch FROM vault.epochs ORDER BY 1").compactMap { Int32($0) }
  }

  /// Every one of them is read whole and found by the address.
  func expectReadable(_ people: [Profile]) async throws {
    for person in people {
      let read = try await profiles.profile(person.id, somebody())
      #expect(read.fullName == person.fullName)
      #expect(read.email == person.email)
      guard let email = person.email else { continue }
      let found = try await profiles.search(.email(email), somebody())
      #expect(found.map(\.id) == [person.id])
    }
  }

  private func vaultRows(_ sql: String) async throws -> [String] {
    try await installation.vault.sql(sql).split(separator: "\n").map(String.init)
  }

  private static func bytes(_ hex: String) -> [UInt8] {
    stride(from: 0, to: hex.count, by: 2).compactMap { offset in
      let start = hex.index(hex.startIndex, offsetBy: offset)
      return UInt8(hex[start..<hex.index(start, offsetBy: 2)], radix: 16)
    }
  }
}
