public import Foundation
public import Redaction
public import Schema
import Vault

/// Opens sealed fields for a read. What it opened is in the log before any of it is released.
public final class Opener {
  private let context: AccessContext
  private let keys: [SubjectID: DataKey]
  private(set) var fields: [PersonalField] = []

  init(context: AccessContext, keys: [SubjectID: DataKey]) {
    self.context = context
    self.keys = keys
  }

  /// Opens one field of one subject.
  public func open(_ envelope: [UInt8], as field: PersonalField, row: UUID, of subject: SubjectID) throws
    -> Personal<String>
  {
    Personal(String(decoding: try bytes(envelope, as: field, row: row, of: subject), as: UTF8.self))
  }

  /// Opens one field as bytes.
  public func bytes(_ envelope: [UInt8], as field: PersonalField, row: UUID, of subject: SubjectID) throws -> [UInt8] {
    guard let key = keys[subject] else { throw CustodyError(.keyMissing) }
    let plaintext = try key.open(
      envelope, at: FieldAddress(tenant: context.tenant.uuid, subject: subject.uuid, row: row, field: field.rawValue))
    if !fields.contains(field) { fields.append(field) }
    return plaintext
  }
}
