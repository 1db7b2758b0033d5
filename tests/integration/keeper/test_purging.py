"""Which streams a database lets go: as a service's own role, against forged and true purges."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

import psycopg
import pytest

from contracts.housekeeping import CohortPurged, Head
from contracts.purging import text_of
from libs.eventlog.envelope import STREAMS
from libs.eventlog.store import Store
from tests.integration.keeper.purges import KEY, OTHER_KEY, public, purge, signed, written
from tests.integration.runtime.toys import thrower
from tests.stack import room

SOURCE = "/bihuan/thrower"
LONG_AGO = "2024-08-31T15:59:59.000000Z"

Conn = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Database:
    """A service's database: as the service, and as its administrator."""

    own: Conn
    admin: Conn

    def streams(self) -> dict[str, int]:
        """How many events each stream has."""
        found = self.own.execute(
            "SELECT originator_id, count(*) FROM stored_events GROUP BY 1"
        ).fetchall()
        return {str(stream): count for stream, count in found}

    def holds(self, name: str, events: int = 3, time: str = LONG_AGO) -> Head:
        """Puts a stream there, as the service does; returns where it ends."""
        subject = str(uuid5(STREAMS, name))
        for number in range(1, events + 1):
            state = json.dumps(
                {"source": SOURCE, "subject": subject, "time": time, "sequence": str(number)}
            ).encode()
            self.own.execute(
                "INSERT INTO stored_events (originator_id, originator_version, topic, state) "
                "VALUES (%s, %s, 'ball.thrown.v1', %s)",
                (subject, number, state),
            )
        return Head(
            source=SOURCE, subject=subject, sequence=events, digest=sha256(state).hexdigest()
        )

    def purge(self, event: Mapping[str, Any]) -> int:
        row = self.own.execute("SELECT keeper.purge_streams(%s)", (json.dumps(event),)).fetchone()
        assert row is not None
        return int(row[0])

    def refuses(self, event: Mapping[str, Any], why: str) -> None:
        """Nothing goes, and it says why."""
        before = self.streams()
        with pytest.raises(psycopg.DatabaseError, match=why) as refused:
            self.purge(event)
        assert refused.value.sqlstate == "KP010"
        assert self.streams() == before


@pytest.fixture(scope="module")
def made() -> Iterator[Database]:
    with room(("thrower",), with_topics=False) as where:
        store = Store(thrower(), where.service_dsns["thrower"])
        store.create_tables()
        store.close()
        with (
            psycopg.connect(where.service_dsns["thrower"], autocommit=True) as own,
            psycopg.connect(where.dsns["thrower"], autocommit=True) as admin,
        ):
            admin.execute("SELECT keeper.trust_purge_key(%s)", (written(public(KEY)),))
            yield Database(own, admin)


@pytest.fixture
def database(made: Database) -> Iterator[Database]:
    yield made
    made.admin.execute("TRUNCATE stored_events")


def test_exactly_the_named_streams_go_and_twice_is_once(database: Database) -> None:
    one, two, stays = database.holds("one"), database.holds("two", 5), database.holds("stays")
    event = purge(one, two)
    assert database.purge(event) == 8
    assert database.streams() == {stays.subject: 3}
    assert database.purge(event) == 0
    assert database.streams() == {stays.subject: 3}


