public import Redaction
public import Schema
public import Vault

extension UnitOfWork {
  /// Refuses late data: a value of somebody who was erased, collected before the erasure or nobody knows when. Throws
  /// `.suppressed` with the field's name.
  ///
  /// Call it after ``claim(_:as:field:row:of:)`` of the same value. The claim waits for an erasure that is moving that
  /// very tag, and what this asks afterwards sees what the erasure has committed. Before the claim it could miss it.
  ///
  /// An erased person is remembered by tags alone, each until its epoch retires; see `docs/holds.md`.
  /// - Parameters:
  ///   - normalised: the value in the form in which it is claimed.
  ///   - collectedAt: when it was collected, microseconds since the Unix epoch; nil when that isn't known.
  public func refuseSuppressed(
    _ normalised: Personal<String>, as kind: TagKind, field: PersonalField, collectedAt: Int64?
  ) throws {
    let tags = allIndexKeys.map { index in
      LookupTagStore.Tag(epoch: index.epoch, bytes: index.tag(kind, normalised.disclosed()))
    }
    let erasedAt = try ErasedTagStore.lastErasure(tags, kind: kind, tenant: context.tenant, in: database)
    guard let erasedAt else { return }
    if let collectedAt, collectedAt > erasedAt { return }
    throw CustodyError(.suppressed, field: field.name)
  }
}
