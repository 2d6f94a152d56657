extension VaultMigrations {
  /// What a rotation needs of the vault: epochs that can go, keys counted across tenants, standbys asked, copies of the
  /// keyring registered; and the backup's role.
  ///
  /// Both functions run as the owner. One sees every tenant's rows, but answers counts only; the other sees the
  /// standbys, for which the owner is a member of pg_read_all_stats.
  static let rotation = #"""
    GRANT DELETE ON vault.epochs TO lethe_vault;

    CREATE POLICY owner_counts ON vault.keys FOR SELECT TO lethe_vault_owner
      USING (current_setting('vault.counting', true) = 'on');
    CREATE FUNCTION vault.keys_by_tenant(of_epoch integer) RETURNS TABLE (tenant_id uuid, live bigint)
      LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = '' AS $$
    BEGIN
      PERFORM set_config('vault.counting', 'on', true);
      RETURN QUERY SELECT k.tenant_id, count(*) FROM vault.keys k WHERE k.epoch = of_epoch GROUP BY 1 ORDER BY 1;
      PERFORM set_config('vault.counting', 'off', true);
    END $$;
    REVOKE ALL ON FUNCTION vault.keys_by_tenant(integer) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION vault.keys_by_tenant(integer) TO lethe_vault;

    CREATE FUNCTION vault.standbys(reached pg_lsn) RETURNS TABLE (name text, confirmed boolean)
      LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
      AS $$
        SELECT COALESCE(NULLIF(application_name, ''), 'standby ' || pid), COALESCE(replay_lsn >= reached, false)
        FROM pg_catalog.pg_stat_replication
        UNION ALL
        SELECT slot_name, false FROM pg_catalog.pg_replication_slots WHERE slot_type = 'physical' AND NOT active
      $$;
    REVOKE ALL ON FUNCTION vault.standbys(pg_lsn) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION vault.standbys(pg_lsn) TO lethe_vault;

    -- Copies of the keyring that the operator has made, and until when they were there.
    CREATE TABLE vault.keyring_copies (
      id            uuid PRIMARY KEY,
      label         text NOT NULL CHECK (char_length(label) BETWEEN 1 AND 120),
      newest_epoch  integer NOT NULL CHECK (newest_epoch > 0),
      oldest_epoch  integer NOT NULL CHECK (oldest_epoch BETWEEN 1 AND newest_epoch),
      registered_at bigint NOT NULL,
      destroyed_at  bigint,
      attested_by   text CHECK (char_length(attested_by) BETWEEN 1 AND 120),
      CHECK ((destroyed_at IS NULL) = (attested_by IS NULL))
    );
    GRANT SELECT, INSERT, UPDATE (destroyed_at, attested_by) ON vault.keyring_copies TO lethe_vault;

    GRANT USAGE ON SCHEMA public, vault TO lethe_vault_backup;
    GRANT SELECT ON ALL TABLES IN SCHEMA public, vault TO lethe_vault_backup;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public, vault GRANT SELECT ON TABLES TO lethe_vault_backup;
    """#
}
