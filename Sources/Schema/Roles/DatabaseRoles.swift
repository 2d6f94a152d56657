/// The seven roles, the two databases, and the statements that make them: run once by a superuser, on any cluster.
///
/// The service never owns what it works on. The owners migrate and can't be logged in as by the service; the
/// application and the worker are under row-level security; the vault's role reaches nothing but the vault.
public enum DatabaseRoles {
  /// Owns the data database's tables.
  public static let owner = "lethe_owner"
  /// Answers requests.
  public static let application = "lethe_app"
  /// Erases, publishes, cleans up.
  public static let worker = "lethe_worker"
  /// Owns the vault database's tables.
  public static let vaultOwner = "lethe_vault_owner"
  /// Reads and writes wrapped keys.
  public static let vault = "lethe_vault"
  /// Reads the whole data database, for backups; may write nothing.
  public static let backup = "lethe_backup"
  /// Reads the whole vault database, for backups; may write nothing.
  public static let vaultBackup = "lethe_vault_backup"
  /// The data database's usual name.
  public static let dataDatabase = "lethe_data"
  /// The vault database's usual name.
  public static let vaultDatabase = "lethe_vault"

  /// Makes the roles that are missing. Without passwords: how they log in is the cluster's own affair. The backups'
  /// roles are exempt from row-level security, else a dump would leave rows out. The vault's owner may see which
  /// standbys there are: a rotation waits for them.
  public static let createRoles = """
    DO $$
    DECLARE name text;
    BEGIN
      FOREACH name IN ARRAY ARRAY['lethe_owner', 'lethe_app', 'lethe_worker', 'lethe_vault_owner', 'lethe_vault'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
          EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', name);
        END IF;
      END LOOP;
      FOREACH name IN ARRAY ARRAY['lethe_backup', 'lethe_vault_backup'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
          EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE BYPASSRLS', name);
        END IF;
      END LOOP;
      IF NOT pg_has_role('lethe_vault_owner', 'pg_read_all_stats', 'MEMBER') THEN
        GRANT pg_read_all_stats TO lethe_vault_owner;
      END IF;
    END $$;
    """

  /// The names of the cluster's databases, a line each.
  public static let listDatabases = "SELECT datname FROM pg_database"

  /// Makes a data database and lets only its own roles connect.
  public static func createDataDatabase(named name: String = dataDatabase) -> String {
    "CREATE DATABASE \"\(name)\" OWNER lethe_owner;\n" + restrictDataDatabase(named: name)
  }

  /// Lets only its own roles connect to a data database.
  public static func restrictDataDatabase(named name: String) -> String {
    """
    REVOKE ALL ON DATABASE "\(name)" FROM PUBLIC;
    GRANT CONNECT ON DATABASE "\(name)" TO lethe_owner, lethe_app, lethe_worker, lethe_backup;
    """
  }

  /// Makes a vault database and lets only its own roles connect.
  public static func createVaultDatabase(named name: String = vaultDatabase) -> String {
    "CREATE DATABASE \"\(name)\" OWNER lethe_vault_owner;\n" + restrictVaultDatabase(named: name)
  }

  /// Lets only its own roles connect to a vault database.
  public static func restrictVaultDatabase(named name: String) -> String {
    """
    REVOKE ALL ON DATABASE "\(name)" FROM PUBLIC;
    GRANT CONNECT ON DATABASE "\(name)" TO lethe_vault_owner, lethe_vault, lethe_vault_backup;
    """
  }
}
