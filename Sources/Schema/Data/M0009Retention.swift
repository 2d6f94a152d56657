extension DataMigrations {
  /// What is sealed in the archive, which rows of the log may therefore go, and what witnesses have signed.
  ///
  /// Nobody may delete an entry, not even the tables' owner; what has had its time is deleted by two functions that
  /// belong to the owner and check what the database can know. `audit.seals.rows_from` says from where on a tenant's
  /// rows are complete: only these functions move it, and the trigger lets nothing else go. The functions run under
  /// the owner, for whom row-level security is forced too, so each of them sees one tenant at a time.
  static let retention = #"""
    CREATE TABLE audit.seals (
      tenant_id    uuid PRIMARY KEY REFERENCES custody.tenants (id),
      sealed_up_to bigint NOT NULL CHECK (sealed_up_to >= 0),
      sealed_at    bigint NOT NULL,
      rows_from    bigint NOT NULL DEFAULT 0 CHECK (rows_from BETWEEN 0 AND sealed_up_to),
      -- What the log's last entry log.entries_expired says.
      announced        bigint NOT NULL DEFAULT 0 CHECK (announced >= 0),
      announced_policy text CHECK (char_length(announced_policy) BETWEEN 1 AND 255)
    );
    ALTER TABLE audit.seals ENABLE ROW LEVEL SECURITY;
    ALTER TABLE audit.seals FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON audit.seals
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT ON audit.seals TO lethe_app, lethe_worker;
    GRANT INSERT (tenant_id, sealed_up_to, sealed_at),
      UPDATE (sealed_up_to, sealed_at, announced, announced_policy) ON audit.seals TO lethe_worker;

    -- A log whose tenant has left takes no further entry.
    ALTER TABLE audit.heads ADD COLUMN closed_at bigint;
    GRANT UPDATE (closed_at) ON audit.heads TO lethe_worker;

    CREATE OR REPLACE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM audit.seals s WHERE s.tenant_id = OLD.tenant_id AND OLD.seq < s.rows_from) THEN
          RETURN OLD;
        END IF;
      END IF;
      RAISE EXCEPTION 'audit entries are append-only' USING ERRCODE = 'insufficient_privilege';
    END $$;

    -- Deletes rows of the current tenant before an entry up to which its log is sealed, at most so many, and never more
    -- than ten thousand. Only what is published and older than a day; of a log that is closed, everything. What is
    -- sealed, published and closed the worker itself writes down: it is believed in that.
    CREATE FUNCTION audit.delete_sealed_entries(up_to bigint, at_most bigint) RETURNS bigint
      LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
      mine constant uuid := custody.current_tenant();
      is_closed boolean;
      newest bigint;
      gone bigint;
    BEGIN
      IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'another isolation level may not see what is there'
          USING ERRCODE = 'object_not_in_prerequisite_state';
      END IF;
      SELECT h.closed_at IS NOT NULL INTO is_closed FROM audit.heads h
        WHERE h.tenant_id = mine AND h.size >= up_to
          AND up_to <= (SELECT max(c.size) FROM audit.checkpoints c WHERE c.tenant_id = mine);
      IF NOT FOUND THEN
        RAISE EXCEPTION 'entries that are not published stay' USING ERRCODE = 'object_not_in_prerequisite_state';
      END IF;
      IF NOT is_closed THEN
        SELECT split_part(convert_from(e.entry, 'UTF8'), chr(10), 5)::bigint INTO newest FROM audit.entries e
          WHERE e.tenant_id = mine AND e.seq < up_to ORDER BY e.seq DESC LIMIT 1;
        IF newest > extract(epoch FROM clock_timestamp()) * 1000000 - 86400000000 THEN
          RAISE EXCEPTION 'entries stay for a day at least' USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
      END IF;
      UPDATE audit.seals s SET rows_from = greatest(s.rows_from, up_to)
        WHERE s.tenant_id = mine AND s.sealed_up_to >= up_to;
      IF NOT FOUND THEN
        RAISE EXCEPTION 'entries that are not sealed stay' USING ERRCODE = 'object_not_in_prerequisite_state';
      END IF;
      DELETE FROM audit.entries e
        WHERE e.tenant_id = mine AND e.seq IN (
          SELECT o.seq FROM audit.entries o WHERE o.tenant_id = mine AND o.seq < up_to
          ORDER BY o.seq LIMIT greatest(least(coalesce(at_most, 0), 10000), 0));
      GET DIAGNOSTICS gone = ROW_COUNT;
      RETURN gone;
    END $$;
    REVOKE ALL ON FUNCTION audit.delete_sealed_entries(bigint, bigint) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION audit.delete_sealed_entries(bigint, bigint) TO lethe_worker;

    -- Makes a partition as M0002 made the first ones. Attaching one lets others read and write the table, but waits
    -- for whoever is in the default partition and keeps everybody out of that while it is searched.
    CREATE FUNCTION audit.attach_partition(partition text, bounds text) RETURNS void
      LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
      EXECUTE format('CREATE TABLE audit.%I (LIKE audit.entries INCLUDING ALL)', partition);
      EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON audit.%I
                      FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()', partition);
      EXECUTE format('ALTER TABLE audit.%I ENABLE ROW LEVEL SECURITY', partition);
      EXECUTE format('ALTER TABLE audit.%I FORCE ROW LEVEL SECURITY', partition);
      EXECUTE format('CREATE POLICY own_tenant ON audit.%I USING (tenant_id = custody.current_tenant())
                      WITH CHECK (tenant_id = custody.current_tenant())', partition);
      EXECUTE format('ALTER TABLE audit.entries ATTACH PARTITION audit.%I %s', partition, bounds);
    END $$;
    REVOKE ALL ON FUNCTION audit.attach_partition(text, text) FROM PUBLIC;

    -- Makes partitions until there is one for every sequence number below `up_to`; returns how many it made. Where the
    -- default partition already has rows of the next one's numbers, they stay there for good: it goes on behind the
    -- last of them, and the server's log says so.
    CREATE FUNCTION audit.make_partitions(up_to bigint) RETURNS bigint
      LANGUAGE plpgsql VOLATILE SECURITY DEFINER
      SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
    DECLARE
      width constant bigint := 8388608;
      upper_end bigint;
      behind bigint;
      made bigint := 0;
    BEGIN
      PERFORM pg_advisory_xact_lock(1818588264, 2);
      SELECT max(substring(pg_get_expr(c.relpartbound, c.oid) FROM $re$TO \('?(\d+)'?\)$re$)::bigint) INTO upper_end
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'audit.entries'::regclass;
      WHILE upper_end < up_to AND made < 16 LOOP
        BEGIN
          PERFORM audit.attach_partition(
            'entries_from_' || upper_end, format('FOR VALUES FROM (%s) TO (%s)', upper_end, upper_end + width));
          upper_end := upper_end + width;
          made := made + 1;
        EXCEPTION WHEN check_violation THEN
          -- The owner looks at all tenants' rows, within this transaction, in which nobody else can reach them.
          ALTER TABLE audit.entries_rest NO FORCE ROW LEVEL SECURITY;
          SELECT max(seq) INTO behind FROM audit.entries_rest;
          ALTER TABLE audit.entries_rest FORCE ROW LEVEL SECURITY;
          RAISE WARNING 'audit.entries_rest has rows from % on: there is no partition for them', upper_end;
          upper_end := (greatest(behind, upper_end) / width + 1) * width;
        END;
      END LOOP;
      RETURN made;
    END $$;
    REVOKE ALL ON FUNCTION audit.make_partitions(bigint) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION audit.make_partitions(bigint) TO lethe_worker;

    -- Drops a partition whose every entry is sealed and older than `before`, microseconds since 1970, and puts an empty
    -- one in its place: the logs of other tenants may still come to these numbers. Returns how many tenants had entries
    -- in it. Object_not_in_prerequisite_state says that it may not go, or is empty. For its short time the table is
    -- locked; when that isn't had within a second, it fails, and is tried again another time.
    CREATE FUNCTION audit.drop_sealed_partition(wanted text, before bigint) RETURNS bigint
      LANGUAGE plpgsql VOLATILE SECURITY DEFINER
      SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
    DECLARE
      caller text := coalesce(current_setting('app.tenant_id', true), '');
      bounds text;
      owner_of uuid;
      last_seq bigint;
      last_time bigint;
      tenants bigint := 0;
    BEGIN
      IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'another isolation level may not see what is there'
          USING ERRCODE = 'object_not_in_prerequisite_state';
      END IF;
      IF before > extract(epoch FROM clock_timestamp()) * 1000000 - 86400000000 THEN
        RAISE EXCEPTION 'entries stay for a day at least' USING ERRCODE = 'object_not_in_prerequisite_state';
      END IF;
      SELECT pg_get_expr(c.relpartbound, c.oid) INTO bounds
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'audit.entries'::regclass AND c.relname = wanted
          AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT';
      IF NOT FOUND THEN
        RAISE EXCEPTION 'no such partition' USING ERRCODE = 'undefined_table';
      END IF;
      LOCK TABLE ONLY audit.entries IN ACCESS EXCLUSIVE MODE;
      -- For this transaction only: the owner looks at all tenants' rows. What is refused below undoes it.
      EXECUTE format('ALTER TABLE audit.%I NO FORCE ROW LEVEL SECURITY', wanted);
      LOOP
        EXECUTE format('SELECT tenant_id FROM audit.%I WHERE $1 IS NULL OR tenant_id > $1
                        ORDER BY tenant_id LIMIT 1', wanted) INTO owner_of USING owner_of;
        EXIT WHEN owner_of IS NULL;
        EXECUTE format('SELECT seq, split_part(convert_from(entry, ''UTF8''), chr(10), 5)::bigint FROM audit.%I
                        WHERE tenant_id = $1 ORDER BY seq DESC LIMIT 1', wanted)
          INTO last_seq, last_time USING owner_of;
        IF last_time >= before THEN
          RAISE EXCEPTION 'entries are too young' USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        PERFORM set_config('app.tenant_id', owner_of::text, true);
        UPDATE audit.seals s SET rows_from = greatest(s.rows_from, last_seq + 1)
          WHERE s.tenant_id = owner_of AND s.sealed_up_to > last_seq
            AND last_seq < (SELECT h.size FROM audit.heads h WHERE h.tenant_id = owner_of)
            AND last_seq < (SELECT max(c.size) FROM audit.checkpoints c WHERE c.tenant_id = owner_of);
        IF NOT FOUND THEN
          RAISE EXCEPTION 'entries that are not sealed and published stay' USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        tenants := tenants + 1;
      END LOOP;
      PERFORM set_config('app.tenant_id', caller, true);
      IF tenants = 0 THEN
        RAISE EXCEPTION 'the partition is empty' USING ERRCODE = 'object_not_in_prerequisite_state';
      END IF;
      EXECUTE format('DROP TABLE audit.%I', wanted);
      PERFORM audit.attach_partition(wanted, bounds);
      RETURN tenants;
    END $$;
    REVOKE ALL ON FUNCTION audit.drop_sealed_partition(text, bigint) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION audit.drop_sealed_partition(text, bigint) TO lethe_worker;

    CREATE TABLE audit.cosignatures (
      tenant_id   uuid NOT NULL REFERENCES custody.tenants (id),
      size        bigint NOT NULL CHECK (size >= 0),
      witness     text NOT NULL CHECK (char_length(witness) BETWEEN 1 AND 255),
      key_id      bigint NOT NULL CHECK (key_id BETWEEN 0 AND 4294967295),
      signed_at   bigint NOT NULL CHECK (signed_at >= 0),
      line        text NOT NULL CHECK (char_length(line) BETWEEN 1 AND 1024),
      received_at bigint NOT NULL,
      PRIMARY KEY (tenant_id, size, witness, key_id)
    );
    ALTER TABLE audit.cosignatures ENABLE ROW LEVEL SECURITY;
    ALTER TABLE audit.cosignatures FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_tenant ON audit.cosignatures
      USING (tenant_id = custody.current_tenant()) WITH CHECK (tenant_id = custody.current_tenant());
    GRANT SELECT, INSERT ON audit.cosignatures TO lethe_app;
    GRANT SELECT ON audit.cosignatures TO lethe_worker;
    """#
}
