extension DataMigrations {
  /// Epochs that lookup tags may name, and their rotations.
  ///
  /// An epoch's row can't be deleted while a tag needs it. `hold_epochs` tells a writer which epochs to write tags
  /// of, and keeps that answer true until the writer's transaction ends: a change of state takes the same advisory
  /// lock exclusively. It is VOLATILE, so that its SELECT has a snapshot from after the lock.
  static let epochs = #"""
    CREATE TABLE custody.epochs (
      epoch      integer PRIMARY KEY CHECK (epoch > 0),
      created_at bigint NOT NULL
    );
    INSERT INTO custody.epochs
      SELECT epoch, 0 FROM custody.lookup_tags UNION SELECT epoch, 0 FROM custody.erased_tags;
    ALTER TABLE custody.lookup_tags ADD FOREIGN KEY (epoch) REFERENCES custody.epochs (epoch);
    ALTER TABLE custody.erased_tags ADD FOREIGN KEY (epoch) REFERENCES custody.epochs (epoch);
    GRANT SELECT ON custody.epochs TO lethe_app;
    GRANT SELECT, INSERT, DELETE ON custody.epochs TO lethe_worker;

    CREATE TABLE custody.rotations (
      to_epoch       integer PRIMARY KEY,
      from_epoch     integer NOT NULL CHECK (from_epoch < to_epoch),
      state          text NOT NULL CHECK (state IN
                     ('prepared', 'dual_write', 'backfill', 'switch', 'retire', 'retired')),
      started_at     bigint NOT NULL,
      changed_at     bigint NOT NULL,
      keys_total     bigint NOT NULL DEFAULT 0,
      keys_done      bigint NOT NULL DEFAULT 0,
      tags_done      bigint NOT NULL DEFAULT 0,
      vault_position text,
      backup         text,
      waiting_for    text,
      retired_at     bigint,
      CHECK ((state = 'retired') = (retired_at IS NOT NULL))
    );
    CREATE UNIQUE INDEX one_rotation_at_a_time ON custody.rotations ((true)) WHERE state <> 'retired';
    GRANT SELECT ON custody.rotations TO lethe_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON custody.rotations TO lethe_worker;

    CREATE FUNCTION custody.hold_epochs() RETURNS TABLE (first_epoch integer, second_epoch integer)
      LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
      PERFORM pg_advisory_xact_lock_shared(1818588264, 1);
      RETURN QUERY
        SELECT CASE WHEN r.state IN ('switch', 'retire') THEN r.to_epoch ELSE r.from_epoch END,
               CASE WHEN r.state IN ('dual_write', 'backfill') THEN r.to_epoch END
        FROM custody.rotations r WHERE r.state <> 'retired';
      IF NOT FOUND THEN
        RETURN QUERY SELECT max(e.epoch), NULL::integer FROM custody.epochs e;
      END IF;
    END $$;
    REVOKE ALL ON FUNCTION custody.hold_epochs() FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION custody.hold_epochs() TO lethe_app, lethe_worker;

    -- SELECT … FOR UPDATE asks for UPDATE on one column at least: a rotation holds the tags that it recomputes.
    GRANT UPDATE (row_id) ON custody.lookup_tags TO lethe_worker;
    -- What was erased under an epoch is forgotten with it.
    GRANT DELETE ON custody.erased_tags TO lethe_worker;
    """#
}
