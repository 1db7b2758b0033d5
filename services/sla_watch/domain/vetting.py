"""What a new clock table or calendar must be before it counts: whole, unambiguous, within the law.

Reading a version back asks none of this: what was activated once stays readable, whatever the law
says later. Only activating, and `bihuan policy check`, ask.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Any, NamedTuple

from contracts.values import (
    Category,
    ChannelKind,
    ClockPurpose,
    Complexity,
    CustomerClass,
    DistrictType,
    Kind,
    Profile,
    Tier,
    Urgency,
    ValueTier,
)
from libs.decider.policy import FLOOR, Fault
from libs.timekeeping.calendars import LIBRARY_LAST
from services.sla_watch.domain.facts import FactKind
from services.sla_watch.domain.policy import (
    CLOCKS,
    OF_A_CYCLE,
    ClockRow,
    ClocksContent,
    Condition,
    LimitText,
    Trigger,
    Unknown,
    WorkingDaysContent,
    share_of,
)

SOLUTIONS = frozenset(
    {ClockPurpose.RESOLVE, ClockPurpose.REPAIR, ClockPurpose.INSTALL, ClockPurpose.ATTITUDE}
)
"""Who has a clock of its own has not the general one as well (DOMAIN, Clocks, resolve)."""

PROMISES = SOLUTIONS | {ClockPurpose.REPLY}
"""What keeps a customer from waiting for ever: each complaint that has a category has one."""

FAULTS_LIKE = (Category.BROADBAND_FAULT, Category.FIXED_LINE_FAULT)
ANSWERS = frozenset({FactKind.ANSWERED, FactKind.FINAL_RESPONSE})
LEGAL_ANSWER_DAYS_MAX = 15
LEGAL_REPAIR_HOURS_MAX = {"urban": 48, "rural": 72}
"""Law is no policy: no version can say otherwise (docs/decisions/0008-the-law-is-no-policy.md)."""

_RULE_5 = "national standards apply everywhere alike"
_ORDER_35 = "order 35: 15 calendar days"
_REGULATIONS = "Telecommunications Regulations: 48 h in towns, 72 h in the country"
_MINUTES = {"minutes": 1, "hours": 60}
_LAST_TRIGGERS: Mapping[Trigger, ClockPurpose] = {
    Trigger.PROMISED: ClockPurpose.AGREED,
    Trigger.ASKED: ClockPurpose.SURVEY,
    Trigger.FORWARDED: ClockPurpose.PARTNER,
}


class Situation(NamedTuple):
    """What a complaint may be like, as far as this table tells apart."""

    upon: Trigger
    kind: Kind
    category: Category
    urgency: Urgency
    district: DistrictType | None
    customer_class: CustomerClass
    value_tier: ValueTier
    province: str | None
    cross_region: bool
    complexity: Complexity | Unknown | None = None
    on_holiday: bool = False
    tier: Tier | None = None

    def __str__(self) -> str:
        told = [self.kind.value, self.category.value, self.urgency.value]
        told.append(self.district.value if self.district else "district not told")
        told += [self.province] if self.province else []
        told += ["from another province"] if self.cross_region else []
        told += [self.customer_class.value, self.value_tier.value]
        told += [f"{self.complexity.value} forward"] if self.complexity else []
        told += ["on a holiday"] if self.on_holiday else []
        told += [f"case of tier {self.tier}"] if self.tier else []
        again = "" if self.upon is Trigger.REGISTERED else f" ({self.upon.value})"
        return ", ".join(told) + again


Started = Mapping[Situation, Sequence[int]]
"""Which rows of the table a situation starts, by their number."""
_Holding = dict[tuple[object, ...], list[tuple[int, Condition]]]
"""Which conditions, with their row's number, hold for what a complaint is about."""


