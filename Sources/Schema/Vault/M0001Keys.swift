extension VaultMigrations {
  /// Keys, each wrapped by its epoch's key; a destroyed key stays as a tombstone under the same primary key, so
  /// that a key for that id can never be created again, by anyone.
  static let keys = #"""
    CREATE SCHEMA vault;
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT USAGE ON SCHEMA vault TO lethe_vault;

    CREATE FUNCTION vault.current_tenant() RETURNS uuid
      LANGUAGE sql STABLE PARALLEL SAFE
      AS $$ SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid $$;

    -- One row: the keyring that this vault belongs to.
    CREATE TABLE vault.installation (
      only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
      id         uuid NOT NULL,
      created_at bigint NOT NULL
    );
    GRANT SELECT, INSERT ON vault.installation TO lethe_vault;

    CREATE TABLE vault.epochs (
      epoch      integer PRIMARY KEY CHECK (epoch > 0),
      created_at bigint NOT NULL
    );
    GRANT SELECT, INSERT ON vault.epochs TO lethe_vault;

    CREATE TABLE vault.keys (
      tenant_id    uuid NOT NULL,
      kind         smallint NOT NULL CHECK (kind BETWEEN 1 AND 4),
      key_id       uuid NOT NULL,
      subject_id   uuid,
      epoch        integer REFERENCES vault.epochs (epoch),
      wrapped      bytea,
      commitment   bytea NOT NULL CHECK (octet_length(commitment) = 32),
      created_at   bigint NOT NULL,
      expires_at   bigint,
      destroyed_at bigint,
      PRIMARY KEY (tenant_id, kind, key_id),
      CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL)),
      CHECK ((wrapped IS NULL) = (epoch IS NULL))
    );
    CREATE INDEX keys_by_subject ON vault.keys (tenant_id, subject_id) WHERE subject_id IS NOT NULL;
    CREATE INDEX keys_by_epoch ON vault.keys (epoch) WHERE epoch IS NOT NULL;
    CREATE INDEX keys_by_expiry ON vault.keys (tenant_id, expires_at) WHERE expires_at IS NOT NULL;
    ALTER TABLE vault.keys ENABLE ROW LEVEL SECURITY;
    ALTER TABLE vault.keys FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON vault.keys
      USING (tenant_id = vault.current_tenant()) WITH CHECK (tenant_id = vault.current_tenant());
    GRANT SELECT, INSERT, DELETE ON vault.keys TO lethe_vault;
    GRANT UPDATE (epoch, wrapped, destroyed_at) ON vault.keys TO lethe_vault;

    CREATE FUNCTION vault.refuse_resurrection() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' THEN
        IF OLD.kind = 3 THEN RETURN OLD; END IF;  -- expiring keys belong to nobody for good
        RAISE EXCEPTION 'a key is destroyed, never deleted' USING ERRCODE = 'integrity_constraint_violation';
      END IF;
      IF OLD.destroyed_at IS NOT NULL THEN
        RAISE EXCEPTION 'a tombstone is final' USING ERRCODE = 'integrity_constraint_violation';
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER tombstone_is_final BEFORE UPDATE OR DELETE ON vault.keys
      FOR EACH ROW EXECUTE FUNCTION vault.refuse_resurrection();
    """#
}
