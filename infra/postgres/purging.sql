-- What the keeper of a service's records deletes, and when: exactly the streams that a signed
-- cohort.purged names, never one whose newest record is younger than six calendar months.
--
-- For the database's administrator: run it after keeper.sql and lived.sql, and enter the installation's public
-- purge key (base64url, as `keys/purge.key.pub` has it) with
--
--   SELECT keeper.trust_purge_key('...');
--
-- A service may call these functions; without that key it can neither set nor make anything by which
-- they delete more. What audit, which has it, could still do: docs/decisions/0015.

SET ROLE bihuan_keeper;

CREATE TABLE IF NOT EXISTS keeper.purge_key (
  key bytea PRIMARY KEY CHECK (length(key) = 32),
  trusted_since timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE keeper.purge_key ADD COLUMN IF NOT EXISTS revoked_at timestamptz;

-- A number whose little-endian bytes these are (RFC 8032 §5.1.2).
CREATE OR REPLACE FUNCTION keeper.number_of(bytes bytea) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  number numeric := 0;
BEGIN
  FOR place IN REVERSE length(bytes) - 1 .. 0 LOOP
    number := number * 256 + get_byte(bytes, place);
  END LOOP;
  RETURN number;
END
$$;

CREATE OR REPLACE FUNCTION keeper.bytes_of(number numeric) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  bytes bytea := '\x0000000000000000000000000000000000000000000000000000000000000000';
BEGIN
  FOR place IN 0 .. 31 LOOP
    bytes := set_byte(bytes, place, (number % 256)::int);
    number := div(number, 256);
  END LOOP;
  RETURN bytes;
END
$$;

-- base ^ exponent in the field of 2^255 - 19.
CREATE OR REPLACE FUNCTION keeper.power(base numeric, exponent numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  p CONSTANT numeric :=
    57896044618658097711785492504343953926634992332820282019728792003956564819949;
  bits CONSTANT bytea := keeper.bytes_of(exponent);
  result numeric := 1;
BEGIN
  FOR place IN REVERSE 255 .. 0 LOOP
    result := (result * result) % p;
    IF get_bit(bits, place) = 1 THEN
      result := (result * base) % p;
    END IF;
  END LOOP;
  RETURN result;
END
$$;

-- Whether `signature` is Ed25519's of `message` by `key` (RFC 8032 §5.1.7, without the cofactor).
-- Refuses what the RFC lets a decoder refuse: S not below the order of the base point, coordinates
-- not below the field's prime; and keys of small order, a zero x with a sign among them: under these
-- almost anything is signed.
CREATE OR REPLACE FUNCTION keeper.is_signed(key bytea, message bytea, signature bytea)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  p CONSTANT numeric :=
    57896044618658097711785492504343953926634992332820282019728792003956564819949;
  base_order CONSTANT numeric :=
    7237005577332262213973186563042994240857116359379907606001950938285454250989;
  d CONSTANT numeric :=
    37095705934669439343138083508754565189542113879843219016388785533085940283555;
  root_of_minus_one CONSTANT numeric :=
    19681161376707505956807079304988542015446066515923890162744021073123829784752;
  base_x CONSTANT numeric :=
    15112221349535400772501151409588531511454012693041857206046113283949847762202;
  base_y CONSTANT numeric :=
    46316835694926478169428394003475163141307993866256225615783033603165251855960;
  s numeric;
  -- The key's point, negated at last.
  kx numeric; ky numeric; sign int; u numeric; v numeric;
  -- Multiples of (base, key, both) that may be added: y - x, y + x, 2dxy for z = 1; and z besides.
  added_z numeric[]; added_less numeric[]; added_more numeric[]; added_t numeric[];
  s_bits bytea; h_bits bytea; which int;
  -- The running point in extended coordinates, and what the formulas name.
  x numeric; y numeric; z numeric; t numeric;
  a numeric; b numeric; c numeric; e numeric; f numeric; g numeric; h numeric;
BEGIN
  IF length(key) <> 32 OR length(signature) <> 64 THEN
    RETURN false;
  END IF;
  s := keeper.number_of(substring(signature FROM 33));
  IF s >= base_order THEN
    RETURN false;
  END IF;

  -- The key's point (§5.1.3).
  sign := get_bit(key, 255);
  ky := keeper.number_of(set_bit(key, 255, 0));
  IF ky >= p THEN
    RETURN false;
  END IF;
  u := (ky * ky - 1) % p;
  v := (d * ((ky * ky) % p) + 1) % p;
  a := (v * v) % p;
  b := (u * v) % p;
  kx := (((b * a) % p) * keeper.power((((b * a) % p) * ((a * a) % p)) % p,
    7237005577332262213973186563042994240829374041602535252466099000494570602493)) % p;
  a := (v * ((kx * kx) % p)) % p;
  IF (a - u) % p <> 0 THEN
    IF (a + u) % p <> 0 THEN
      RETURN false;
    END IF;
    kx := (kx * root_of_minus_one) % p;
  END IF;
  kx := (kx + p) % p;
  IF kx % 2 <> sign THEN
    kx := p - kx;
  END IF;

  -- Eight times the key's point is nothing: its order is small.
  x := kx; y := ky; z := 1;
  FOR doubled IN 1 .. 3 LOOP
    a := (x * x) % p; b := (y * y) % p; c := (2 * z * z) % p;
    h := a + b; e := h - (x + y) * (x + y); g := a - b; f := c + g;
    x := (e * f) % p; y := (g * h) % p; z := (f * g) % p;
  END LOOP;
  IF x % p = 0 AND (y - z) % p = 0 THEN
    RETURN false;
  END IF;

  -- [s]base - [h]key, both at once, from the highest bit down (§5.1.4 for the formulas).
  kx := p - kx;
  a := ((ky - kx) * (base_y - base_x)) % p;
  b := ((ky + kx) * (base_y + base_x)) % p;
  c := (2 * d * ((kx * ky) % p) * ((base_x * base_y) % p)) % p;
  e := b - a; f := 2 - c; g := 2 + c; h := b + a;
  x := (e * f) % p; y := (g * h) % p; t := (e * h) % p; z := (f * g) % p;
  added_less := ARRAY[base_y - base_x, ky - kx, y - x];
  added_more := ARRAY[base_y + base_x, ky + kx, y + x];
  added_t := ARRAY[
    (2 * d * ((base_x * base_y) % p)) % p, (2 * d * ((kx * ky) % p)) % p, (2 * d * t) % p
  ];
  added_z := ARRAY[2, 2, 2 * z];
  s_bits := keeper.bytes_of(s);
  h_bits := keeper.bytes_of(
    keeper.number_of(sha512(substring(signature FROM 1 FOR 32) || key || message)) % base_order
  );
  x := 0; y := 1; z := 1; t := 0;
  FOR place IN REVERSE 252 .. 0 LOOP
    a := (x * x) % p; b := (y * y) % p; c := (2 * z * z) % p;
    h := a + b; e := h - (x + y) * (x + y); g := a - b; f := c + g;
    x := (e * f) % p; y := (g * h) % p; t := (e * h) % p; z := (f * g) % p;
    which := get_bit(s_bits, place) + 2 * get_bit(h_bits, place);
    IF which > 0 THEN
      a := ((y - x) * added_less[which]) % p;
      b := ((y + x) * added_more[which]) % p;
      c := (t * added_t[which]) % p;
      g := (z * added_z[which]) % p;
      e := b - a; f := g - c; h := b + a; g := g + c;
      x := (e * f) % p; y := (g * h) % p; t := (e * h) % p; z := (f * g) % p;
    END IF;
  END LOOP;
  z := keeper.power(z, p - 2);
  x := (((x * z) % p) + p) % p;
  y := (((y * z) % p) + p) % p;
  a := y + (x % 2) * 57896044618658097711785492504343953926634992332820282019728792003956564819968;
  RETURN keeper.bytes_of(a) = substring(signature FROM 1 FOR 32);
END
$$;

CREATE OR REPLACE FUNCTION keeper.from_base64url(written text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
  SELECT decode(
    translate(written, '-_', '+/') || repeat('=', (4 - length(written) % 4) % 4), 'base64'
  )
$$;

-- For the administrator: whose signature lets streams go. Entered twice is entered once; a key that
-- was revoked stays so, for every start enters the installation's key again.
CREATE OR REPLACE FUNCTION keeper.trust_purge_key(written text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO keeper.purge_key (key) VALUES (keeper.from_base64url(written)) ON CONFLICT DO NOTHING
$$;

-- For the administrator: a key that counts no more, whether it was entered or not.
CREATE OR REPLACE FUNCTION keeper.revoke_purge_key(written text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO keeper.purge_key AS known (key, revoked_at)
  VALUES (keeper.from_base64url(written), now())
  ON CONFLICT (key) DO UPDATE SET revoked_at = coalesce(known.revoked_at, now())
$$;

-- 24:00 of the date six calendar months after that of `newest`, in Shanghai; where the month has no
-- such date, of its last one (DOMAIN, Audit and retention: closed 31 August, not before 1 March).
CREATE OR REPLACE FUNCTION keeper.floor_ends(newest timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
  SELECT (((newest AT TIME ZONE 'Asia/Shanghai')::date + interval '6 months')::date + 1)::timestamp
    AT TIME ZONE 'Asia/Shanghai'
$$;

-- The text that is signed, as contracts/purging.py makes it.
CREATE OR REPLACE FUNCTION keeper.purge_text(data jsonb) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
  SELECT convert_to(
    E'bihuan cohort purged\n' || (data ->> 'cohort') || E'\n'
    || (data ->> 'part') || '/' || (data ->> 'parts') || E'\n'
    || (data ->> 'ground') || E'\n' || (data ->> 'count') || E'\n'
    || (data ->> 'proposed_by') || E'\n' || (data ->> 'by') || E'\n'
    || (SELECT string_agg(
          (one ->> 'source') || E'\t' || (one ->> 'subject') || E'\t'
          || (one ->> 'sequence') || E'\t' || (one ->> 'digest') || E'\n', ''
          ORDER BY (one ->> 'source') COLLATE "C", (one ->> 'subject') COLLATE "C"
        ) FROM jsonb_array_elements(data -> 'heads') AS one),
    'UTF8'
  )
$$;

-- Why nobody can have signed this purge, in words that can be read in one way only; null: its key did.
CREATE OR REPLACE FUNCTION keeper.fault_of_purge(event jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  data jsonb := event -> 'data';
BEGIN
  RETURN CASE
    WHEN event ->> 'type' IS DISTINCT FROM 'cohort.purged.v1' THEN 'it is no cohort.purged.v1'
    WHEN jsonb_typeof(data -> 'heads') IS DISTINCT FROM 'array' THEN 'it names no streams'
    WHEN EXISTS (
      SELECT FROM (
        SELECT value #>> '{}' AS written FROM jsonb_each(data) WHERE key <> 'heads'
        UNION ALL
        SELECT field.value #>> '{}' FROM jsonb_array_elements(data -> 'heads') AS one,
          jsonb_each(one) AS field
      ) AS said WHERE written IS NULL OR written ~ '[\x01-\x1f]'
    ) THEN 'a field is missing or has a control character'
    WHEN EXISTS (
      SELECT FROM jsonb_array_elements(data -> 'heads') AS one
      WHERE (one ->> 'subject') IS NULL OR (one ->> 'source') IS NULL
      OR (one ->> 'subject') !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
      OR coalesce(one ->> 'sequence', '') !~ '^[1-9][0-9]{0,17}$'
      OR coalesce(one ->> 'digest', '') !~ '^[0-9a-f]{64}$'
    ) THEN 'it names something else than the end of a complaint''s stream'
    WHEN data ->> 'proposed_by' = data ->> 'by' THEN 'who proposed it also approved it'
    WHEN keeper.purge_text(data) IS NULL THEN 'a field is missing'
    WHEN coalesce(data ->> 'key', '') !~ '^[A-Za-z0-9_-]{43}$'
      OR coalesce(data ->> 'signature', '') !~ '^[A-Za-z0-9_-]{86}$' THEN 'it is not signed'
    WHEN NOT keeper.is_signed(
      keeper.from_base64url(data ->> 'key'), keeper.purge_text(data),
      keeper.from_base64url(data ->> 'signature')
    ) THEN 'its signature is not the key''s'
  END;
END
$$;

-- Whether this purge is nobody's whose word counts, or ever may: it is not signed, or by a key that was
-- revoked. One of a key that was not entered yet may be audit's.
CREATE OR REPLACE FUNCTION keeper.is_forged(event jsonb) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT keeper.fault_of_purge(event) IS NOT NULL OR EXISTS (
    SELECT FROM keeper.purge_key
    WHERE key = keeper.from_base64url(event -> 'data' ->> 'key') AND revoked_at IS NOT NULL
  )
$$;

-- Raises KP010 unless a trusted key signed this purge.
CREATE OR REPLACE FUNCTION keeper.check_purge(event jsonb) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  fault text := keeper.fault_of_purge(event);
BEGIN
  IF fault IS NULL AND NOT EXISTS (
    SELECT FROM keeper.purge_key
    WHERE key = keeper.from_base64url(event -> 'data' ->> 'key') AND revoked_at IS NULL
  ) THEN
    fault := 'its key is not trusted here';
  END IF;
  IF fault IS NOT NULL THEN
    RAISE EXCEPTION 'nothing is purged: %', fault USING ERRCODE = 'KP010';
  END IF;
END
$$;

-- Raises KP010 unless each of these is a table of the keeper's own. In place of one that is not there
-- a service could put a view with a function in it, which would run in the keeper's name. What the
-- keeper owns the service can neither rename, drop nor change: it is still so when it is read.
CREATE OR REPLACE FUNCTION keeper.check_kept(VARIADIC names text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY names LOOP
    IF NOT EXISTS (
      SELECT FROM pg_class WHERE oid = to_regclass(format('public.%I', name))
      AND relkind IN ('r', 'p') AND relowner = 'bihuan_keeper'::regrole
    ) THEN
      RAISE EXCEPTION 'nothing goes: % is no table that is kept here', name
        USING ERRCODE = 'KP010';
    END IF;
  END LOOP;
END
$$;

-- Deletes the streams of this database that the event names; returns how many events went. A stream
-- that is gone already is no fault. One that ends elsewhere, or is too young by this server's clock,
-- refuses the whole (KP010): then nothing was deleted. `kept` are complaints that the service keeps,
-- for they were taken up again; keeping needs nobody's leave.
DROP FUNCTION IF EXISTS keeper.purge_streams(jsonb);
CREATE OR REPLACE FUNCTION keeper.purge_streams(event jsonb, kept uuid[] DEFAULT '{}')
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  fault text;
  streams uuid[];
  gone bigint;
BEGIN
  PERFORM keeper.check_kept('stored_events');
  PERFORM keeper.check_purge(event);
  LOCK TABLE public.stored_events IN EXCLUSIVE MODE;
  SELECT array_agg(subject), min(
    CASE
      WHEN sequence IS NULL THEN format('%s has a stream that is not named', own)
      WHEN ends_at <> sequence OR ends_with <> digest
        THEN format('a stream of %s does not end where it says', own)
      WHEN keeper.floor_ends(newest) > keeper.vouched_now()
        THEN format('a stream of %s is kept until %s%s', own, keeper.floor_ends(newest),
          keeper.not_vouched())
    END
  ) INTO streams, fault
  FROM (
    SELECT complaint.subject, own, newest, ends_at, ends_with,
      (head ->> 'sequence')::bigint AS sequence, head ->> 'digest' AS digest
    FROM (
      SELECT DISTINCT (one ->> 'subject')::uuid AS subject
      FROM jsonb_array_elements(event -> 'data' -> 'heads') AS one
      WHERE (one ->> 'subject')::uuid <> ALL (kept)
    ) AS complaint
    CROSS JOIN LATERAL (
      SELECT originator_version AS ends_at, encode(sha256(state), 'hex') AS ends_with,
        convert_from(state, 'UTF8')::jsonb ->> 'source' AS own,
        -- Of all of them, for a clock that was set back makes the last one look older than it is.
        (SELECT max((convert_from(e.state, 'UTF8')::jsonb ->> 'time')::timestamptz)
         FROM public.stored_events e WHERE e.originator_id = complaint.subject) AS newest
      FROM public.stored_events
      WHERE originator_id = complaint.subject ORDER BY originator_version DESC LIMIT 1
    ) AS last
    LEFT JOIN jsonb_array_elements(event -> 'data' -> 'heads') AS head
      ON (head ->> 'subject')::uuid = complaint.subject AND head ->> 'source' = own
  ) AS named;
  IF fault IS NOT NULL THEN
    RAISE EXCEPTION 'nothing is purged: %', fault USING ERRCODE = 'KP010';
  END IF;
  DELETE FROM public.stored_events WHERE originator_id = ANY (streams);
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END
$$;

-- The same for audit's archive, which has the streams of all services: of each record its place and
-- digest stay, in public.purged_record, so that what was sealed can still be shown to be complete.
-- Gone already, head and all, is no fault; a head whose rows are elsewhere refuses the whole.
DROP FUNCTION IF EXISTS keeper.purge_archive(jsonb);
CREATE OR REPLACE FUNCTION keeper.purge_archive(event jsonb, kept uuid[] DEFAULT '{}')
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  fault text;
  gone bigint;
BEGIN
  PERFORM keeper.check_kept('archive', 'head', 'purged_record');
  PERFORM keeper.check_purge(event);
  LOCK TABLE public.archive IN SHARE ROW EXCLUSIVE MODE;
  SELECT min(
    CASE
      WHEN NOT there
        THEN format('a stream of %s has its end on record and no rows: is it in a file?', source)
      WHEN ends_at IS DISTINCT FROM sequence OR ends_with IS DISTINCT FROM digest
        OR headed_at IS DISTINCT FROM sequence OR headed_with IS DISTINCT FROM digest
        THEN format('a stream of %s does not end where it says', source)
      WHEN newest IS NULL OR keeper.floor_ends(newest) > keeper.vouched_now()
        THEN format('a stream of %s is kept until %s%s', source, keeper.floor_ends(newest),
          keeper.not_vouched())
    END
  ) INTO fault
  FROM (
    SELECT one ->> 'source' AS source, (one ->> 'sequence')::bigint AS sequence,
      one ->> 'digest' AS digest, last.there IS TRUE AS there, last.sequence AS ends_at,
      encode(sha256(last.state), 'hex') AS ends_with, h.sequence AS headed_at,
      encode(h.digest, 'hex') AS headed_with,
      (SELECT max(a.time) FROM public.archive a
       WHERE a.subject = one ->> 'subject' AND a.source = one ->> 'source') AS newest
    FROM jsonb_array_elements(event -> 'data' -> 'heads') AS one
    LEFT JOIN LATERAL (
      SELECT true AS there, a.sequence, a.state FROM public.archive a
      WHERE a.subject = one ->> 'subject' AND a.source = one ->> 'source'
      ORDER BY a.sequence DESC NULLS FIRST LIMIT 1
    ) AS last ON true
    LEFT JOIN public.head h ON h.subject = one ->> 'subject' AND h.source = one ->> 'source'
    WHERE (last.there OR h.subject IS NOT NULL) AND (one ->> 'subject')::uuid <> ALL (kept)
  ) AS named;
  IF fault IS NOT NULL THEN
    RAISE EXCEPTION 'nothing is purged: %', fault USING ERRCODE = 'KP010';
  END IF;
  INSERT INTO public.purged_record
    (partition, life, record_offset, source, subject, sequence, position, after, digest, tombstone)
  SELECT a.partition, a.life, a.record_offset, a.source, a.subject, a.sequence, a.position, a.after,
    a.digest, (event ->> 'id')::uuid
  FROM jsonb_array_elements(event -> 'data' -> 'heads') AS one
  JOIN public.archive a ON a.subject = one ->> 'subject' AND a.source = one ->> 'source'
  WHERE (one ->> 'subject')::uuid <> ALL (kept)
  ON CONFLICT DO NOTHING;
  DELETE FROM public.archive a USING jsonb_array_elements(event -> 'data' -> 'heads') AS one
  WHERE a.subject = one ->> 'subject' AND a.source = one ->> 'source'
  AND (one ->> 'subject')::uuid <> ALL (kept);
  GET DIAGNOSTICS gone = ROW_COUNT;
  DELETE FROM public.head h USING jsonb_array_elements(event -> 'data' -> 'heads') AS one
  WHERE h.subject = one ->> 'subject' AND h.source = one ->> 'source'
  AND (one ->> 'subject')::uuid <> ALL (kept)
  AND h.sequence = (one ->> 'sequence')::bigint AND encode(h.digest, 'hex') = one ->> 'digest';
  RETURN gone;
END
$$;

-- Takes one partition's rows of a month out of audit's archive, up to a place; returns how many. Only
-- what the newest cohort.archived on record says lies in the month's file, and nothing younger than
-- the floor: this server cannot look into the file. Raises KP011.
CREATE OR REPLACE FUNCTION keeper.release_archived(
  month date, log_partition int, upto_life int, upto_offset bigint
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  told jsonb;
  filed bigint;
  there bigint;
  newest timestamptz;
BEGIN
  PERFORM keeper.check_kept('archive', 'stored_events');
  LOCK TABLE public.archive IN SHARE ROW EXCLUSIVE MODE;
  SELECT convert_from(state, 'UTF8')::jsonb INTO told FROM public.stored_events
  WHERE topic IN ('cohort.archived.v1', 'cohort.restored.v1')
  AND convert_from(state, 'UTF8')::jsonb -> 'data' ->> 'cohort' = to_char(month, 'YYYY-MM')
  ORDER BY notification_id DESC LIMIT 1;
  SELECT (run ->> 'records')::bigint INTO filed
  FROM jsonb_array_elements(told -> 'data' -> 'partitions') AS run
  WHERE told ->> 'type' = 'cohort.archived.v1' AND (run ->> 'partition')::int = log_partition
  AND ((run ->> 'life')::int, (run ->> 'offset')::bigint) >= (upto_life, upto_offset);
  SELECT count(*), max(a.time) INTO there, newest FROM public.archive a
  WHERE a.cohort = month AND a.partition = log_partition
  AND (a.life, a.record_offset) <= (upto_life, upto_offset);
  IF there = 0 THEN
    RETURN 0;
  END IF;
  IF filed IS NULL OR there > filed THEN
    RAISE EXCEPTION 'nothing leaves: no file of % holds so much of partition %',
      to_char(month, 'YYYY-MM'), log_partition USING ERRCODE = 'KP011';
  END IF;
  IF newest IS NULL OR keeper.floor_ends(newest) > keeper.vouched_now() THEN
    RAISE EXCEPTION 'nothing leaves: records of % are kept here until %', to_char(month, 'YYYY-MM'),
      keeper.floor_ends(newest)::text || keeper.not_vouched() USING ERRCODE = 'KP011';
  END IF;
  DELETE FROM public.archive a
  WHERE a.cohort = month AND a.partition = log_partition
  AND (a.life, a.record_offset) <= (upto_life, upto_offset);
  RETURN there;
END
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA keeper FROM PUBLIC;
GRANT SELECT ON keeper.purge_key TO bihuan_service;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA keeper FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keeper.purge_streams, keeper.purge_archive, keeper.release_archived,
  keeper.live_on, keeper.is_forged
  TO bihuan_service;

RESET ROLE;
