-- The keeper of a service's records, in one database of one service.
--
-- For the database's administrator: run it in each service's database when that is made and at each
-- release; a second time is harmless. What belongs to role bihuan_keeper, which nobody can log in
-- as, a service may read and add to, and neither change, delete nor drop (docs/decisions/0015).
-- A service's own login role is a member of bihuan_service, and bihuan_keeper a member of it:
--
--   CREATE ROLE intake LOGIN PASSWORD '...' IN ROLE bihuan_service;
--   GRANT intake TO bihuan_keeper;
--   CREATE DATABASE bihuan_intake OWNER bihuan_keeper;
--   REVOKE ALL ON DATABASE bihuan_intake FROM PUBLIC;
--   GRANT CONNECT, TEMPORARY ON DATABASE bihuan_intake TO intake;
--
-- Needs PostgreSQL 17 or newer (privilege MAINTAIN: to lock a table one may not change).

DO $$
BEGIN
  PERFORM pg_advisory_xact_lock(7231003);
  IF to_regrole('bihuan_keeper') IS NULL THEN
    CREATE ROLE bihuan_keeper NOLOGIN;
  END IF;
  IF to_regrole('bihuan_service') IS NULL THEN
    CREATE ROLE bihuan_service NOLOGIN;
  END IF;
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO bihuan_service;
CREATE SCHEMA IF NOT EXISTS keeper;
ALTER SCHEMA keeper OWNER TO bihuan_keeper;
GRANT USAGE ON SCHEMA keeper TO bihuan_service;

SET ROLE bihuan_keeper;

-- Why a table cannot be taken over; null when it can. What would run in the keeper's name when the
-- keeper deletes, adds or analyzes rows (triggers, rules, cascades, expressions) must not come from
-- a service.
CREATE OR REPLACE FUNCTION keeper.unfit(kept regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE
    WHEN EXISTS (SELECT FROM pg_trigger WHERE tgrelid = kept) THEN 'it has triggers'
    WHEN EXISTS (SELECT FROM pg_rewrite WHERE ev_class = kept) THEN 'it has rules'
    WHEN EXISTS (SELECT FROM pg_policy WHERE polrelid = kept) THEN 'it has policies'
    WHEN EXISTS (SELECT FROM pg_constraint WHERE kept IN (conrelid, confrelid) AND contype = 'f')
      THEN 'it has foreign keys'
    WHEN EXISTS (SELECT FROM pg_constraint WHERE conrelid = kept
                 AND contype NOT IN ('p', 'u', 'n'))
      THEN 'it has checks'
    WHEN EXISTS (SELECT FROM pg_attrdef WHERE adrelid = kept
                 AND pg_get_expr(adbin, adrelid) !~ '^nextval\(''[^'']+''::regclass\)$')
      THEN 'a column has a default other than the next number of a sequence'
    WHEN EXISTS (SELECT FROM pg_statistic_ext WHERE stxrelid = kept) THEN 'it has statistics'
    WHEN EXISTS (SELECT FROM pg_index WHERE indrelid = kept
                 AND (indexprs IS NOT NULL OR indpred IS NOT NULL))
      THEN 'it has an index over an expression'
    WHEN EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = kept AND partexprs IS NOT NULL)
      THEN 'it is partitioned by an expression'
    WHEN EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                 WHERE i.inhparent = kept AND NOT c.relispartition)
      THEN 'other tables inherit from it'
    WHEN EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                 WHERE a.attrelid = kept AND NOT a.attisdropped
                 AND (t.typnamespace <> 'pg_catalog'::regnamespace OR a.attgenerated <> ''
                      OR a.attacl IS NOT NULL))
      THEN 'a column is generated, granted by itself or of a type not PostgreSQL''s own'
    WHEN EXISTS (SELECT FROM pg_class c, aclexplode(c.relacl) g
                 WHERE c.oid = kept AND g.grantee <> c.relowner)
      THEN 'others have privileges on it'
    WHEN EXISTS (SELECT FROM pg_class WHERE oid = kept
                 AND (relkind NOT IN ('r', 'p') OR relrowsecurity OR relpersistence <> 'p'))
      THEN 'it is no ordinary table'
  END
$$;

CREATE OR REPLACE FUNCTION keeper.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'a row of % only ever grows', TG_TABLE_NAME USING ERRCODE = 'KP001';
END
$$;

