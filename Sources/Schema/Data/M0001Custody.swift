extension DataMigrations {
  /// Tenants, subjects and their tombstones, lookup tags, actors, idempotency keys, used proofs.
  ///
  /// Times are microseconds since the Unix epoch. Row-level security is forced on every table with a tenant, from
  /// the first migration on: a reset `app.tenant_id` is an empty string, hence the NULLIF.
  static let custody = #"""
    CREATE SCHEMA custody;
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT USAGE ON SCHEMA custody TO lethe_app, lethe_worker;

    CREATE FUNCTION custody.current_tenant() RETURNS uuid
      LANGUAGE sql STABLE PARALLEL SAFE
      AS $$ SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid $$;

    CREATE TABLE custody.tenants (
      id         uuid PRIMARY KEY,
      kind       text NOT NULL CHECK (kind IN ('merchant', 'condominium', 'platform')),
      name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 120),
      created_at bigint NOT NULL
    );
    ALTER TABLE custody.tenants ENABLE ROW LEVEL SECURITY;
    ALTER TABLE custody.tenants FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON custody.tenants
      USING (id = custody.current_tenant()) WITH CHECK (id = custody.current_tenant());
    CREATE POLICY worker_lists_tenants ON custody.tenants FOR SELECT TO lethe_worker USING (true);
    GRANT SELECT ON custody.tenants TO lethe_app;
    GRANT SELECT, INSERT ON custody.tenants TO lethe_worker;

    CREATE TABLE custody.subjects (
      tenant_id      uuid NOT NULL REFERENCES custody.tenants (id),
      subject_id     uuid NOT NULL,
      state          text NOT NULL CHECK (state IN ('live', 'erasing', 'erased')),
      key_commitment bytea NOT NULL CHECK (octet_length(key_commitment) = 32),
      created_at     bigint NOT NULL,
      erasing_at     bigint,
      erased_at      bigint,
      PRIMARY KEY (tenant_id, subject_id)
    );
    ALTER TABLE custody.subjects ENABLE ROW LEVEL SECURITY;
    ALTER TABLE custody.subjects FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON custody.subjects
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    -- SELECT … FOR SHARE asks for UPDATE on one column at least. The application may have it on a column that
    -- says nothing; only the worker may write a tombstone.
    GRANT SELECT, INSERT, UPDATE (created_at) ON custody.subjects TO lethe_app;
    GRANT SELECT, INSERT, UPDATE (state, created_at, erasing_at, erased_at) ON custody.subjects TO lethe_worker;

    CREATE FUNCTION custody.refuse_resurrection() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF OLD.state = 'erased' AND NEW.state <> 'erased' OR OLD.state = 'erasing' AND NEW.state = 'live' THEN
        RAISE EXCEPTION 'a tombstone is final' USING ERRCODE = 'integrity_constraint_violation';
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER tombstone_is_final BEFORE UPDATE ON custody.subjects
      FOR EACH ROW EXECUTE FUNCTION custody.refuse_resurrection();

    CREATE TABLE custody.lookup_tags (
      tenant_id  uuid NOT NULL,
      kind       text NOT NULL CHECK (kind IN ('email', 'phone', 'identity', 'actor')),
      epoch      integer NOT NULL,
      tag        bytea NOT NULL CHECK (octet_length(tag) = 32),
      subject_id uuid NOT NULL,
      row_id     uuid NOT NULL,
      PRIMARY KEY (tenant_id, kind, epoch, tag),
      FOREIGN KEY (tenant_id, subject_id) REFERENCES custody.subjects (tenant_id, subject_id)
    );
    CREATE INDEX lookup_tags_by_subject ON custody.lookup_tags (tenant_id, subject_id);
    ALTER TABLE custody.lookup_tags ENABLE ROW LEVEL SECURITY;
    ALTER TABLE custody.lookup_tags FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON custody.lookup_tags
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT, INSERT, DELETE ON custody.lookup_tags TO lethe_app, lethe_worker;

    CREATE TABLE custody.erased_tags (
      tenant_id uuid NOT NULL REFERENCES custody.tenants (id),
      kind      text NOT NULL,
      epoch     integer NOT NULL,
      tag       bytea NOT NULL CHECK (octet_length(tag) = 32),
      erased_at bigint NOT NULL,
      PRIMARY KEY (tenant_id, kind, epoch, tag)
    );
    ALTER TABLE custody.erased_tags ENABLE ROW LEVEL SECURITY;
    ALTER TABLE custody.erased_tags FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON custody.erased_tags
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT ON custody.erased_tags TO lethe_app;
    GRANT SELECT, INSERT, UPDATE (erased_at) ON custody.erased_tags TO lethe_worker;

    CREATE TABLE custody.actors (
      tenant_id       uuid NOT NULL,
      actor_id        uuid NOT NULL,
      subject_id      uuid NOT NULL,
      identity_sealed bytea NOT NULL,
      created_at      bigint NOT NULL,
      PRIMARY KEY (tenant_id, actor_id),
      FOREIGN KEY (tenant_id, subject_id) REFERENCES custody.subjects (tenant_id, subject_id)
    );
    CREATE INDEX actors_by_subject ON custody.actors (tenant_id, subject_id);
    ALTER TABLE custody.actors ENABLE ROW LEVEL SECURITY;
    ALTER TABLE custody.actors FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON custody.actors
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT, INSERT ON custody.actors TO lethe_app, lethe_worker;
    GRANT UPDATE (created_at) ON custody.actors TO lethe_worker;

    CREATE TABLE custody.idempotency (
      tenant_id     uuid NOT NULL REFERENCES custody.tenants (id),
      key_tag       bytea NOT NULL CHECK (octet_length(key_tag) = 32),
      key_day       integer NOT NULL,
      fingerprint   bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
      fence         uuid NOT NULL,
      state         text NOT NULL CHECK (state IN ('running', 'completed')),
      lease_until   bigint NOT NULL,
      status        integer,
      subject_id    uuid,
      answer_sealed bytea,
      answer_plain  bytea,
      headers       text,
      created_at    bigint NOT NULL,
      PRIMARY KEY (tenant_id, key_tag)
    );
    CREATE INDEX idempotency_by_age ON custody.idempotency (tenant_id, created_at);
    ALTER TABLE custody.idempotency ENABLE ROW LEVEL SECURITY;
    ALTER TABLE custody.idempotency FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON custody.idempotency
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT, INSERT, UPDATE, DELETE ON custody.idempotency TO lethe_app, lethe_worker;

    -- Used DPoP proofs. Not a tenant's: a proof is bound to a key, before anyone knows whose it is. A logged table,
    -- so that a crash inside the acceptance window doesn't forget one.
    CREATE TABLE custody.used_proofs (
      thumbprint text NOT NULL,
      proof      bytea NOT NULL CHECK (octet_length(proof) = 32),
      expires_at bigint NOT NULL,
      PRIMARY KEY (thumbprint, proof)
    );
    CREATE INDEX used_proofs_by_expiry ON custody.used_proofs (expires_at);
    GRANT SELECT, INSERT ON custody.used_proofs TO lethe_app;
    GRANT SELECT, DELETE ON custody.used_proofs TO lethe_worker;
    """#
}
