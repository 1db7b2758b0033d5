-- How much of what this server's clock says was lived through, as far as audit's process says so: a
-- clock can be set, and one that leapt ahead would make every floor seem to have passed.
--
-- For the database's administrator: run it after keeper.sql and before purging.sql. A row stands in
-- audit's database only; in the others the floor goes by the server's clock alone
-- (docs/decisions/0015).

SET ROLE bihuan_keeper;

CREATE TABLE IF NOT EXISTS keeper.lived_time (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  seen timestamptz NOT NULL,
  vouched timestamptz NOT NULL
);
-- An earlier release lowered `vouched` with a clock that was set back.
ALTER TABLE keeper.lived_time DROP CONSTRAINT IF EXISTS lived_time_check;

-- Up to where time is vouched for when the clock says `clock`: `seen` is what it said last, `vouched`
-- how far it was vouched for then, and `lived` how long the process ran since by a clock that nobody
-- sets; null: it was started anew.
--
-- Counted is what both say: of a clock that leapt only what was lived (and a thousandth, for clocks
-- differ). Below a minute what is missing may be made up: then an answer was late. Across a restart
-- a day counts at most, of a longer rest nobody knows. A clock that is set back is vouched for again,
-- but never for more than before it leapt; what was vouched for stays so, and lies ahead of a clock
-- that is behind: who asks takes the lesser of the two. A claim counts for a day at most: whoever has taken over
-- the process cannot make a year of it.
CREATE OR REPLACE FUNCTION keeper.vouched_until(
  seen timestamptz, vouched timestamptz, clock timestamptz, lived interval DEFAULT NULL
) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT greatest(vouched, least(clock, vouched + make_interval(secs => (CASE
    WHEN lived IS NULL THEN least(greatest(passed, 0), day)
    WHEN passed < 0 OR missing < 60 THEN claimed
    ELSE least(passed, claimed)
  END)::double precision)))
  FROM (SELECT extract(epoch FROM clock) - extract(epoch FROM seen) AS passed,
    extract(epoch FROM seen) - extract(epoch FROM vouched) AS missing,
    least(greatest(extract(epoch FROM lived), 0), 86400) * 1.001 AS claimed, 86400 AS day) AS seconds
$$;

-- The process has run for so long since it called this last (null: it never has); returns what the
-- clock says and up to where it is vouched for. At the first call ever that is where the newest
-- record of the archive stands, so that a row that was lost lowers nothing.
CREATE OR REPLACE FUNCTION keeper.live_on(
  lived interval DEFAULT NULL, OUT clock timestamptz, OUT vouched timestamptz
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known keeper.lived_time;
  newest timestamptz;
BEGIN
  SELECT * INTO known FROM keeper.lived_time FOR UPDATE;
  IF NOT FOUND THEN
    lived := NULL;
    IF to_regclass('public.head') IS NOT NULL THEN
      PERFORM keeper.check_kept('head');
      EXECUTE 'SELECT max(time) FROM public.head' INTO newest;
    END IF;
    newest := least(newest, clock_timestamp());
    INSERT INTO keeper.lived_time (seen, vouched) VALUES (newest, newest) ON CONFLICT DO NOTHING;
    SELECT * INTO known FROM keeper.lived_time FOR UPDATE;
  END IF;
  clock := clock_timestamp();
  known.vouched := keeper.vouched_until(known.seen, known.vouched, clock, lived);
  UPDATE keeper.lived_time SET seen = live_on.clock, vouched = known.vouched;
  vouched := least(clock, known.vouched);
END
$$;

-- By what the floor goes here. Where nobody has said for how long: a day at most since the last word.
-- Of less than a minute nobody speaks: so far two clocks may differ.
CREATE OR REPLACE FUNCTION keeper.vouched_now() RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN until + interval '1 minute' > now() THEN now() ELSE coalesce(until, now()) END
  FROM (SELECT (SELECT keeper.vouched_until(seen, vouched, now()) FROM keeper.lived_time) AS until)
    AS told
$$;

-- For whom a floor refuses: how much of the clock does not count; nothing where all of it does.
CREATE OR REPLACE FUNCTION keeper.not_vouched() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN days >= 1 THEN
    format('; %s day(s) of this server''s clock are not vouched for and do not count', days)
  ELSE '' END
  FROM (SELECT floor(extract(epoch FROM now() - keeper.vouched_now()) / 86400) AS days) AS since
$$;

RESET ROLE;
