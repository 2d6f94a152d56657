/// Every column of every table of the vault database, declared once; compared with the catalogue like
/// ``DataRegistry``. Nothing in it is personal: keys are wrapped, ids are random.
public enum VaultRegistry {
  /// The tables of the schema `vault`.
  public static let tables: [TableDeclaration] = [
    TableDeclaration(
      schema: "vault", name: "installation", onErasure: .notOfASubject("one row"),
      columns: ColumnDeclaration.neutral("only_row", "id", "created_at")),
    TableDeclaration(
      schema: "vault", name: "epochs", onErasure: .notOfASubject("a few rows, for everybody"),
      columns: ColumnDeclaration.neutral("epoch", "created_at")),
    TableDeclaration(
      schema: "vault", name: "keys", onErasure: .keep,
      columns: ColumnDeclaration.neutral(
        "tenant_id", "kind", "key_id", "subject_id", "epoch", "wrapped", "commitment", "created_at", "expires_at",
        "destroyed_at")),
    TableDeclaration(
      schema: "vault", name: "keyring_copies", onErasure: .notOfASubject("the operator's own list"),
      columns: ColumnDeclaration.neutral(
        "id", "label", "newest_epoch", "oldest_epoch", "registered_at", "destroyed_at", "attested_by")),
  ]
}
