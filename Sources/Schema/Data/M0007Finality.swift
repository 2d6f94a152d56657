extension DataMigrations {
  /// When an erasure is final, and how far subjects were compared with the vault's keys.
  static let finality = #"""
    ALTER TABLE subject_rights.erasures
      ADD COLUMN key_epoch integer CHECK (key_epoch > 0),
      ADD COLUMN key_backups_dead_by text CHECK (key_backups_dead_by ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
      ADD COLUMN key_copies integer CHECK (key_copies >= 0),
      ADD COLUMN final_certificate bytea,
      ADD COLUMN finalised_at bigint,
      ADD CHECK ((final_certificate IS NULL) = (finalised_at IS NULL));
    CREATE INDEX erasures_not_final ON subject_rights.erasures (tenant_id, key_epoch) WHERE finalised_at IS NULL;
    CREATE INDEX erasures_with_copies ON subject_rights.erasures (tenant_id, key_epoch) WHERE key_copies > 0;

    -- A key whose row was never committed is destroyed after this claim of its id: a row that says nothing of anybody.
    ALTER TABLE custody.subjects DROP CONSTRAINT subjects_state_check;
    ALTER TABLE custody.subjects
      ADD CONSTRAINT subjects_state_check CHECK (state IN ('live', 'erasing', 'erased', 'reaped'));
    CREATE OR REPLACE FUNCTION custody.refuse_resurrection() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF OLD.state IN ('erased', 'reaped') AND NEW.state <> OLD.state
         OR OLD.state = 'erasing' AND NEW.state NOT IN ('erasing', 'erased') THEN
        RAISE EXCEPTION 'a tombstone is final' USING ERRCODE = 'integrity_constraint_violation';
      END IF;
      RETURN NEW;
    END $$;

    CREATE TABLE custody.reconciliations (
      tenant_id   uuid PRIMARY KEY REFERENCES custody.tenants (id),
      finished_at bigint NOT NULL,
      compared    bigint NOT NULL,
      reaped      bigint NOT NULL,
      keyless     bigint NOT NULL
    );
    ALTER TABLE custody.reconciliations ENABLE ROW LEVEL SECURITY;
    ALTER TABLE custody.reconciliations FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON custody.reconciliations
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT, INSERT, UPDATE ON custody.reconciliations TO lethe_worker;
    """#
}
