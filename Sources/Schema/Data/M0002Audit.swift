extension DataMigrations {
  /// One append-only log per tenant: its head, its entries, the deletable side table that says whose data an entry
  /// touched, and the checkpoints that were published.
  ///
  /// Entries are partitioned by sequence number. A parent's row trigger is cloned to its partitions, a TRUNCATE
  /// trigger is not, so each partition gets one; no partition is granted to anyone, all access is by the parent.
  static let audit = #"""
    CREATE SCHEMA audit;
    GRANT USAGE ON SCHEMA audit TO lethe_app, lethe_worker;

    CREATE TABLE audit.heads (
      tenant_id  uuid PRIMARY KEY REFERENCES custody.tenants (id),
      origin     text NOT NULL,
      size       bigint NOT NULL CHECK (size >= 0),
      leaf_hash  bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
      last_time  bigint NOT NULL
    );
    ALTER TABLE audit.heads ENABLE ROW LEVEL SECURITY;
    ALTER TABLE audit.heads FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON audit.heads
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT, UPDATE (size, leaf_hash, last_time) ON audit.heads TO lethe_app, lethe_worker;
    GRANT INSERT ON audit.heads TO lethe_worker;

    CREATE TABLE audit.entries (
      tenant_id uuid NOT NULL,
      seq       bigint NOT NULL CHECK (seq >= 0),
      entry     bytea NOT NULL CHECK (octet_length(entry) BETWEEN 1 AND 65535),
      leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
      PRIMARY KEY (tenant_id, seq)
    ) PARTITION BY RANGE (seq);
    CREATE TABLE audit.entries_0 PARTITION OF audit.entries FOR VALUES FROM (0) TO (4194304);
    CREATE TABLE audit.entries_1 PARTITION OF audit.entries FOR VALUES FROM (4194304) TO (8388608);
    CREATE TABLE audit.entries_2 PARTITION OF audit.entries FOR VALUES FROM (8388608) TO (16777216);
    CREATE TABLE audit.entries_rest PARTITION OF audit.entries DEFAULT;
    ALTER TABLE audit.entries ENABLE ROW LEVEL SECURITY;
    ALTER TABLE audit.entries FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON audit.entries
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT, INSERT ON audit.entries TO lethe_app, lethe_worker;

    CREATE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'audit entries are append-only' USING ERRCODE = 'insufficient_privilege';
    END $$;
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit.entries
      FOR EACH ROW EXECUTE FUNCTION audit.refuse_change();
    CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON audit.entries
      FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
    DO $$
    DECLARE partition regclass;
    BEGIN
      FOR partition IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'audit.entries'::regclass LOOP
        EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON %s
                        FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()', partition);
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', partition);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', partition);
        EXECUTE format('CREATE POLICY own_tenant ON %s USING (tenant_id = custody.current_tenant())
                        WITH CHECK (tenant_id = custody.current_tenant())', partition);
      END LOOP;
    END $$;

    CREATE TABLE audit.entry_subjects (
      tenant_id  uuid NOT NULL,
      seq        bigint NOT NULL,
      subject_id uuid NOT NULL,
      salt       bytea NOT NULL CHECK (octet_length(salt) = 32),
      PRIMARY KEY (tenant_id, seq, subject_id)
    );
    CREATE INDEX entry_subjects_by_subject ON audit.entry_subjects (tenant_id, subject_id, seq);
    ALTER TABLE audit.entry_subjects ENABLE ROW LEVEL SECURITY;
    ALTER TABLE audit.entry_subjects FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON audit.entry_subjects
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT, INSERT ON audit.entry_subjects TO lethe_app, lethe_worker;
    GRANT DELETE ON audit.entry_subjects TO lethe_worker;

    CREATE TABLE audit.checkpoints (
      tenant_id    uuid NOT NULL REFERENCES custody.tenants (id),
      size         bigint NOT NULL CHECK (size >= 0),
      root         bytea NOT NULL CHECK (octet_length(root) = 32),
      note         text NOT NULL,
      published_at bigint NOT NULL,
      PRIMARY KEY (tenant_id, size)
    );
    ALTER TABLE audit.checkpoints ENABLE ROW LEVEL SECURITY;
    ALTER TABLE audit.checkpoints FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON audit.checkpoints
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT ON audit.checkpoints TO lethe_app;
    GRANT SELECT, INSERT ON audit.checkpoints TO lethe_worker;
    """#
}