def vet_policy(name: str, content: Mapping[str, Any]) -> Sequence[Fault]:
    """The faults of content that can be read as this policy; empty when it may count."""
    if name == CLOCKS:
        table = ClocksContent.model_validate(content)
        holding: _Holding = {}
        started = {one: _starting(table, one, holding) for one in _situations(table)}
        return [
            *_titles(table),
            *_floors(table),
            *_coverage(table, started),
            *_in_vain(table, started),
            *_other_starts(table),
            *_alike(table, {**started, **_other_situations(table, holding)}),
        ]
    return list(_calendar(WorkingDaysContent.model_validate(content)))


# --- what people call them ----------------------------------------------------------------------


def _titles(table: ClocksContent) -> Iterator[Fault]:
    """Reports, texts and desks name a clock by its title: in no language two share one."""
    for language in ("zh", "en"):
        titled: dict[str, str] = {}
        for number, row in enumerate(table.clocks):
            said = getattr(row.title, language)
            other = titled.setdefault(" ".join(said.split()).casefold(), row.code)
            if other != row.code:
                problem = (
                    f"{row.code} has the title of {other}, {said!r}: give this one a title of its "
                    "own, for reports name clocks by their titles"
                )
                yield Fault("overlap", ("clocks", number, "title", language), problem)


# --- the law ------------------------------------------------------------------------------------


def _floors(table: ClocksContent) -> Iterator[Fault]:
    """DOMAIN, Clocks: legal answer 15 calendar days; legal repair 48 h urban, 72 h rural."""
    for number, row in enumerate(table.clocks):
        where = ("clocks", number)
        match row.purpose:
            case ClockPurpose.LEGAL_ANSWER:
                yield from _kept_as_the_law_has_it(row, where, _ORDER_35)
                if not _within_legal_days(row):
                    yield Fault(
                        FLOOR,
                        (*where, "limit"),
                        f"{_told(row)} is later than the law allows ({_ORDER_35}): "
                        f"promise {LEGAL_ANSWER_DAYS_MAX} days or less, in legal_days",
                    )
            case ClockPurpose.LEGAL_REPAIR | ClockPurpose.REPAIR:
                if row.purpose is ClockPurpose.LEGAL_REPAIR:
                    yield from _kept_as_the_law_has_it(row, where, _REGULATIONS)
                limit = min(_repair_max(condition) for condition in row.when)
                if not _within_hours(row, limit):
                    yield Fault(
                        FLOOR,
                        (*where, "limit"),
                        f"{_told(row)} is later than the law allows ({_REGULATIONS}): "
                        f"promise {limit} hours or less, in 7x24",
                    )


def _kept_as_the_law_has_it(
    row: ClockRow, where: tuple[str | int, ...], law: str
) -> Iterator[Fault]:
    if row.pausable:
        yield Fault(FLOOR, (*where, "pausable"), f"a legal clock never pauses ({law}): take it out")
    if beyond := sorted({*row.met_by} - ANSWERS):
        yield Fault(
            FLOOR,
            (*where, "met_by"),
            f"only an answer meets a legal clock ({law}): take out {', '.join(beyond)}",
        )
    if row.promised != "100/100":
        yield Fault(FLOOR, (*where, "promised"), f"the law is kept always ({law}): write 100/100")


def _told(row: ClockRow) -> str:
    return "no limit" if row.limit is None else f"{row.limit.amount} {row.limit.unit}"


def _within_legal_days(row: ClockRow) -> bool:
    if row.limit is None:
        return False
    if row.counts_in == "legal_days":
        return row.limit.amount <= LEGAL_ANSWER_DAYS_MAX
    return _within_hours(row, 24 * LEGAL_ANSWER_DAYS_MAX)


def _within_hours(row: ClockRow, hours_max: int) -> bool:
    if row.limit is None or row.counts_in != "7x24":
        return False
    return row.limit.amount * _MINUTES[row.limit.unit] <= hours_max * 60


def _repair_max(condition: Condition) -> int:
    """The longest repair the law allows where this holds; not told counts as a town."""
    rural_only = set(condition.districts) == {DistrictType.RURAL}
    return LEGAL_REPAIR_HOURS_MAX["rural" if rural_only else "urban"]


