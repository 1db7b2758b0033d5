"""From when a complaint may go, and what keeps it (DOMAIN, Audit and retention)."""

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.housekeeping import Head
from contracts.values import Category, Kind
from libs.decider.policy import Fault
from libs.eventlog.policy_faults import faults_of
from services.audit.domain.policy import compile_policy
from services.audit.domain.retention import (
    Fate,
    RetentionPolicy,
    Standing,
    Stays,
    counted_from,
    fates,
    may_go_from,
    plan_of,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
POLICY = Path(__file__).parents[3] / "services/audit/policy"
SEED: Mapping[str, Any] = yaml.safe_load((POLICY / "retention.v1.yaml").read_text("utf-8"))
HALF_A_YEAR = {"months": 6}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def named(name: str) -> UUID:
    return uuid5(UUID(int=0), name)


def policy(otherwise: Any = None, *categories: Any) -> RetentionPolicy:
    content = {
        "name": "retention",
        "version": "2",
        "effective_from": "2026-01-01",
        "otherwise": otherwise or HALF_A_YEAR,
        "categories": list(categories),
    }
    compiled = compile_policy("retention", content)
    assert isinstance(compiled, RetentionPolicy)
    return compiled


def standing(
    name: str = "one",
    closed: str | None = "2025-08-31 12:00:00",
    recorded: str | None = None,
    **more: Any,
) -> Standing:
    return Standing(
        complaint=named(name),
        category=more.pop("category", Category.BILLING),
        counts_from=None if closed is None else at(closed),
        recorded=at(recorded or closed or "2025-08-31 12:00:00"),
        **more,
    )


def fate(one: Standing, now: str, *others: Standing, **more: Any) -> Fate:
    everybody = {each.complaint: each for each in (one, *others)}
    return fates(everybody, more.pop("by", policy()), at(now), **more)[one.complaint]


# -- from when ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("closed", "goes_from"),
    [
        ("2025-08-31 12:00:00", "2027-09-01 00:00:00"),
        ("2024-02-29 10:00:00", "2026-03-01 00:00:00"),
        ("2025-10-11 18:05:00", "2027-10-12 00:00:00"),
    ],
)
def test_two_years_after_closing_because_the_regulator_accepts_appeals_for_two_years(
    closed: str, goes_from: str
) -> None:
    seed = compile_policy("retention", SEED)
    assert isinstance(seed, RetentionPolicy)
    assert may_go_from(standing(closed=closed), seed) == at(goes_from)


@pytest.mark.parametrize("otherwise", [{"months": 6}, {"days": 184}, {"years": 1}])
def test_closed_31_august_nothing_goes_before_1_march(otherwise: Mapping[str, int]) -> None:
    by = policy(otherwise)
    for closed in ("2025-08-31 00:00:00", "2025-08-31 23:59:59"):
        before = fate(standing(closed=closed), "2026-02-28 23:59:59", by=by)
        assert before.reasons == (Stays.NOT_YET,)


def test_from_1_march_it_goes_where_the_policy_keeps_no_more_than_the_floor() -> None:
    gone = fate(standing(closed="2025-08-31 23:59:59"), "2026-03-01 00:00:00")
    assert (gone.goes, gone.due) == (True, at("2026-03-01 00:00:00"))


def test_184_days_are_counted_from_the_date_of_closing() -> None:
    # 31 August + 184 days = 3 March, until 24:00
    assert may_go_from(standing(), policy({"days": 184})) == at("2026-03-04 00:00:00")


def test_a_category_may_be_kept_longer_with_those_below_it() -> None:
    by = policy(
        HALF_A_YEAR,
        {"category": "billing", "keep": {"years": 3}},
        {"category": "billing.arrears", "keep": {"months": 9}},
    )
    for category, goes_from in (
        (Category.BILLING_OVERCHARGE, "2028-09-01 00:00:00"),
        (Category.BILLING_ARREARS, "2026-06-01 00:00:00"),
        (Category.BROADBAND_FAULT, "2026-03-01 00:00:00"),
    ):
        assert may_go_from(standing(category=category), by) == at(goes_from)


def test_what_was_recorded_last_has_the_floor_too() -> None:
    """A hold lifted, an erasure noted: the databases let nothing younger go either."""
    one = standing(recorded="2026-01-15 09:00:00")
    assert fate(one, "2026-07-15 23:59:59").reasons == (Stays.NOT_YET,)
    assert fate(one, "2026-07-16 00:00:00").goes


