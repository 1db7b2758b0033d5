"""The clock table and the calendar as data: sound, complete, and refused when they are not."""

import json
from copy import deepcopy
from fractions import Fraction
from typing import Any

import pytest

from contracts.values import ClockPurpose
from services.sla_watch.domain import compile_policy
from services.sla_watch.domain.policy import (
    Calendar,
    ClocksContent,
    ClockTable,
    WorkingDaysContent,
    percent,
    share_of,
)
from tests.unit.sla_watch.play import POLICY, seed_content

DOMAIN_TABLE = [
    # code, limit, promised share, counts in: the table of DOMAIN, Clocks, row by row
    ("acknowledge", "5 minutes", "100/100", "7x24"),
    ("first_contact", "1 hours", "100/100", "7x24"),
    ("reply.mobile", "2 days", "100/100", "working_days"),
    ("resolve", "5 days", "98/100", "working_days"),
    ("repair.broadband.urban", "24 hours", "100/100", "7x24"),
    ("repair.broadband.rural", "36 hours", "100/100", "7x24"),
    ("install.broadband", "72 hours", "100/100", "7x24"),
    ("attitude", "24 hours", "100/100", "7x24"),
    ("partner.preliminary", "1 hours", "100/100", "7x24"),
    ("partner.simple", "12 hours", "100/100", "7x24"),
    ("partner.all", "48 hours", "100/100", "7x24"),
    ("partner.complex", "72 hours", "100/100", "7x24"),
    ("partner.customer.simple", "12 hours", "100/100", "7x24"),
    ("partner.customer.all", "48 hours", "100/100", "7x24"),
    ("partner.customer.complex", "72 hours", "100/100", "7x24"),
    ("partner.holiday", "120 minutes", "100/100", "7x24"),
    ("feedback.urgent", "5 minutes", "100/100", "7x24"),
    ("feedback.ordinary", "24 hours", "100/100", "7x24"),
    ("feedback.complex", "72 hours", "100/100", "7x24"),
    ("agreed", None, None, "7x24"),
    ("desk.first_contact", "2 hours", "100/100", "hours:desk_10015"),
    ("desk.decision", "2 days", "100/100", "working_days"),
    ("legal.repair.urban", "48 hours", "100/100", "7x24"),
    ("legal.repair.rural", "72 hours", "100/100", "7x24"),
    ("legal.answer", "15 days", "100/100", "legal_days"),
    ("regulator.report", "10 days", "100/100", "legal_days"),
    ("survey", None, None, "7x24"),
]


def clocks() -> dict[str, Any]:
    return deepcopy(seed_content("clocks.v1.yaml"))


def row(content: dict[str, Any], code: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in content["clocks"] if one["code"] == code)
    return found


def test_the_clock_table_is_the_one_of_domain() -> None:
    shown = [
        (one["code"], one.get("limit"), one.get("promised"), one["counts_in"])
        for one in clocks()["clocks"]
    ]
    assert shown == DOMAIN_TABLE


def test_every_purpose_has_a_clock() -> None:
    table = compile_policy("clocks", clocks())
    assert isinstance(table, ClockTable)
    assert {rule.purpose for rule in table.rules.values()} == set(ClockPurpose)


def test_only_clocks_that_wait_for_nobody_else_never_pause() -> None:
    """No pause stops what the law or the desk owes, nor the first minutes."""
    pausable = {one["code"] for one in clocks()["clocks"] if one.get("pausable")}
    assert pausable == {
        "reply.mobile",
        "resolve",
        "repair.broadband.urban",
        "repair.broadband.rural",
        "install.broadband",
        "attitude",
        "feedback.urgent",
        "feedback.ordinary",
        "feedback.complex",
    }


def spoil_unit(content: dict[str, Any]) -> None:
    row(content, "resolve")["limit"] = "5 hours"


def spoil_days(content: dict[str, Any]) -> None:
    row(content, "acknowledge")["limit"] = "5 days"


def spoil_limit(content: dict[str, Any]) -> None:
    row(content, "resolve")["limit"] = "0 days"


def spoil_no_limit(content: dict[str, Any]) -> None:
    del row(content, "resolve")["limit"]


def spoil_share(content: dict[str, Any]) -> None:
    row(content, "resolve")["promised"] = "0.98"


def spoil_share_over(content: dict[str, Any]) -> None:
    row(content, "resolve")["promised"] = "101/100"


def spoil_hours(content: dict[str, Any]) -> None:
    row(content, "desk.first_contact")["counts_in"] = "hours:nowhere"


def spoil_desk(content: dict[str, Any]) -> None:
    content["service_hours"]["desk_10015"]["every_day"] = ["18:00-08:00"]


def spoil_time(content: dict[str, Any]) -> None:
    content["service_hours"]["desk_10015"]["every_day"] = ["08:00-25:00"]


def spoil_fact(content: dict[str, Any]) -> None:
    row(content, "resolve")["met_by"] = ["suspended"]


def spoil_code(content: dict[str, Any]) -> None:
    row(content, "resolve")["code"] = "acknowledge"


def spoil_field(content: dict[str, Any]) -> None:
    row(content, "resolve")["grace"] = "1 hours"


def spoil_category(content: dict[str, Any]) -> None:
    row(content, "reply.mobile")["when"][0]["categories"] = ["mobil"]


@pytest.mark.parametrize(
    "spoil", [one for name, one in sorted(globals().items()) if name.startswith("spoil_")]
)
def test_an_unsound_clock_table_never_comes_into_force(spoil: Any) -> None:
    content = clocks()
    spoil(content)
    with pytest.raises(ValueError, match=r"error|open"):
        compile_policy("clocks", content)


def test_no_other_policy_is_this_services() -> None:
    with pytest.raises(ValueError, match="follows no policy 'texts'"):
        compile_policy("texts", {})


def test_the_calendar_says_how_far_it_reaches() -> None:
    calendar = compile_policy("working-days", seed_content("working_days.v1.yaml"))
    assert isinstance(calendar, Calendar)
    assert str(calendar.days.last) == "2026-12-31"
    assert calendar.days.version == "2026.1"


def test_a_calendar_made_with_other_data_is_refused() -> None:
    """A library that says otherwise would move dues unseen."""
    content = seed_content("working_days.v1.yaml") | {"base_fingerprint": "0" * 64}
    with pytest.raises(ValueError, match="differs from the calendar"):
        compile_policy("working-days", content)


def test_a_calendar_that_contradicts_itself_is_refused() -> None:
    content = seed_content("working_days.v1.yaml") | {
        "last": "2027-12-31",
        "days_off": {"2027-01-01": "New Year's Day"},
        "worked": ["2027-01-01"],
    }
    with pytest.raises(ValueError, match="both worked and off"):
        compile_policy("working-days", content)


@pytest.mark.parametrize(
    ("model", "file"),
    [(ClocksContent, "clocks"), (WorkingDaysContent, "working_days")],
    ids=["clocks", "working_days"],
)
def test_the_policys_schema_is_not_stale(model: Any, file: str) -> None:
    committed = json.loads((POLICY / f"{file}.schema.json").read_text("utf-8"))
    assert committed == model.model_json_schema()


def test_a_share_is_exact_and_shown_as_it_is() -> None:
    assert share_of("98/100") == Fraction(49, 50)
    assert percent(share_of("98/100")) == "98 %"
    assert percent(share_of("199/200")) == "199/200", "99.5 is not a whole percent"
