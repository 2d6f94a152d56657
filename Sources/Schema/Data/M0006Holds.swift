extension DataMigrations {
  /// Holds: fields that outlive an erasure under a key of their own, while a law says so.
  static let holds = #"""
    CREATE TABLE custody.holds (
      tenant_id   uuid NOT NULL,
      id          uuid NOT NULL,
      subject_id  uuid NOT NULL,
      basis       text NOT NULL CHECK (basis ~ '^[a-z0-9_]{1,64}$'),
      keep_until  bigint,
      placed_at   bigint NOT NULL,
      sealed_at   bigint,
      released_at bigint,
      PRIMARY KEY (tenant_id, id),
      FOREIGN KEY (tenant_id, subject_id) REFERENCES custody.subjects (tenant_id, subject_id)
    );
    CREATE INDEX holds_by_subject ON custody.holds (tenant_id, subject_id);
    ALTER TABLE custody.holds ENABLE ROW LEVEL SECURITY;
    ALTER TABLE custody.holds FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON custody.holds
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT ON custody.holds TO lethe_app;
    GRANT SELECT, INSERT, UPDATE (sealed_at, released_at) ON custody.holds TO lethe_worker;

    CREATE TABLE custody.hold_fields (
      tenant_id uuid NOT NULL,
      hold_id   uuid NOT NULL,
      field     integer NOT NULL CHECK (field > 0),
      PRIMARY KEY (tenant_id, hold_id, field),
      FOREIGN KEY (tenant_id, hold_id) REFERENCES custody.holds (tenant_id, id)
    );
    ALTER TABLE custody.hold_fields ENABLE ROW LEVEL SECURITY;
    ALTER TABLE custody.hold_fields FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON custody.hold_fields
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT ON custody.hold_fields TO lethe_app;
    GRANT SELECT, INSERT ON custody.hold_fields TO lethe_worker;

    CREATE TABLE custody.held_values (
      tenant_id uuid NOT NULL,
      hold_id   uuid NOT NULL,
      field     integer NOT NULL,
      row_id    uuid NOT NULL,
      sealed    bytea NOT NULL,
      PRIMARY KEY (tenant_id, hold_id, field, row_id),
      FOREIGN KEY (tenant_id, hold_id, field) REFERENCES custody.hold_fields (tenant_id, hold_id, field)
    );
    ALTER TABLE custody.held_values ENABLE ROW LEVEL SECURITY;
    ALTER TABLE custody.held_values FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON custody.held_values
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT, INSERT, DELETE ON custody.held_values TO lethe_worker;
    """#
}
