import PostgresTesting
import Schema
import ServiceTesting
import Testing

@Suite("The registry of columns")
struct RegistryTests {
  /// `schema.table column` of everything in the catalogue that is not PostgreSQL's own; partitions are their parent.
  private func catalogue(_ database: TestDatabase) async throws -> Set<String> {
    let rows = try await database.sql(
      """
      SELECT n.nspname || '.' || c.relname || ' ' || a.attname
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
        AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relname <> '\(DataRegistry.migrationLedger)'
      """)
    return Set(rows.split(separator: "\n").map(String.init))
  }

  private func declared(_ tables: [TableDeclaration]) -> [String] {
    tables.flatMap { table in table.columns.map { "\(table.qualifiedName) \($0.name)" } }
  }

  @Test("every column of the data database is declared once, and nothing else is")
  func dataDatabase() async throws {
    try await withDatabases { data, vault in
      let columns = declared(DataRegistry.tables)
      #expect(Set(columns).count == columns.count)
      let catalogue = try await catalogue(data)
      #expect(Set(columns) == catalogue)
    }
  }

  @Test("every column of the vault database is declared once, and nothing else is")
  func vaultDatabase() async throws {
    try await withDatabases { data, vault in
      let columns = declared(VaultRegistry.tables)
      #expect(Set(columns).count == columns.count)
      let catalogue = try await catalogue(vault)
      #expect(Set(columns) == catalogue)
    }
  }

  @Test("a table with a subject and linkable columns says what an erasure does to each")
  func erasureRules() async throws {
    for table in DataRegistry.tables {
      let linkable = table.columns.filter { if case .linkable = $0.columnClass { true } else { false } }
      switch table.onErasure {
      case .keep:
        #expect(table.columns.contains { $0.name == "subject_id" }, "\(table.qualifiedName) is found by its subject")
        for column in linkable {
          #expect(column.columnClass != .linkable(.withRow), "\(table.qualifiedName).\(column.name) stays with its row")
        }
      case .delete:
        #expect(table.columns.contains { $0.name == "subject_id" }, "\(table.qualifiedName) is found by its subject")
      case .notOfASubject(let reason):
        #expect(!reason.isEmpty)
        for column in linkable {
          guard case .linkable(.expires) = column.columnClass else {
            Issue.record("\(table.qualifiedName).\(column.name) has no rule")
            continue
          }
        }
      }
    }
  }

  @Test("a field's number is given once")
  func fieldNumbers() {
    #expect(Set(PersonalField.allCases.map(\.rawValue)).count == PersonalField.allCases.count)
    #expect(Set(PersonalField.allCases.map(\.name)).count == PersonalField.allCases.count)
  }

  @Test("every sealed column's name says so, or its field is declared for it alone")
  func sealedColumns() {
    let sealed = DataRegistry.tables.flatMap { table in
      table.columns.compactMap { column -> PersonalField? in
        if case .sealed(let field) = column.columnClass { field } else { nil }
      }
    }
    #expect(Set(sealed) == Set(PersonalField.allCases))
    #expect(sealed.count == PersonalField.allCases.count)
  }
}
