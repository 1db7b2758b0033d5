"""What the desk sees is a function of the stream; nothing personal stands in it."""

from contracts.values import Basis, ContactKind, Urgency, ValueTier
from libs.decider.story import SUBJECT
from services.escalation.domain.commands import AcceptCase
from services.escalation.domain.rows import heard_rows
from services.escalation.views import TABLES
from tests.unit.escalation.heard import (
    NOON,
    OFFICER,
    breached,
    hear,
    heard,
    linked,
    nothing,
    proposed,
    registered,
)


def test_a_requested_case_stands_in_the_queue_with_its_causes() -> None:
    story = hear(nothing(), breached(), NOON, "breach")
    (row,) = story.rows
    shown = dict((*row.key, *row.values))
    assert str(shown["complaint"]) == SUBJECT
    assert (shown["stage"], shown["tier"], shown["rank"]) == ("requested", 2, -2)
    assert (shown["trigger"], shown["causes"][0]["clock"]) == ("breach", "resolve")
    assert shown["requested_at"] == NOON
    taken = story.when(AcceptCase(roles=("desk",), at=NOON, case=1), actor=OFFICER)
    assert dict(next(iter(taken.rows)).values)["stage"] == "accepted"


def test_rows_have_the_columns_of_their_tables_and_plain_values() -> None:
    story = hear(nothing(), linked("wish", ContactKind.ESCALATION_WISH), NOON, "wish")
    story = hear(story, proposed(1, "373.00", Basis.DOUBLE_REFUND), NOON)
    tables = {table.name: table for table in TABLES}
    rows = [*story.rows, *heard_rows(heard(registered(), NOON))]
    assert {row.table for row in rows} == set(tables)
    for row in rows:
        named = {column for column, _ in (*row.key, *row.values)}
        assert named == set(tables[row.table].columns)
        assert tuple(column for column, _ in row.key) == tables[row.table].key


def test_no_view_holds_anything_sealed_or_personal() -> None:
    story = hear(nothing(), registered(ValueTier.IMPORTANT, Urgency.URGENT), NOON)
    shown = [*story.rows, *heard_rows(heard(registered(), NOON))]
    assert "v1.sealed" not in repr(shown)
    assert shown
