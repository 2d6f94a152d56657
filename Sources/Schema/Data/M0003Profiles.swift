extension DataMigrations {
  /// Profiles: sealed fields, lookup tags elsewhere (`custody.lookup_tags`), and what a list may be filtered by.
  static let profiles = #"""
    CREATE SCHEMA user_profiles;
    GRANT USAGE ON SCHEMA user_profiles TO lethe_app, lethe_worker;

    CREATE TABLE user_profiles.profiles (
      tenant_id        uuid NOT NULL,
      id               uuid NOT NULL,
      subject_id       uuid NOT NULL,
      status           text NOT NULL
                       CHECK (status IN ('pending', 'active', 'locked', 'inactive')),
      full_name_sealed bytea NOT NULL,
      email_sealed     bytea,
      phone_sealed     bytea,
      identity_sealed  bytea,
      country          text CHECK (country ~ '^[A-Z]{2}$'),
      language         text CHECK (language IN ('en', 'es', 'fr', 'ar', 'de', 'pt', 'ja')),
      version          bigint NOT NULL CHECK (version > 0),
      created_at       bigint NOT NULL,
      updated_at       bigint NOT NULL,
      PRIMARY KEY (tenant_id, id),
      FOREIGN KEY (tenant_id, subject_id) REFERENCES custody.subjects (tenant_id, subject_id)
    );
    CREATE UNIQUE INDEX profiles_by_subject ON user_profiles.profiles (tenant_id, subject_id);
    ALTER TABLE user_profiles.profiles ENABLE ROW LEVEL SECURITY;
    ALTER TABLE user_profiles.profiles FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON user_profiles.profiles
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT, INSERT, UPDATE ON user_profiles.profiles TO lethe_app;
    GRANT SELECT, UPDATE ON user_profiles.profiles TO lethe_worker;
    """#
}
