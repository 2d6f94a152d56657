import Foundation
import Testing

@testable import Vault

/// The numbers of Vectors/vectors.json, made by a program that does not share code with the vault.
struct Vectors: Decodable {
  struct Inputs: Decodable {
    let root, epochRoot, tenantRoot, retiringRoot, plaintext: Hex
    let tenant, subject, row, installation: UUID
    let field: UInt16
    let epoch: Int32
  }

  struct Published: Decodable, CustomTestStringConvertible {
    let source: String
    let suite: UInt8
    let key, nonce, data, plaintext, sealed: Hex
    var testDescription: String { source }
  }

  struct Envelope: Decodable, Sendable {
    let suite: UInt8
    let subkey, nonce, data, envelope: Hex
  }

  struct Wrapping: Decodable, Sendable {
    let kind, suite: UInt8
    let id: UUID
    let subkey, nonce, data, blob: Hex
  }

  struct Index: Decodable {
    let epochSubkey, tenantSubkey, key: Hex
  }

  struct Tag: Decodable, Sendable {
    let kind, value: String
    let tag: Hex
  }

  struct KeyringFile: Decodable, Sendable {
    let epochs: [Int32]
    let file: Hex
  }

  struct Seal: Decodable, Sendable {
    let passphrase: String
    let salt, key, nonce: Hex
    let operations, memoryKiB: UInt32
    let files: [Hex]
  }

  let published: [Published]
  let inputs: Inputs
  let commitment: Hex
  let envelopes: [Envelope]
  let wrappings: [Wrapping]
  let indexKey: Index
  let tags: [Tag]
  let keyTagSubkey: Hex
  let keyTags: [Tag]
  let keyrings: [KeyringFile]
  let seal: Seal

  static let all: Vectors = {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Vectors/vectors.json")
    do {
      return try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: file))
    } catch {
      preconditionFailure("Vectors/vectors.json: \(error)")
    }
  }()
}

/// Bytes written in hexadecimal.
struct Hex: Decodable, Sendable {
  let bytes: [UInt8]
  let text: String

  init(from decoder: any Decoder) throws {
    text = try decoder.singleValueContainer().decode(String.self)
    let digits = Array(text.utf8)
    bytes = try stride(from: 0, to: digits.count, by: 2).map { index in
      guard let byte = UInt8(String(decoding: digits[index..<min(index + 2, digits.count)], as: UTF8.self), radix: 16)
      else { throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "not hex")) }
      return byte
    }
  }
}

extension FieldAddress {
  static var vector: FieldAddress {
    let inputs = Vectors.all.inputs
    return FieldAddress(tenant: inputs.tenant, subject: inputs.subject, row: inputs.row, field: inputs.field)
  }
}

extension EpochKey {
  /// An epoch's key with fixed bytes.
  convenience init(
    _ number: Int32, _ state: EpochDescription.State = .active, createdAt: Int64 = 1_700_000_000, root: [UInt8]
  ) throws {
    let description = EpochDescription(number: EpochNumber(rawValue: number), state: state, createdAt: createdAt)
    try self.init(description) { (place: UnsafeMutableRawBufferPointer) throws(VaultError) in
      place.copyBytes(from: root)
    }
  }
}

extension AssociatedData {
  var bytesForTests: [UInt8] { withUnsafeBytes { Array($0) } }
}

/// The 32 bytes that a derivation writes.
func derived(_ body: (UnsafeMutableRawPointer) -> Void) -> [UInt8] {
  var output = [UInt8](repeating: 0, count: 32)
  output.withUnsafeMutableBytes { bytes in
    if let start = bytes.baseAddress { body(start) }
  }
  return output
}
