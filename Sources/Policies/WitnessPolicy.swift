public import Audit
import Foundation
import StrictJSON

/// Whose cosignatures the service takes in and shows, as `policies/witnesses.json` says it.
///
/// A witness cosigns checkpoints that continue those it saw before; see `docs/audit-log-spec.md`. Immutable once read.
public struct WitnessPolicy: Sendable, Equatable {
  /// How many witnesses there may be: each has a line in a checkpoint's note, and a note takes 64.
  public static let maximumWitnesses = 32

  /// The witnesses' verifier keys, in the file's order; each name and key once.
  public let keys: [WitnessKey]

  /// What applies when no file is named: nobody witnesses.
  public static let none = WitnessPolicy(keys: [])

  /// Trusts those keys; at most ``maximumWitnesses``, of which the first ones count.
  public init(keys: [WitnessKey]) { self.keys = Array(keys.prefix(Self.maximumWitnesses)) }

  /// Reads a policy. Unknown members, wrong types, text that is no witness's verifier key (`format`), keys that are
  /// there twice (`duplicate`) and a list that is too long are refused, each with its pointer.
  public init(parsing bytes: [UInt8]) throws {
    let reader = ObjectReader(try JSONValue(parsing: bytes))
    _ = reader.oneOf("schema", ["witnesses/v1"])
    var keys: [WitnessKey] = []
    for witness in reader.objects("witnesses", maxCount: Self.maximumWitnesses) ?? [] {
      guard let text = witness.string("key", maxCharacters: 512) else { continue }
      guard let key = WitnessKey(text) else {
        witness.fault("key", "format")
        continue
      }
      if keys.contains(where: { $0.name == key.name && $0.keyID == key.keyID }) {
        witness.fault("key", "duplicate")
      } else {
        keys.append(key)
      }
    }
    try reader.finish()
    self.init(keys: keys)
  }

  /// Reads the policy of a folder; nobody witnesses where the folder has no `witnesses.json`.
  public init(folder: String) throws {
    let path = folder + "/witnesses.json"
    guard FileManager.default.fileExists(atPath: path) else {
      self = .none
      return
    }
    try self.init(parsing: Array(try Data(contentsOf: URL(fileURLWithPath: path))))
  }
}