def test_history_counts_from_its_import_and_what_runs_no_loop_from_when_it_was_told() -> None:
    told, imported = at("2025-08-31 12:00:00"), at("2026-01-10 10:00:00")
    assert counted_from(Kind.COMPLAINT, told, imported) == imported
    assert counted_from(Kind.COMPLAINT, told, None) is None
    assert counted_from(Kind.SUGGESTION, told, None) == told
    assert counted_from(Kind.PRAISE, told, None) == told
    assert counted_from(Kind.CONSULTATION, told, None) == told
    assert counted_from(Kind.CONSULTATION, None, None) is None, "it was reopened"


@given(
    st.builds(
        datetime.combine,
        st.dates(date(2004, 1, 1), date(2040, 1, 1)),
        st.times(),
        st.just(SHANGHAI),
    ),
    st.one_of(
        st.builds(lambda n: {"days": n}, st.integers(184, 2000)),
        st.builds(lambda n: {"months": n}, st.integers(6, 60)),
        st.builds(lambda n: {"years": n}, st.integers(1, 10)),
    ),
    st.booleans(),
)
def test_never_before_the_floor_whatever_the_policy(
    closed: datetime, period: dict[str, int], own_line: bool
) -> None:
    """By another way of counting: no date within six months may be the last one kept."""
    lines = [{"category": "billing", "keep": period}] if own_line else []
    one = Standing(named("one"), Category.BILLING, counts_from=closed, recorded=closed)
    goes_from = may_go_from(one, policy(None if own_line else period, *lines))
    assert goes_from is not None
    last_kept = (goes_from - timedelta(microseconds=1)).date()
    month = closed.month + 6
    floor = (closed.year + (month > 12), (month - 1) % 12 + 1, closed.day)
    if (last_kept.year, last_kept.month, last_kept.day) < floor:
        # only where that month has no such day, and then it is kept to the month's end
        assert (last_kept.year, last_kept.month) == floor[:2]
        assert (last_kept + timedelta(days=1)).day == 1


# -- what keeps it --------------------------------------------------------------------------------

LATER = "2030-01-01 00:00:00"


def test_an_open_complaint_stays_for_ever() -> None:
    told = fate(standing(closed=None), LATER)
    assert (told.reasons, told.due) == ((Stays.OPEN,), None)


def test_an_open_appeal_stops_it() -> None:
    assert fate(standing(appealed=True), LATER).reasons == (Stays.APPEALED,)


def test_a_legal_hold_stops_it_and_is_named() -> None:
    told = fate(standing(holds=("court-7",)), LATER)
    assert (told.reasons, told.holds) == ((Stays.HELD,), ("court-7",))


def test_a_parked_record_or_a_broken_chain_stops_it() -> None:
    assert fate(standing(parked=True), LATER).reasons == (Stays.PARKED,)
    assert fate(standing(faulty=True), LATER).reasons == (Stays.FAULTY,)


def test_every_reason_is_told() -> None:
    one = standing(appealed=True, holds=("court-7",))
    assert fate(one, "2025-09-01").reasons == (Stays.APPEALED, Stays.HELD, Stays.NOT_YET)


def test_what_was_merged_goes_with_the_one_it_went_into() -> None:
    into = standing("survivor", closed="2025-10-11 18:05:00")
    away = standing("away", closed=None, recorded="2025-08-31 12:00:00", into=into.complaint)
    assert fate(away, "2026-04-11 23:59:59", into).reasons == (Stays.NOT_YET,)
    assert fate(away, "2026-04-12 00:00:00", into).goes
    assert fate(into, "2026-04-12 00:00:00", away).goes


@pytest.mark.parametrize("held", ["survivor", "away", "further"])
def test_none_of_those_merged_goes_while_one_of_them_stays(held: str) -> None:
    def one(name: str, into: str | None) -> Standing:
        return standing(
            name,
            closed=None if into else "2025-08-31 12:00:00",
            into=named(into) if into else None,
            holds=("court-7",) if name == held else (),
        )

    group = [one("survivor", None), one("away", "survivor"), one("further", "away")]
    for each in group:
        others = [other for other in group if other is not each]
        kept_by = Stays.HELD if each.complaint == named(held) else Stays.MERGED
        assert fate(each, LATER, *others).reasons == (kept_by,)


def test_what_was_merged_into_one_that_went_before_may_go() -> None:
    away = standing("away", closed=None, into=named("survivor"))
    assert fate(away, LATER).reasons == (Stays.UNKNOWN,)
    assert fate(away, LATER, gone=frozenset({named("survivor")})).goes
    assert fate(away, "2026-02-28", gone=frozenset({named("survivor")})).reasons == (Stays.NOT_YET,)


# -- the plan -------------------------------------------------------------------------------------