# --- every complaint, once ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Lack:
    kind: str
    what: str
    law: str = ""


def _coverage(table: ClocksContent, started: Started) -> Iterator[Fault]:
    """Gaps and overlaps over everything that a complaint may be; each told once, by example."""
    lacks: dict[_Lack, list[Situation]] = {}
    doubles: dict[tuple[int, int], list[Situation]] = {}
    for situation, rows in started.items():
        for lack in _lacking(situation, {table.clocks[one].purpose for one in rows}):
            lacks.setdefault(lack, []).append(situation)
        for pair in _same_purpose(table, rows):
            doubles.setdefault(pair, []).append(situation)
    for lack, found in lacks.items():
        law = f" ({lack.law})" if lack.law else ""
        yield Fault(
            lack.kind,
            ("clocks",),
            f"{_count(found)} no {lack.what}{law}: add a row for it, or widen one",
        )
    for (one, other), found in doubles.items():
        codes = f"{table.clocks[one].code} and {table.clocks[other].code}"
        yield Fault(
            "overlap",
            ("clocks", other),
            f"{codes} promise the same thing twice; {_count(found)} both: "
            "leave it out of one of them (except_provinces, except_categories, …)",
        )


def _in_vain(table: ClocksContent, started: Started) -> Iterator[Fault]:
    """A row that starts with a cycle, and for no complaint: its conditions exclude each other."""
    starting = {number for rows in started.values() for number in rows}
    looked_at = {situation.kind for situation in started}
    for number, row in enumerate(table.clocks):
        if number in starting or not all(OF_A_CYCLE & {*one.upon} for one in row.when):
            continue
        if all(not one.kinds or looked_at & {*one.kinds} for one in row.when):
            problem = (
                f"no complaint ever starts {row.code}: what its `when` names it excepts as well, "
                "so mend it or take the row out"
            )
            yield Fault("gap", ("clocks", number), problem)


def _count(found: Sequence[Situation]) -> str:
    more = "" if len(found) == 1 else f" (and {len(found) - 1} more kinds of complaint)"
    return f"a complaint like [{found[0]}]{more} has"


def _situations(table: ClocksContent) -> Iterable[Situation]:
    conditions = [one for row in table.clocks for one in row.when]
    named = sorted({name for one in conditions for name in (*one.provinces, *one.except_provinces)})
    classes = any(one.customer_classes for one in conditions)
    tiers = any(one.value_tiers for one in conditions)
    return (
        Situation(*one)
        for one in product(
            sorted(OF_A_CYCLE),
            (Kind.COMPLAINT, Kind.SUGGESTION),
            Category,
            Urgency,
            (None, *DistrictType),
            CustomerClass if classes else (CustomerClass.PERSONAL,),
            ValueTier if tiers else (ValueTier.ORDINARY,),
            (None, *named),
            (False, True),
        )
    )


def _other_situations(table: ClocksContent, holding: _Holding) -> Started:
    """What starts with an event of its own, where a province has a row of its own for it."""
    named = {
        name
        for row in table.clocks
        for one in row.when
        if not OF_A_CYCLE & {*one.upon}
        for name in (*one.provinces, *one.except_provinces)
    }
    if not named:
        return {}
    starts: list[tuple[Trigger, Complexity | Unknown | None, bool, Tier | None]] = [
        *((Trigger.PROMISED, None, False, None), (Trigger.ASKED, None, False, None)),
        *((Trigger.CASE_REQUESTED, None, False, tier) for tier in (2, 3, 4)),
        *(
            (Trigger.FORWARDED, complexity, holiday, None)
            for complexity in (*Complexity, Unknown.UNKNOWN)
            for holiday in (False, True)
        ),
    ]
    profiles = {
        one[1:9] for one in _situations(table) if one.province is None or one.province in named
    }
    situations = [
        Situation(upon, *profile, complexity, holiday, tier)
        for upon, complexity, holiday, tier in starts
        for profile in profiles
    ]
    return {one: _starting(table, one, holding) for one in situations}


