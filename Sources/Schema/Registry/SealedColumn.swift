/// Where a subject's sealed values of one field are: found by `tenant_id` and `subject_id`, bound to the row's id.
public struct SealedColumn: Sendable, Hashable {
  /// `schema.table`, as SQL names it.
  public let table: String
  /// The column with the row's id.
  public let rowID: String
  /// The column with the envelope; NULL where the row has no such value.
  public let column: String
  /// The field that its envelopes are bound to.
  public let field: PersonalField
}

/// The sealed value that a lookup tag is made from.
public struct TagSource: Sendable, Hashable {
  /// The kind of tag, as `custody.lookup_tags` spells it.
  public let kind: String
  /// Where the value is, in the form in which its tag is made.
  public let value: SealedColumn
}

extension DataRegistry {
  /// The columns whose envelopes are under their subject's own key, in tables whose rows have an id column.
  public static let sealedColumns: [SealedColumn] = tables.flatMap { table -> [SealedColumn] in
    guard let rowID = table.rowID else { return [] }
    return table.columns.compactMap { column in
      // A package has a key of its own.
      guard case .sealed(let field) = column.columnClass, field != .accessPackage else { return nil }
      return SealedColumn(table: table.qualifiedName, rowID: rowID, column: column.name, field: field)
    }
  }

  /// What every kind of tag is made from, so that tags can be made again: by a rotation, or after a recovery.
  public static let tagSources: [TagSource] = [
    ("email", PersonalField.profileEmail), ("phone", .profilePhone), ("identity", .profileIdentity),
    ("actor", .actorIdentity),
  ].compactMap { kind, field in
    sealedColumns.first { $0.field == field }.map { TagSource(kind: kind, value: $0) }
  }
}