-- Takes a table of schema public over, with its partitions, if it is one of those that the keeper
-- knows. The service may then add rows and read them. A row may change in two ways only, where the service says so now: `grows` names a column
-- that increases with each change, `extends` one (bytea) that keeps what it had as its beginning.
CREATE OR REPLACE FUNCTION keeper.keep(
  kept_name text, grows text DEFAULT NULL, extends text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  kept regclass := to_regclass(format('public.%I', kept_name));
  part regclass;
  counter regclass;
  fault text;
  changing text;
BEGIN
  IF kept_name IS NULL OR kept_name <> ALL (ARRAY[
    'stored_events', 'archive', 'head', 'running_digest', 'tile', 'sealed', 'span', 'fault',
    'log_life', 'purged_record'
  ]) THEN
    RAISE EXCEPTION '% is no table that the keeper knows', kept_name USING ERRCODE = 'KP002';
  END IF;
  IF kept IS NULL THEN
    RAISE EXCEPTION 'there is no table % to keep', kept_name USING ERRCODE = 'KP002';
  END IF;
  IF (SELECT relowner FROM pg_class WHERE oid = kept) = 'bihuan_keeper'::regrole THEN
    RETURN;
  END IF;
  EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', kept);
  IF to_regclass(format('public.%I', kept_name)) IS DISTINCT FROM kept THEN
    RAISE EXCEPTION '% was exchanged meanwhile', kept_name USING ERRCODE = 'KP002';
  END IF;
  FOR part IN SELECT kept UNION SELECT relid FROM pg_partition_tree(kept) LOOP
    fault := keeper.unfit(part);
    IF fault IS NOT NULL THEN
      RAISE EXCEPTION '% cannot be kept: %', part, fault USING ERRCODE = 'KP002';
    END IF;
    EXECUTE format('ALTER TABLE %s OWNER TO bihuan_keeper', part);
  END LOOP;
  EXECUTE format('GRANT SELECT, INSERT, MAINTAIN ON TABLE %s TO bihuan_service', kept);
  FOR counter IN
    SELECT d.objid FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = kept AND d.deptype IN ('a', 'i')
  LOOP
    EXECUTE format('GRANT USAGE, SELECT, UPDATE ON SEQUENCE %s TO bihuan_service', counter);
  END LOOP;
  IF grows IS NULL AND extends IS NULL THEN
    RETURN;
  END IF;
  SELECT string_agg(format('%I', a.attname), ', ') INTO changing FROM pg_attribute a
  WHERE a.attrelid = kept AND a.attnum > 0 AND NOT a.attisdropped AND NOT EXISTS (
    SELECT FROM pg_index i WHERE i.indrelid = kept AND i.indisprimary AND a.attnum = ANY (i.indkey)
  );
  EXECUTE format('GRANT UPDATE (%s) ON TABLE %s TO bihuan_service', changing, kept);
  EXECUTE format(
    'CREATE TRIGGER keeper BEFORE UPDATE ON %s FOR EACH ROW '
    'WHEN (OLD.* IS DISTINCT FROM NEW.* AND NOT (%s)) EXECUTE FUNCTION keeper.refuse_change()',
    kept,
    CASE WHEN grows IS NOT NULL THEN format('NEW.%1$I > OLD.%1$I', grows)
    ELSE format(
      'length(NEW.%1$I) > length(OLD.%1$I) AND '
      'substring(NEW.%1$I FROM 1 FOR length(OLD.%1$I)) = OLD.%1$I', extends)
    END
  );
END
$$;

-- A further partition of a kept table, for one date. Attached rather than made in place: that would
-- wait for every reader of the table.
CREATE OR REPLACE FUNCTION keeper.add_partition(parent_name text, part_name text, holds date)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  parent regclass := to_regclass(format('public.%I', parent_name));
BEGIN
  IF parent IS NULL OR NOT EXISTS (
    SELECT FROM pg_class WHERE oid = parent AND relkind = 'p'
    AND relowner = 'bihuan_keeper'::regrole
  ) OR left(part_name, length(parent_name) + 1) <> parent_name || '_' THEN
    RAISE EXCEPTION '% cannot be a partition of %', part_name, parent_name USING ERRCODE = 'KP002';
  END IF;
  EXECUTE format('CREATE TABLE public.%I (LIKE %s INCLUDING DEFAULTS)', part_name, parent);
  EXECUTE format(
    'ALTER TABLE %s ATTACH PARTITION public.%I FOR VALUES IN (%L)', parent, part_name, holds
  );
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA keeper FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keeper.keep, keeper.add_partition TO bihuan_service;

RESET ROLE;

-- A database that a service owned until now: its tables stay its own, the database does not.
DO $$
DECLARE
  before name;
BEGIN
  SELECT pg_get_userbyid(datdba) INTO before FROM pg_database
  WHERE datname = current_database() AND NOT datistemplate;
  IF before IS NOT NULL THEN
    EXECUTE format('ALTER DATABASE %I OWNER TO bihuan_keeper', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    IF before <> 'bihuan_keeper' THEN
      EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), before);
    END IF;
  END IF;
END
$$;