def _starting(table: ClocksContent, situation: Situation, holding: _Holding) -> list[int]:
    """The rows that the situation starts; what holds for its complaint is looked up only once."""
    about = situation[1:9]
    held = holding.get(about)
    if held is None:
        profile = _profile(situation)
        held = holding[about] = [
            (number, one)
            for number, row in enumerate(table.clocks)
            for one in row.when
            if one.holds_for(profile)
        ]
    # A row has several conditions: each number once, in the table's order.
    return list(
        dict.fromkeys(
            number for number, one in held if situation.upon in one.upon and _begins(one, situation)
        )
    )


def _profile(situation: Situation) -> Profile:
    home = situation.province
    return Profile.model_construct(
        kind=situation.kind,
        channel=ChannelKind.HOTLINE_10010,
        category=situation.category,
        urgency=situation.urgency,
        district_type=situation.district,
        customer_class=situation.customer_class,
        value_tier=situation.value_tier,
        home_province="elsewhere" if situation.cross_region else home,
        visited_province=(home or "here") if situation.cross_region else None,
    )


def _begins(condition: Condition, situation: Situation) -> bool:
    """What a forward and a case are asked besides."""
    match situation.upon:
        case Trigger.FORWARDED:
            complexities = condition.complexities
            return (
                not complexities or situation.complexity in complexities
            ) and condition.on_holiday in (None, situation.on_holiday)
        case Trigger.CASE_REQUESTED:
            return not condition.tiers or situation.tier in condition.tiers
        case _:
            return True


# --- every province alike ------------------------------------------------------------------------


def _alike(table: ClocksContent, started: Started) -> Iterator[Fault]:
    """DOMAIN rule 5: "National standards apply everywhere alike"; a province may have better."""
    looser: dict[tuple[int, int], str] = {}
    lacking: dict[int, str] = {}
    for situation, rows in started.items():
        if situation.province is None:
            continue
        here = {_thing(table.clocks[one]): one for one in rows}
        for elsewhere in started[situation._replace(province=None)]:
            mine = here.get(_thing(table.clocks[elsewhere]))
            if mine is None:
                lacking.setdefault(elsewhere, situation.province)
            elif mine != elsewhere and _is_looser(table.clocks[mine], table.clocks[elsewhere]):
                looser.setdefault((mine, elsewhere), situation.province)
    for number, province in lacking.items():
        yield Fault(
            "national",
            ("clocks", number),
            f"{province} has no {table.clocks[number].purpose.value} clock and the rest of the "
            f"country has {table.clocks[number].code} ({_RULE_5}): give it one that is as good",
        )
    for (mine, elsewhere), province in looser.items():
        own, country = table.clocks[mine], table.clocks[elsewhere]
        yield Fault(
            "national",
            ("clocks", mine, "limit" if own.limit is not None else "code"),
            f"{province} is promised {_told(own)} by {own.code} and the rest of the country "
            f"{_told(country)} by {country.code} ({_RULE_5}): promise it {_told(country)} or less, "
            "counted, paused and met in the same way, with no smaller share",
        )


def _thing(row: ClockRow) -> ClockPurpose:
    return ClockPurpose.RESOLVE if row.purpose in SOLUTIONS else row.purpose


def _is_looser(own: ClockRow, country: ClockRow) -> bool:
    """Whether a row promises less than another; what cannot be compared counts as less."""
    if own.limit is None or country.limit is None:
        late = own.limit is not country.limit
    else:
        late = own.counts_in != country.counts_in or _amount(own.limit) > _amount(country.limit)
    share = 0 if own.promised is None else share_of(own.promised)
    return (
        late
        or share < (0 if country.promised is None else share_of(country.promised))
        or (own.pausable and not country.pausable)
        or not {*own.met_by} <= {*country.met_by}
    )