def test_each_service_deletes_its_own_and_a_complaint_goes_as_a_whole(database: Database) -> None:
    """All services have a stream of the same complaint, with heads of their own."""
    own = database.holds("one")
    other = own.model_copy(update={"source": "/bihuan/routing", "digest": "00" * 32})
    elsewhere = other.model_copy(update={"subject": str(UUID(int=7))})
    database.refuses(purge(other, elsewhere), "has a stream that is not named")
    assert database.purge(purge(elsewhere)) == 0
    assert database.purge(purge(own, other)) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"cohort": "2024-03"},
        {"part": 2, "parts": 2},
        {"parts": 2},
        {"ground": "another_reason"},
        {"count": 4},
        {"proposed_by": "auditor:a-9"},
        {"by": "auditor:a-9"},
        {"signature": "A" * 86},
        {"key": written(public(OTHER_KEY))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_altered_purge_deletes_nothing(database: Database, change: dict[str, Any]) -> None:
    event = purge(database.holds("one"))
    database.refuses({**event, "data": {**event["data"], **change}}, "nothing is purged")


@pytest.mark.parametrize("field", ["source", "subject", "sequence", "digest"])
def test_a_head_put_in_another_ones_place_deletes_nothing(database: Database, field: str) -> None:
    """Signed for one stream, it is not good for another that really ends so."""
    one, two = database.holds("one"), database.holds("two", 4)
    event = purge(one.model_copy(update={"source": "/bihuan/routing"}))
    head = {**event["data"]["heads"][0], field: one.model_dump(mode="json")[field]}
    if field != "source":
        head[field] = two.model_dump(mode="json")[field]
    database.refuses(
        {**event, "data": {**event["data"], "heads": [head]}}, "its signature is not the key's"
    )
    full = purge(one)
    more = [*full["data"]["heads"], two.model_dump(mode="json")]
    database.refuses(
        {**full, "data": {**full["data"], "heads": more}}, "its signature is not the key's"
    )


def test_a_key_that_was_not_entered_signs_nothing(database: Database) -> None:
    database.refuses(purge(database.holds("one"), key=OTHER_KEY), "not trusted here")


def test_a_revoked_key_signs_nothing_though_every_start_enters_it(database: Database) -> None:
    head = database.holds("one")
    for entered in ("trust", "revoke", "trust"):
        database.admin.execute(
            f"SELECT keeper.{entered}_purge_key(%s)".encode(), (written(public(OTHER_KEY)),)
        )
    database.refuses(purge(head, key=OTHER_KEY), "not trusted here")
    assert database.purge(purge(head)) == 3


def test_the_service_enters_no_key(database: Database) -> None:
    for statement in (
        f"SELECT keeper.trust_purge_key('{written(public(OTHER_KEY))}')",
        f"SELECT keeper.revoke_purge_key('{written(public(KEY))}')",
        "INSERT INTO keeper.purge_key (key) VALUES ('\\x00')",
        "DELETE FROM keeper.purge_key",
        "UPDATE keeper.purge_key SET key = key",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.own.execute(statement.encode())


def test_one_pair_of_eyes_is_not_enough(database: Database) -> None:
    """Issue 5: two people needed. The signing service is not asked; the database sees to it."""
    event = purge(database.holds("one"))
    data = {**event["data"], "by": event["data"]["proposed_by"]}
    unsigned = CohortPurged.model_construct(
        **{**data, "heads": [Head.model_validate(one) for one in data["heads"]]}
    )
    data["signature"] = signed(unsigned, KEY)
    database.refuses({**event, "data": data}, "who proposed it also approved it")


@pytest.mark.parametrize("ends", ["earlier", "later", "with other bytes"])
def test_a_stream_that_ends_elsewhere_refuses_the_whole(database: Database, ends: str) -> None:
    right, head = database.holds("right"), database.holds("one", 3)
    wrong = head.model_copy(
        update={"earlier": {"sequence": 2}, "later": {"sequence": 4}}.get(
            ends, {"digest": "0" * 64}
        )
    )
    database.refuses(purge(right, wrong), "does not end where it says")


def test_the_youngest_of_its_events_counts_not_the_last(database: Database) -> None:
    """A clock that was set back makes the last one look older than it is."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    subject = database.holds("one", 1, time=now).subject
    state = json.dumps({"source": SOURCE, "subject": subject, "time": LONG_AGO}).encode()
    database.own.execute(
        "INSERT INTO stored_events (originator_id, originator_version, topic, state) "
        "VALUES (%s, 2, 'ball.thrown.v1', %s)",
        (subject, state),
    )
    head = Head(source=SOURCE, subject=subject, sequence=2, digest=sha256(state).hexdigest())
    database.refuses(purge(head), "is kept until")


@pytest.mark.parametrize(
    ("closed", "ends"),
    [
        ("2026-08-31 00:00:00+08", "2027-03-01 00:00:00+08"),
        ("2026-08-31 23:59:59.999999+08", "2027-03-01 00:00:00+08"),
        ("2026-09-01 00:00:00+08", "2027-03-02 00:00:00+08"),
        ("2027-08-31 12:00:00+08", "2028-03-01 00:00:00+08"),  # a leap year
        ("2026-03-15 12:00:00+08", "2026-09-16 00:00:00+08"),
        ("2026-08-30 16:00:00+00", "2027-03-01 00:00:00+08"),  # the 31st in Shanghai
        ("2026-12-31 12:00:00+08", "2027-07-01 00:00:00+08"),
    ],
)
def test_the_floor_is_six_calendar_months_to_the_end_of_the_day_in_shanghai(
    database: Database, closed: str, ends: str
) -> None:
    """DOMAIN, Audit and retention: closed 31 August, nothing goes before 1 March 00:00."""
    for zone in ("UTC", "Asia/Shanghai", "America/New_York"):
        database.admin.execute(f"SET timezone = '{zone}'".encode())
        row = database.admin.execute("SELECT keeper.floor_ends(%s)", (closed,)).fetchone()
        assert row == (datetime.fromisoformat(ends),)
    database.admin.execute("RESET timezone")


@pytest.mark.parametrize("setting", ["timezone = 'Pacific/Kiritimati'", "datestyle = 'SQL, DMY'"])
def test_what_is_younger_stays_whatever_the_service_sets(database: Database, setting: str) -> None:
    """The server's own clock counts: a record of 179 days ago stays, one of 185 days goes.

    Six calendar months are 181 to 184 days. Without the check of the floor both go.
    """
    row = database.own.execute(
        "SELECT (now() - interval '179 days'), (now() - interval '186 days')"
    ).fetchone()
    assert row is not None
    young, old = (one.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") for one in row)
    kept, gone = database.holds("young", time=young), database.holds("old", time=old)
    database.own.execute(f"SET {setting}".encode())
    database.refuses(purge(kept, gone), "is kept until")
    assert database.purge(purge(gone)) == 3
    assert database.streams() == {kept.subject: 3}
    database.own.execute("RESET ALL")


def test_a_record_from_the_future_is_not_old(database: Database) -> None:
    """A service whose clock runs ahead lowers nothing: its records are younger still."""
    head = database.holds("one", time="2999-01-01T00:00:00.000000Z")
    database.refuses(purge(head), "is kept until")


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": "cohort.purged.v1"},
        {"type": "cohort.purged.v1", "data": {}},
        {"type": "cohort.purged.v1", "data": {"heads": []}},
        {"type": "cohort.purged.v1", "data": {"heads": "all"}},
        {"type": "cohort.purged.v1", "data": {"heads": [{}]}},
        {"type": "cohort.purged.v2", "data": {"heads": []}},
    ],
)
def test_what_is_no_purge_deletes_nothing(database: Database, event: dict[str, Any]) -> None:
    database.holds("one")
    database.refuses(event, "nothing is purged")


def test_a_line_break_cannot_make_one_text_of_two(database: Database) -> None:
    event = purge(database.holds("one"))
    data = {**event["data"], "ground": "why\n3\nauditor:a-1"}
    database.refuses({**event, "data": data}, "control character")


def test_only_streams_of_complaints_can_be_named(database: Database) -> None:
    head = database.holds("one").model_copy(update={"subject": "audit"})
    database.refuses(purge(head), "something else than the end of a complaint's stream")


def test_the_database_makes_the_text_that_audit_signs(database: Database) -> None:
    """contracts/purging.py and infra/postgres/purging.sql say the same, byte for byte."""
    heads = [
        Head(source=source, subject=str(UUID(int=number)), sequence=number, digest=f"{number:064x}")
        for number in (3, 1, 2)
        for source in ("/bihuan/sla_watch", "/bihuan/audit", "/bihuan/intake")
    ]
    for ground in ("retention_past", "a.b:c-d"):
        event = purge(*heads, ground=ground, cohort="2023-12", part=2, parts=7)
        row = database.admin.execute(
            "SELECT keeper.purge_text(%s)", (json.dumps(event["data"]),)
        ).fetchone()
        assert row is not None
        assert bytes(row[0]) == text_of(CohortPurged.model_validate(event["data"]))


def test_the_same_head_twice_is_one_stream(database: Database) -> None:
    one = database.holds("one")
    assert database.purge(purge(one, one)) == 3
