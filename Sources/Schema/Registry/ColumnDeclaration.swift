/// What a column may hold, and so what an erasure has to do with it.
public enum ColumnClass: Sendable, Hashable {
  /// An envelope under somebody's key; noise once that key is destroyed.
  case sealed(PersonalField)
  /// A keyed lookup value (blind index) or another keyed digest.
  case tag
  /// Not sealed, but points at a person in context: a date, a country, an external identifier.
  case linkable(ErasureRule)
  /// Says nothing about a person: random identifiers of our own, states, counters, digests of neutral things.
  case neutral
}

/// What an erasure does to a linkable column.
public enum ErasureRule: Sendable, Hashable {
  /// Set to NULL.
  case clear
  /// Set to the time of the erasure, where NULL is not allowed.
  case overwriteWithErasureTime
  /// Gone with its row (see ``TableDeclaration/onErasure``).
  case withRow
  /// Not tied to a subject by any key; it expires by itself within the stated time.
  case expires(String)
}

/// One column, declared.
public struct ColumnDeclaration: Sendable, Hashable {
  /// The column's name in the catalogue.
  public let name: String
  /// What it may hold.
  public let columnClass: ColumnClass

  static func sealed(_ name: String, _ field: PersonalField) -> Self { .init(name: name, columnClass: .sealed(field)) }
  static func tag(_ name: String) -> Self { .init(name: name, columnClass: .tag) }
  static func linkable(_ name: String, _ rule: ErasureRule) -> Self {
    .init(name: name, columnClass: .linkable(rule))
  }
  static func neutral(_ names: String...) -> [Self] { names.map { .init(name: $0, columnClass: .neutral) } }
}

/// What an erasure does to the rows that belong to the subject.
public enum RowRule: Sendable, Hashable {
  /// The row stays; its linkable columns follow their own rules.
  case keep
  /// The row is deleted.
  case delete
  /// The table has no rows of a subject, and why.
  case notOfASubject(String)
}

/// One table, declared column by column.
public struct TableDeclaration: Sendable, Hashable {
  /// The schema's name.
  public let schema: String
  /// The table's name.
  public let name: String
  /// The column with the id that the row's envelopes are bound to; nil where that is no column of its own.
  public let rowID: String?
  /// What an erasure does to a subject's rows, found by `tenant_id` and `subject_id`.
  public let onErasure: RowRule
  /// Every column, each exactly once.
  public let columns: [ColumnDeclaration]

  init(schema: String, name: String, rowID: String? = nil, onErasure: RowRule, columns: [ColumnDeclaration]) {
    self.schema = schema
    self.name = name
    self.rowID = rowID
    self.onErasure = onErasure
    self.columns = columns
  }

  /// `schema.table`, as SQL names it.
  public var qualifiedName: String { "\(schema).\(name)" }
}