def _amount(limit: LimitText) -> int:
    return limit.amount * _MINUTES.get(limit.unit, 1)


def _lacking(situation: Situation, has: set[ClockPurpose]) -> Iterator[_Lack]:
    first = situation.upon is Trigger.REGISTERED
    if situation.kind is Kind.SUGGESTION:
        if first and ClockPurpose.FEEDBACK not in has:
            yield _Lack("gap", "feedback clock")
        return
    if first:
        for purpose in (ClockPurpose.ACKNOWLEDGE, ClockPurpose.FIRST_CONTACT):
            if purpose not in has:
                yield _Lack("gap", f"{purpose.value} clock")
        if ClockPurpose.LEGAL_ANSWER not in has:
            yield _Lack(FLOOR, "legal_answer clock", _ORDER_35)
        if situation.category in FAULTS_LIKE and ClockPurpose.LEGAL_REPAIR not in has:
            yield _Lack(FLOOR, "legal_repair clock", _REGULATIONS)
    if situation.category is not Category.UNCLASSIFIED and not PROMISES & has:
        yield _Lack("gap", "reply, resolve, repair, install or attitude clock")
    by_manager = situation.upon is Trigger.REOPENED_TIER1
    if situation.cross_region and not by_manager and ClockPurpose.FEEDBACK not in has:
        yield _Lack("gap", "feedback clock")


def _same_purpose(table: ClocksContent, rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    seen: dict[ClockPurpose, int] = {}
    for number in rows:
        thing = _thing(table.clocks[number])
        if thing in seen:
            yield seen[thing], number
        seen[thing] = number


def _other_starts(table: ClocksContent) -> Iterator[Fault]:
    """What starts with an event of its own: a forward, a promise, a survey, a case of each tier."""
    conditions = [(row.purpose, one) for row in table.clocks for one in row.when]
    wanted = [(upon, purpose, 0) for upon, purpose in _LAST_TRIGGERS.items()]
    for tier in (2, 3):
        wanted += [
            (Trigger.CASE_REQUESTED, ClockPurpose.DESK_FIRST_CONTACT, tier),
            (Trigger.CASE_REQUESTED, ClockPurpose.DESK_DECISION, tier),
        ]
    wanted.append((Trigger.CASE_REQUESTED, ClockPurpose.REGULATOR_REPORT, 4))
    for upon, purpose, tier in wanted:
        if not any(
            purpose is of and upon in one.upon and (not tier or not one.tiers or tier in one.tiers)
            for of, one in conditions
        ):
            which = f" of tier {tier}" if tier else ""
            yield Fault(
                "gap",
                ("clocks",),
                f"nothing starts a {purpose.value} clock upon {upon.value}{which}: add a row",
            )
    for complexity in ("simple", "complex", Unknown.UNKNOWN.value):
        if not any(
            of is ClockPurpose.PARTNER
            and Trigger.FORWARDED in one.upon
            and not one.on_holiday
            and (not one.complexities or complexity in {*map(str, one.complexities)})
            for of, one in conditions
        ):
            yield Fault(
                "gap",
                ("clocks",),
                f"no partner clock for a forward that is {complexity}: add a row",
            )


# --- the calendar -------------------------------------------------------------------------------


def _calendar(content: WorkingDaysContent) -> Iterator[Fault]:
    for year in range(LIBRARY_LAST.year + 1, content.last.year + 1):
        if not any(day.year == year for day in content.days_off):
            yield Fault(
                "gap",
                ("days_off",),
                f"{year} has no holiday at all: name its days off as declared, or end `last` "
                f"with {date(year - 1, 12, 31)}",
            )
    for day in sorted(content.worked):
        if day.isoweekday() < 6 and day > LIBRARY_LAST:
            yield Fault(
                "unsound",
                ("worked",),
                f"{day} is a weekday and worked anyway: `worked` names Saturdays and Sundays",
            )
