extension DataMigrations {
  /// Requests of data subjects, the erasures they lead to, and the packages that answer an access request.
  static let subjectRights = #"""
    CREATE SCHEMA subject_rights;
    GRANT USAGE ON SCHEMA subject_rights TO lethe_app, lethe_worker;

    CREATE TABLE subject_rights.requests (
      tenant_id           uuid NOT NULL,
      id                  uuid NOT NULL,
      type                text NOT NULL CHECK (type IN ('access', 'portability', 'erasure')),
      state               text NOT NULL CHECK (state IN
                          ('received', 'verified', 'needs_approval', 'approved', 'executing', 'completed')),
      subject_id          uuid NOT NULL,
      profile_id          uuid NOT NULL,
      jurisdiction        text CHECK (jurisdiction ~ '^[A-Z]{2}$'),
      verification_method text CHECK (verification_method IN ('login', 'document', 'in_person', 'callback')),
      note_sealed         bytea,
      opened_by           uuid NOT NULL,
      verified_by         uuid,
      approved_by         uuid,
      executed_by         uuid,
      opened_at           bigint NOT NULL,
      verified_at         bigint,
      approved_at         bigint,
      executed_at         bigint,
      completed_at        bigint,
      version             bigint NOT NULL CHECK (version > 0),
      PRIMARY KEY (tenant_id, id),
      FOREIGN KEY (tenant_id, subject_id) REFERENCES custody.subjects (tenant_id, subject_id),
      CHECK (type <> 'erasure' OR approved_by IS NULL OR approved_by <> opened_by)
    );
    CREATE INDEX requests_by_state ON subject_rights.requests (tenant_id, state, id);
    CREATE INDEX requests_by_subject ON subject_rights.requests (tenant_id, subject_id);
    ALTER TABLE subject_rights.requests ENABLE ROW LEVEL SECURITY;
    ALTER TABLE subject_rights.requests FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON subject_rights.requests
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT, INSERT, UPDATE ON subject_rights.requests TO lethe_app, lethe_worker;

    CREATE TABLE subject_rights.erasures (
      tenant_id      uuid NOT NULL,
      request_id     uuid NOT NULL,
      subject_id     uuid NOT NULL,
      actor_id       uuid NOT NULL,
      key_commitment bytea NOT NULL CHECK (octet_length(key_commitment) = 32),
      step           text NOT NULL CHECK (step IN
                     ('ordered', 'tombstoned', 'ledgered', 'key_destroyed', 'completed', 'certified')),
      ordered_at     bigint NOT NULL,
      tombstoned_at  bigint,
      destroyed_at   bigint,
      completed_seq  bigint,
      certificate    bytea,
      certified_at   bigint,
      PRIMARY KEY (tenant_id, request_id),
      UNIQUE (tenant_id, subject_id),
      FOREIGN KEY (tenant_id, request_id) REFERENCES subject_rights.requests (tenant_id, id)
    );
    CREATE INDEX erasures_unfinished ON subject_rights.erasures (tenant_id, ordered_at) WHERE step <> 'certified';
    ALTER TABLE subject_rights.erasures ENABLE ROW LEVEL SECURITY;
    ALTER TABLE subject_rights.erasures FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON subject_rights.erasures
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT, INSERT ON subject_rights.erasures TO lethe_app;
    GRANT SELECT, UPDATE ON subject_rights.erasures TO lethe_worker;

    CREATE TABLE subject_rights.packages (
      tenant_id  uuid NOT NULL,
      id         uuid NOT NULL,
      request_id uuid NOT NULL,
      subject_id uuid NOT NULL,
      sealed     bytea NOT NULL,
      byte_count bigint NOT NULL,
      created_at bigint NOT NULL,
      expires_at bigint NOT NULL,
      PRIMARY KEY (tenant_id, id),
      UNIQUE (tenant_id, request_id),
      FOREIGN KEY (tenant_id, request_id) REFERENCES subject_rights.requests (tenant_id, id)
    );
    CREATE INDEX packages_by_subject ON subject_rights.packages (tenant_id, subject_id);
    CREATE INDEX packages_by_expiry ON subject_rights.packages (tenant_id, expires_at);
    ALTER TABLE subject_rights.packages ENABLE ROW LEVEL SECURITY;
    ALTER TABLE subject_rights.packages FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON subject_rights.packages
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT, INSERT ON subject_rights.packages TO lethe_app;
    GRANT SELECT, DELETE ON subject_rights.packages TO lethe_worker;
    """#
}
