import Audit
import Custody
import Foundation
import HTTPTypes
import Hummingbird
import Policies
import StrictJSON
import SubjectRights
import Tokens

/// `/audit/cosignatures`: what witnesses say of the tenant's checkpoints. A witness reads like any auditor; what it may
/// write is decided by its signature alone.
struct WitnessRoutes {
  let log: LogReading
  let witnesses: WitnessPolicy
  let gate: Gate

  func add(to router: Router<APIContext>) {
    let log = log
    let keys = witnesses.keys
    router.post(
      "/audit/cosignatures",
      use: gate.admitting(.auditRead, purpose: .audit, taking: .text) { call in
        let note: SignedNote
        do { note = try SignedNote(parsing: call.body) } catch {
          throw Problem.badRequest("malformed-note", "The body is not a signed note.")
        }
        let (cosignatures, new) = try await log.witness(note, by: keys, call.context)
        return try .json(
          .object([JSONMember("items", .array(cosignatures.map(\.json)))]), status: new > 0 ? .created : .ok)
      })
    router.get(
      "/audit/cosignatures",
      use: gate.admitting(.auditRead, purpose: .audit) { call in
        let query = try ListQuery(call.request, allowed: ["limit", "cursor"])
        let cursor = PositionCursor(.cosignatures, tenant: call.context.tenant.uuid)
        let page = try await log.cosignatures(
          after: try query.value("cursor") { cursor.position($0).flatMap(CosignaturePosition.init(bytes:)) },
          limit: try query.limit(), call.context)
        return try .json(
          .object([
            JSONMember("items", .array(page.cosignatures.map(\.json))),
            member("next", page.next.map { cursor.text($0.bytes) }),
          ]))
      })
  }
}

extension StoredCosignature {
  /// Who witnessed which checkpoint, and when by its own clock.
  fileprivate var json: JSONValue {
    .object([
      JSONMember("size", .integer(position.size)), member("witness", position.witness),
      member("key_id", position.keyIDText), member("time", Timestamp.text(time * 1_000_000)),
    ])
  }
}

extension CosignaturePosition {
  /// Eight hexadecimal digits, as verifier keys show them.
  fileprivate var keyIDText: String {
    let digits = String(keyID, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }

  /// The position in a cursor: size, key id, name.
  fileprivate var bytes: [UInt8] { size.bigEndianBytes + Int64(keyID).bigEndianBytes + Array(witness.utf8) }

  fileprivate init?(bytes: [UInt8]) {
    guard bytes.count > 16, let size = Int64(bigEndianBytes: bytes.prefix(8)),
      let number = Int64(bigEndianBytes: bytes.dropFirst(8).prefix(8)), let keyID = UInt32(exactly: number),
      let witness = String(validating: bytes.dropFirst(16), as: UTF8.self)
    else { return nil }
    self.init(size: size, witness: witness, keyID: keyID)
  }
}
