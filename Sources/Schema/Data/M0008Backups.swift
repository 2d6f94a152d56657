extension DataMigrations {
  /// What the backup's role may read: everything, and nothing else.
  static let backups = #"""
    GRANT USAGE ON SCHEMA public, custody, audit, user_profiles, subject_rights TO lethe_backup;
    GRANT SELECT ON ALL TABLES IN SCHEMA public, custody, audit, user_profiles, subject_rights TO lethe_backup;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public, custody, audit, user_profiles, subject_rights
      GRANT SELECT ON TABLES TO lethe_backup;
    """#
}
