/// Every column of every table of the data database, declared once. The build's tests compare it with the
/// catalogue: a column without a declaration fails them, and so does a declaration without a column.
public enum DataRegistry {
  /// The tables, by schema.
  public static let tables: [TableDeclaration] = custody + audit + profiles + subjectRights

  /// Kept by the migrator itself.
  public static let migrationLedger = "lethe_migrations"

  private static let custody = [
    TableDeclaration(
      schema: "custody", name: "tenants", onErasure: .notOfASubject("an organisation, not a person"),
      columns: ColumnDeclaration.neutral("id", "kind", "name", "created_at")),
    TableDeclaration(
      schema: "custody", name: "epochs", onErasure: .notOfASubject("a few rows, for everybody"),
      columns: ColumnDeclaration.neutral("epoch", "created_at")),
    TableDeclaration(
      schema: "custody", name: "rotations", onErasure: .notOfASubject("one row an epoch"),
      columns: ColumnDeclaration.neutral(
        "to_epoch", "from_epoch", "state", "started_at", "changed_at", "keys_total", "keys_done", "tags_done",
        "vault_position", "backup", "waiting_for", "retired_at")),
    TableDeclaration(
      schema: "custody", name: "reconciliations", onErasure: .notOfASubject("one row a tenant"),
      columns: ColumnDeclaration.neutral("tenant_id", "finished_at", "compared", "reaped", "keyless")),
    // A hold outlives the erasure on purpose: the certificate names its fields and its basis.
    TableDeclaration(
      schema: "custody", name: "holds", onErasure: .keep,
      columns: ColumnDeclaration.neutral(
        "tenant_id", "id", "subject_id", "basis", "keep_until", "placed_at", "sealed_at", "released_at")),
    TableDeclaration(
      schema: "custody", name: "hold_fields", onErasure: .notOfASubject("by its hold"),
      columns: ColumnDeclaration.neutral("tenant_id", "hold_id", "field")),
    TableDeclaration(
      schema: "custody", name: "held_values",
      onErasure: .notOfASubject("sealed under its hold's key, and gone with the hold"),
      columns: ColumnDeclaration.neutral("tenant_id", "hold_id", "field", "row_id")
        + [.sealed("sealed", .heldValue)]),
    TableDeclaration(
      schema: "custody", name: "subjects", onErasure: .keep,
      columns: ColumnDeclaration.neutral(
        "tenant_id", "subject_id", "state", "key_commitment", "erasing_at", "erased_at")
        + [.linkable("created_at", .overwriteWithErasureTime)]),
    TableDeclaration(
      schema: "custody", name: "lookup_tags", onErasure: .delete,
      columns: ColumnDeclaration.neutral("tenant_id", "kind", "epoch", "subject_id", "row_id") + [.tag("tag")]),
    TableDeclaration(
      schema: "custody", name: "erased_tags",
      onErasure: .notOfASubject("carries no subject; dies with its epoch"),
      columns: ColumnDeclaration.neutral("tenant_id", "kind", "epoch", "erased_at") + [.tag("tag")]),
    TableDeclaration(
      schema: "custody", name: "actors", rowID: "actor_id", onErasure: .keep,
      columns: ColumnDeclaration.neutral("tenant_id", "actor_id", "subject_id")
        + [
          .sealed("identity_sealed", .actorIdentity),
          .linkable("created_at", .overwriteWithErasureTime),
        ]),
    TableDeclaration(
      schema: "custody", name: "idempotency", onErasure: .keep,
      columns: ColumnDeclaration.neutral(
        "tenant_id", "key_day", "fence", "state", "lease_until", "status", "subject_id", "answer_plain", "headers",
        "created_at")
        + [.tag("key_tag"), .tag("fingerprint"), .sealed("answer_sealed", .idempotentAnswer)]),
    TableDeclaration(
      schema: "custody", name: "used_proofs",
      onErasure: .notOfASubject("a caller's key thumbprint, gone when the proof could no longer be accepted"),
      columns: ColumnDeclaration.neutral("expires_at", "proof")
        + [.linkable("thumbprint", .expires("two minutes"))]),
  ]

