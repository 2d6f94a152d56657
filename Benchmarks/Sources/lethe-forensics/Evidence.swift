import CForensics
import Foundation

/// Whose keys are looked for.
enum Wanted: UInt32, CaseIterable {
  /// The person who is erased.
  case erased
  /// The key of the erased person's access package, which dies with the person.
  case package
  /// Somebody who is not erased.
  case control
  /// Somebody whose bare key is put where it should never be.
  case planted

  var name: String {
    switch self {
    case .erased: "erased"
    case .package: "its package"
    case .control: "control"
    case .planted: "planted"
    }
  }
}

/// What a window of 32 bytes turned out to be.
enum Role: UInt32 {
  case key
  case fieldSubkey
  case epochKey
  case wrappingSubkey

  var name: String {
    switch self {
    case .key: "a person's key"
    case .fieldSubkey: "the subkey of a person's fields"
    case .epochKey: "an epoch key"
    case .wrappingSubkey: "an epoch's wrapping subkey"
    }
  }
}

/// A window that opens something.
struct Hit: Hashable {
  let offset: Int
  let wanted: Wanted
  let role: Role
  /// How many of the key's envelopes it opens.
  let opened: Int
}

/// What was recorded while the keys lived, against which every window is tried.
///
/// `@unchecked Sendable`: it is filled by one task, then only read.
final class Evidence: @unchecked Sendable {
  /// How many envelopes there are under each key, and how often it was seen wrapped.
  private(set) var envelopes: [Wanted: Int] = [:]
  private(set) var wrapped: [Wanted: Int] = [:]

  private let evidence: OpaquePointer

  init() throws {
    guard let evidence = forensic_new() else { throw Failure("libsodium can't be used") }
    self.evidence = evidence
  }

  deinit { forensic_free(evidence) }

  /// Adds an envelope of a subject's row.
  func add(_ envelope: [UInt8], of wanted: Wanted, tenant: UUID, subject: UUID, row: UUID, field: UInt16) throws {
    var address = forensic_address()
    withUnsafeMutableBytes(of: &address.tenant) { $0.copyBytes(from: bytes(of: tenant)) }
    withUnsafeMutableBytes(of: &address.subject) { $0.copyBytes(from: bytes(of: subject)) }
    withUnsafeMutableBytes(of: &address.row) { $0.copyBytes(from: bytes(of: row)) }
    address.field = field
    guard forensic_add_envelope(evidence, wanted.rawValue, &address, envelope, envelope.count) == 1 else {
      throw Failure("an envelope of the database is none that docs/envelope.md describes, or this CPU can't open it")
    }
    envelopes[wanted, default: 0] += 1
  }

  /// Adds the key itself as an epoch wrapped it.
  func add(wrapped blob: [UInt8], of wanted: Wanted, kind: UInt8, tenant: UUID, id: UUID, epoch: UInt32) throws {
    var owner = forensic_owner()
    owner.kind = kind
    withUnsafeMutableBytes(of: &owner.tenant) { $0.copyBytes(from: bytes(of: tenant)) }
    withUnsafeMutableBytes(of: &owner.id) { $0.copyBytes(from: bytes(of: id)) }
    owner.epoch = epoch
    guard forensic_add_wrapped(evidence, wanted.rawValue, &owner, blob, blob.count) == 1 else {
      throw Failure("a wrapped key of the vault is none that docs/envelope.md describes")
    }
    wrapped[wanted, default: 0] += 1
  }

  /// Tries every window; `tried` counts those that don't repeat one byte.
  func sweep(_ bytes: UnsafeRawBufferPointer) throws -> (hits: [Hit], tried: Int) {
    guard let start = bytes.baseAddress else { return ([], 0) }
    var found = [forensic_hit](repeating: forensic_hit(), count: 256)
    var tried: UInt64 = 0
    let count = forensic_sweep(
      evidence, start.assumingMemoryBound(to: UInt8.self), bytes.count, &found, found.count, &tried)
    guard count != Int.max, count <= found.count else { throw Failure("no memory, or more hits than can be noted") }
    let hits = found.prefix(count).compactMap { hit -> Hit? in
      guard let wanted = Wanted(rawValue: hit.key), let role = Role(rawValue: hit.role) else { return nil }
      return Hit(offset: hit.offset, wanted: wanted, role: role, opened: Int(hit.opened))
    }
    // A key with envelopes of both suites opens by either.
    return (Array(Set(hits)), Int(tried))
  }

  /// The bare key, unwrapped with one of the epoch keys of a plain keyring file: found as the sweep finds it, by trying
  /// every window.
  func unwrap(_ wanted: Wanted, withKeyring file: String) throws -> [UInt8] {
    let keyring = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
    var key = [UInt8](repeating: 0, count: 32)
    for offset in 0...(keyring.count - 32)
    where forensic_unwrap(evidence, wanted.rawValue, Array(keyring[offset..<offset + 32]), &key) == 1 { return key }
    throw Failure("the keyring doesn't unwrap a key that it should")
  }

  private func bytes(of id: UUID) -> [UInt8] { withUnsafeBytes(of: id.uuid) { Array($0) } }
}

/// Why the sweep could not be made, in words.
struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