def head(name: str, service: str, sequence: int) -> Head:
    return Head(
        source=f"/bihuan/{service}", subject=str(named(name)), sequence=sequence, digest="a" * 64
    )


def plan(*standings: Standing, most: int = 10, ends: int = 5) -> Any:
    known = {one.complaint: one for one in standings}
    by = policy()
    heads = {
        named(name): [head(name, "routing", ends), head(name, "intake", 9)]
        for name in ("a", "b", "c", "d", "e")
    }
    now = at("2026-03-01 00:00:00")
    return plan_of("2025-08", now, by, known, fates(known, by, now), heads, most=most)


def test_a_plan_names_what_goes_what_stays_and_exactly_which_streams() -> None:
    told = plan(standing("a"), standing("b", holds=("court-7",)), standing("c", closed=None))
    assert [one.complaint for one in told.goes] == [named("a")]
    assert {one.complaint: one.reasons for one in told.stays} == {
        named("b"): (Stays.HELD,),
        named("c"): (Stays.OPEN,),
    }
    assert [(one.source, one.sequence) for one in told.heads] == [
        ("/bihuan/intake", 9),
        ("/bihuan/routing", 5),
    ]
    assert told.events == 14


def test_its_digest_is_this_and_changes_with_whatever_would_go() -> None:
    told = plan(standing("a"))
    # printf 'bihuan purge plan\n2025-08\n/bihuan/intake\t<a>\t9\taaa…\n…' | sha256sum
    assert told.digest == "dcb7ab37db09e6d98d263a9594af66bac27498716955d121207142b4d8a4623b"
    assert plan(standing("a"), standing("b", closed=None)).digest == told.digest
    assert plan(standing("a"), ends=6).digest != told.digest
    assert plan(standing("a"), standing("b")).digest != told.digest


def test_more_than_go_at_once_wait_for_the_next_time() -> None:
    told = plan(standing("a"), standing("b"), standing("c"), most=2)
    assert len(told.goes) == 2
    (later,) = told.stays
    assert later.reasons == (Stays.NEXT_TIME,)


def test_those_merged_with_each_other_go_at_once_or_wait_together() -> None:
    into = named("c")
    merged = (standing("a", into=into), standing("b", into=into), standing("c"))
    first = min((standing("d"), standing("e"), *merged), key=lambda one: one.complaint)
    for most in (1, 2, 3, 4):
        told = plan(standing("d"), standing("e"), *merged, most=most)
        goes = {one.complaint for one in told.goes}
        group = {one.complaint for one in merged}
        assert goes >= group or not goes & group, most
        assert goes, "else nothing of this month would ever go"
        assert len(goes) <= most or goes == group
        assert first.complaint in goes
        assert {one.reasons for one in told.stays} <= {(Stays.NEXT_TIME,)}


# -- the policy -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keep", "unit"),
    [
        ({"days": 183}, "days"),
        ({"days": 0}, "days"),
        ({"days": -400}, "days"),
        ({"months": 5}, "months"),
        ({"years": 0}, "years"),
    ],
)
def test_a_policy_that_would_lower_the_floor_is_refused_with_its_place(
    keep: Mapping[str, int], unit: str
) -> None:
    for content, where in (
        ({**SEED, "otherwise": keep}, ("otherwise", unit)),
        (
            {**SEED, "categories": [{"category": "billing", "keep": keep}]},
            ("categories", 0, "keep", unit),
        ),
    ):
        (fault,) = faults_of("retention", content, compile_policy, lambda *_: ())
        assert (fault.kind, fault.where) == ("floor", where)
        assert "which no setting may: say at least" in fault.problem
        with pytest.raises(ValidationError):
            compile_policy("retention", content)


def test_from_184_days_it_is_accepted() -> None:
    assert compile_policy("retention", {**SEED, "otherwise": {"days": 184}})


def test_a_period_is_told_in_one_way_and_a_category_once() -> None:
    def told(change: Mapping[str, Any]) -> list[Fault]:
        return faults_of("retention", {**SEED, **change}, compile_policy, lambda *_: ())

    (both,) = told({"otherwise": {"years": 2, "days": 200}})
    assert "exactly one of years, months, days" in both.problem
    line = {"category": "billing", "keep": {"years": 3}}
    (twice,) = told({"categories": [line, line]})
    assert (twice.kind, twice.where) == ("overlap", ("categories", 1, "category"))


def test_the_policys_schema_is_not_stale() -> None:
    committed = json.loads((POLICY / "retention.schema.json").read_text("utf-8"))
    assert committed == RetentionPolicy.model_json_schema()
