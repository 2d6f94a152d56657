extension VaultMigrations {
  /// The tombstone's trigger runs for tombstones, and for what is deleted: a rotation changes every live key's row, which
  /// needs no asking.
  static let tombstoneTrigger = #"""
    DROP TRIGGER tombstone_is_final ON vault.keys;
    CREATE TRIGGER tombstone_is_final BEFORE UPDATE ON vault.keys
      FOR EACH ROW WHEN (OLD.destroyed_at IS NOT NULL) EXECUTE FUNCTION vault.refuse_resurrection();
    CREATE TRIGGER never_deleted BEFORE DELETE ON vault.keys
      FOR EACH ROW EXECUTE FUNCTION vault.refuse_resurrection();
    """#
}