  private static let audit = [
    TableDeclaration(
      schema: "audit", name: "heads", onErasure: .notOfASubject("one row a tenant"),
      columns: ColumnDeclaration.neutral("tenant_id", "origin", "size", "leaf_hash", "last_time", "closed_at")),
    TableDeclaration(
      schema: "audit", name: "entries",
      onErasure: .notOfASubject("append-only; random ids, field names and codes, no personal value"),
      columns: ColumnDeclaration.neutral("tenant_id", "seq", "entry", "leaf_hash")),
    TableDeclaration(
      schema: "audit", name: "entry_subjects", onErasure: .delete,
      columns: ColumnDeclaration.neutral("tenant_id", "seq", "salt") + [.linkable("subject_id", .withRow)]),
    TableDeclaration(
      schema: "audit", name: "checkpoints", onErasure: .notOfASubject("signed tree heads"),
      columns: ColumnDeclaration.neutral("tenant_id", "size", "root", "note", "published_at")),
    TableDeclaration(
      schema: "audit", name: "seals", onErasure: .notOfASubject("one row a tenant"),
      columns: ColumnDeclaration.neutral(
        "tenant_id", "sealed_up_to", "sealed_at", "rows_from", "announced", "announced_policy")),
    TableDeclaration(
      schema: "audit", name: "cosignatures", onErasure: .notOfASubject("signatures of witnesses"),
      columns: ColumnDeclaration.neutral(
        "tenant_id", "size", "witness", "key_id", "signed_at", "line", "received_at")),
  ]

  private static let profiles = [
    TableDeclaration(
      schema: "user_profiles", name: "profiles", rowID: "id", onErasure: .keep,
      columns: ColumnDeclaration.neutral("tenant_id", "id", "subject_id", "status", "version")
        + [
          .sealed("full_name_sealed", .profileFullName),
          .sealed("email_sealed", .profileEmail),
          .sealed("phone_sealed", .profilePhone),
          .sealed("identity_sealed", .profileIdentity),
          .linkable("country", .clear),
          .linkable("language", .clear),
          .linkable("created_at", .overwriteWithErasureTime),
          .linkable("updated_at", .overwriteWithErasureTime),
        ])
  ]

  private static let subjectRights = [
    // The record that a request was made and answered is the controller's evidence (GDPR 5(2)): ids, states, times
    // of handling. What was said in it is sealed.
    TableDeclaration(
      schema: "subject_rights", name: "requests", rowID: "id", onErasure: .keep,
      columns: ColumnDeclaration.neutral(
        "tenant_id", "id", "type", "state", "subject_id", "profile_id", "verification_method", "opened_by",
        "verified_by", "approved_by", "executed_by", "opened_at", "verified_at", "approved_at", "executed_at",
        "completed_at", "version")
        + [.linkable("jurisdiction", .clear), .sealed("note_sealed", .requestNote)]),
    TableDeclaration(
      schema: "subject_rights", name: "erasures", onErasure: .keep,
      columns: ColumnDeclaration.neutral(
        "tenant_id", "request_id", "subject_id", "actor_id", "key_commitment", "step", "ordered_at",
        "tombstoned_at", "destroyed_at", "completed_seq", "certificate", "certified_at", "key_epoch",
        "key_backups_dead_by", "key_copies", "final_certificate", "finalised_at")),
    TableDeclaration(
      schema: "subject_rights", name: "packages", rowID: "id", onErasure: .delete,
      columns: ColumnDeclaration.neutral("tenant_id", "id", "request_id", "subject_id")
        + [
          .sealed("sealed", .accessPackage),
          .linkable("byte_count", .withRow),
          .linkable("created_at", .withRow),
          .linkable("expires_at", .withRow),
        ]),
  ]
}
