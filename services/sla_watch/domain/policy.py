"""The clock table and the working days as this service reads them: schema first, then fast tables.

Everything is checked and worked out once, when a version is read; deciding only looks things up.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from contracts.values import (
    Category,
    ClockPurpose,
    Code,
    Complexity,
    CustomerClass,
    DistrictType,
    Kind,
    PolicyRef,
    Profile,
    Province,
    ReopenRoute,
    Tier,
    Urgency,
    ValueTier,
    Version,
)
from libs.decider.policy import Unsound
from libs.timekeeping.calendars import WorkingCalendar, library_calendar
from libs.timekeeping.counting import (
    DAY,
    LEVELS,
    Counting,
    LegalDays,
    Level,
    Limit,
    Opening,
    RunsThrough,
    ServiceHours,
    WorkingDays,
    since_midnight,
)
from services.sla_watch.domain.facts import KEEP_NOTHING, FactKind

CLOCKS = "clocks"
WORKING_DAYS = "working-days"

_AS_SET = RunsThrough()
_RUNS_THROUGH = "7x24"
_WORKING = "working_days"
_LEGAL = "legal_days"
_HOURS = "hours:"
_PLAIN_WAYS = (_RUNS_THROUGH, _WORKING, _LEGAL)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Trigger(StrEnum):
    """What starts a clock."""

    REGISTERED = "registered"
    REOPENED_REWORK = "reopened_rework"
    REOPENED_TIER1 = "reopened_tier1"
    FORWARDED = "forwarded"
    PROMISED = "promised"
    ASKED = "asked"
    CASE_REQUESTED = "case_requested"


OF_A_CYCLE = frozenset({Trigger.REGISTERED, Trigger.REOPENED_REWORK, Trigger.REOPENED_TIER1})
"""Triggers that go by what a complaint is about; reclassifying asks these again."""


_ROUTES = {
    ReopenRoute.REWORK: Trigger.REOPENED_REWORK,
    ReopenRoute.TIER1: Trigger.REOPENED_TIER1,
}


def trigger_of(route: ReopenRoute | None) -> Trigger | None:
    """What a cycle's clocks start with: the first one, and one that was reopened this way.

    None for a cycle that goes straight to 10015: it has desk clocks only (convention 11).
    """
    return Trigger.REGISTERED if route is None else _ROUTES.get(route)


class OncePer(StrEnum):
    """How often a clock runs, and so which facts concern it."""

    COMPLAINT = "complaint"
    CYCLE = "cycle"
    CASE = "case"
    FORWARD = "forward"
    PROMISE = "promise"
    SURVEY = "survey"


class Unknown(StrEnum):
    """Stands in a condition for what nobody told."""

    UNKNOWN = "unknown"


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_LIMIT = re.compile(r"(-?\d+(?:[.,]\d+)?)\s*([^\d\s.,]+(?: [^\d\s]+)?)?", re.ASCII)
_UNITS = {
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes", "分", "分钟"), "minutes"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "时", "小时", "个小时"), "hours"),
    **dict.fromkeys(("d", "day", "days", "天", "日", "工作日", "个工作日", "working days"), "days"),
}
"""How people write a unit, and how the file does."""


def _limit(text: object) -> object:
    """`30 hours` as its parts; what people write instead is refused with what to write."""
    if text is None or isinstance(text, Mapping):
        return text
    said = str(text).strip()
    amount, _, unit = said.partition(" ")
    if unit in ("minutes", "hours", "days") and re.fullmatch(r"-?\d+", amount, re.ASCII):
        return {"amount": amount, "unit": unit}
    raise Unsound.at("unsound", (), f"{said!r} is no limit: {_as_a_limit(said)}")


def _as_a_limit(said: str) -> str:
    form = "write a whole number and `minutes`, `hours` or `days`, like `30 hours`"
    found = _LIMIT.fullmatch(said)
    if found is None:
        return form
    amount = Fraction(found[1].replace(",", "."))
    if not found[2]:
        return f"{said} of what? write `{said} minutes`, `{said} hours` or `{said} days`"
    unit = _UNITS.get(found[2].lower())
    if unit is None:
        return form
    if unit == "hours" and amount.denominator != 1:
        amount, unit = amount * 60, "minutes"
    return f"write `{amount} {unit}`" if amount.denominator == 1 else form


class LimitText(_Schema):
    """`5 minutes`, `24 hours` or `2 days`."""

    amount: Annotated[int, Field(ge=1, le=10_000)]
    unit: Literal["minutes", "hours", "days"]


_AS_TEXT = WithJsonSchema(
    {
        "type": "string",
        "pattern": "^([1-9][0-9]{0,3}|10000) (minutes|hours|days)$",
        "examples": ["5 minutes", "24 hours", "2 days"],
    }
)
"""A limit as the file has it: editors that know the schema see what people write."""


def share_of(text: str) -> Fraction:
    """`98/100` exactly, for kept promises are compared as integers (DOMAIN rule 12)."""
    whole, slash, of = text.partition("/")
    if not (slash and whole.isdecimal() and of.isdecimal() and 0 < int(whole) <= int(of)):
        percent_told = re.fullmatch(r"(\d{1,3})\s*[%%]", text, re.ASCII)
        wanted = f"{percent_told[1]}/100" if percent_told else "98/100"
        like = "write" if percent_told else "write a fraction like"
        raise ValueError(f"a promised share is a fraction: {like} `{wanted}`")
    return Fraction(int(whole), int(of))


def percent(share: Fraction) -> str:
    """A promised share as people write it, exactly: `98 %`, or the fraction where that is not."""
    hundredths = share * 100
    whole = hundredths.denominator == 1
    return f"{hundredths.numerator} %" if whole else f"{share.numerator}/{share.denominator}"


def _share(text: str) -> str:
    share_of(text)
    return text


Share = Annotated[str, AfterValidator(_share)]


class Condition(_Schema):
    """When a clock starts; what is left out does not matter."""

    upon: Annotated[tuple[Trigger, ...], Field(min_length=1)]
    kinds: tuple[Kind, ...] = ()
    categories: tuple[Category, ...] = ()
    except_categories: tuple[Category, ...] = ()
    urgencies: tuple[Urgency, ...] = ()
    districts: tuple[DistrictType | Unknown, ...] = ()
    customer_classes: tuple[CustomerClass, ...] = ()
    value_tiers: tuple[ValueTier, ...] = ()
    provinces: tuple[Province, ...] = ()
    """Where the cause lies (DOMAIN rule 5): the handling province."""
    except_provinces: tuple[Province, ...] = ()
    cross_region: bool | None = None
    complexities: tuple[Complexity | Unknown, ...] = ()
    on_holiday: bool | None = None
    tiers: tuple[Tier, ...] = ()

    def holds_for(self, profile: Profile) -> bool:
        """Whether it holds for what a complaint is about (DOMAIN rules 3 and 4)."""
        category = profile.category
        return (
            (not self.kinds or profile.kind in self.kinds)
            and (not self.categories or any(category.within(one) for one in self.categories))
            and not any(category.within(one) for one in self.except_categories)
            and (not self.urgencies or profile.urgency in self.urgencies)
            and (not self.districts or (profile.district_type or Unknown.UNKNOWN) in self.districts)
            and (not self.customer_classes or profile.customer_class in self.customer_classes)
            and (not self.value_tiers or profile.value_tier in self.value_tiers)
            and (not self.provinces or profile.handling_province in self.provinces)
            and profile.handling_province not in self.except_provinces
            and self.cross_region in (None, profile.cross_region)
        )


class Title(_Schema):
    """What people call the clock."""

    zh: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]


class ClockRow(_Schema):
    """One row of the clock table."""

    code: Code
    purpose: ClockPurpose
    title: Title
    limit: Annotated[LimitText, BeforeValidator(_limit), _AS_TEXT] | None = None
    promised: Share | None = None
    counts_in: str
    when: Annotated[tuple[Condition, ...], Field(min_length=1)]
    met_by: Annotated[tuple[FactKind, ...], Field(min_length=1)]
    once_per: OncePer
    pausable: bool = False
    warn: bool = True
    source: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _sound(self) -> Self:
        days = self.counts_in in (_WORKING, _LEGAL)
        if self.limit is None and days:
            raise Unsound.at("missing", ("limit",), f"{self.code}: who counts days needs a limit")
        if self.counts_in not in _PLAIN_WAYS and not self.counts_in.startswith(_HOURS):
            near = get_close_matches(self.counts_in.replace(" ", "_"), _PLAIN_WAYS, n=1)
            known = f"known are {', '.join(_PLAIN_WAYS)} and {_HOURS}NAME of `service_hours`"
            hint = f"did you mean {near[0]}?" if near else known
            problem = f"{self.code}: nobody knows how to count in {self.counts_in!r}: {hint}"
            raise Unsound.at("unknown", ("counts_in",), problem)
        if self.limit is not None and days != (self.limit.unit == "days"):
            wanted = "days, like `5 days`" if days else "hours or minutes, like `24 hours`"
            problem = (
                f"{self.code}: {self.counts_in} does not count {self.limit.unit}: write its limit "
                f"in {wanted}, or count in another way"
            )
            raise Unsound.at("unsound", ("limit",), problem)
        if KEEP_NOTHING & {*self.met_by}:
            problem = f"{self.code}: a pause, an end or a denial keeps no promise: take it out"
            raise Unsound.at("unsound", ("met_by",), problem)
        if "|" in self.code:
            raise ValueError(f"{self.code}: a code holds no |")
        return self


_TIME = r"(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)"
_Hours = Annotated[str, Field(pattern=rf"^{_TIME}-{_TIME}$")]


class HoursRow(_Schema):
    """Opening hours of a desk or hall: `every_day`, or by weekday, and dates that differ."""

    every_day: tuple[_Hours, ...] = ()
    monday: tuple[_Hours, ...] | None = None
    tuesday: tuple[_Hours, ...] | None = None
    wednesday: tuple[_Hours, ...] | None = None
    thursday: tuple[_Hours, ...] | None = None
    friday: tuple[_Hours, ...] | None = None
    saturday: tuple[_Hours, ...] | None = None
    sunday: tuple[_Hours, ...] | None = None
    dates: dict[date, tuple[_Hours, ...]] = Field(default_factory=dict)

    def compiled(self) -> ServiceHours:
        """As counting wants it; raises ValueError for impossible hours."""
        weekly = [getattr(self, day) for day in _WEEKDAYS]
        return ServiceHours(
            [_openings(self.every_day if hours is None else hours) for hours in weekly],
            {day.toordinal(): _openings(hours) for day, hours in self.dates.items()},
        )


def _openings(hours: tuple[str, ...]) -> list[Opening]:
    return [(_since(one[:5]), _since(one[6:])) for one in hours]


def _since(text: str) -> timedelta:
    return DAY if text == "24:00" else since_midnight(time.fromisoformat(text))


class ClocksContent(_Schema):
    """The whole `clocks` policy."""

    name: Literal["clocks"]
    version: Version
    effective_from: date | datetime
    service_hours: dict[str, HoursRow] = Field(default_factory=dict)
    clocks: Annotated[tuple[ClockRow, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _sound(self) -> Self:
        codes: set[str] = set()
        for number, row in enumerate(self.clocks):
            if row.code in codes:
                problem = f"two clocks share a code, {row.code!r}: give this one another"
                raise Unsound.at("overlap", ("clocks", number, "code"), problem)
            codes.add(row.code)
        ways = {_RUNS_THROUGH, _WORKING, _LEGAL, *(_HOURS + name for name in self.service_hours)}
        for number, row in enumerate(self.clocks):
            if row.counts_in not in ways:
                problem = (
                    f"{row.code}: nobody knows how to count in {row.counts_in}: "
                    f"known are {', '.join(sorted(ways))}"
                )
                raise Unsound.at("unknown", ("clocks", number, "counts_in"), problem)
        return self


class WorkingDaysContent(_Schema):
    """The whole `working-days` policy: the base calendar and what an operator adds."""

    name: Literal["working-days"]
    version: Version
    effective_from: date | datetime
    base: Literal["chinesecalendar"]
    base_fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    last: date
    days_off: dict[date, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    worked: tuple[date, ...] = ()

    def compiled(self) -> "Calendar":
        """The calendar; raises ValueError when the library's data is not what was meant."""
        base = library_calendar()
        if base.fingerprint() != self.base_fingerprint:
            raise ValueError(
                f"the installed {base.version} differs from the calendar this version was made "
                "with; install that one, or load a new version made with this one"
            )
        known = base.amended(self.version, self.last, self.days_off, self.worked)
        return Calendar(known, WorkingDays(known), LegalDays(known))


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """A version of the working days, with the two ways of counting that need one."""

    days: WorkingCalendar
    working: WorkingDays
    legal: LegalDays


@dataclass(frozen=True, eq=False)
class Rule:
    """One row of the clock table, ready for use."""

    code: str
    purpose: ClockPurpose
    limit: Limit | None
    counts_in: str
    met_by: frozenset[FactKind]
    once_per: OncePer
    pausable: bool
    levels: tuple[Level, ...]
    when: tuple[Condition, ...]
    policy: PolicyRef
    fixed: Counting | None
    """How it counts, when no calendar is needed."""

    @cached_property
    def of_a_cycle(self) -> bool:
        """Whether it starts with a handling cycle, by what the complaint is about."""
        return any(OF_A_CYCLE & {*condition.upon} for condition in self.when)

    def starts(self, trigger: Trigger | None, profile: Profile) -> bool:
        """Whether this trigger starts it for such a complaint."""
        return any(trigger in one.upon and one.holds_for(profile) for one in self.when)

    def counting(self, calendar: Calendar | None) -> Counting:
        """How it counts; a time that somebody set needs no calendar and runs through."""
        if self.fixed is not None:
            return self.fixed
        if calendar is None:
            return _AS_SET
        return calendar.working if self.counts_in == _WORKING else calendar.legal


@dataclass(eq=False)
class ClockTable:
    """A version of the clock table: its rules by code, and which of them a situation starts."""

    rules: Mapping[str, Rule]
    _known: dict[Any, tuple[Rule, ...]] = field(default_factory=dict)

    @cached_property
    def provinces(self) -> frozenset[str]:
        """The provinces that any rule names."""
        conditions = [one for rule in self.rules.values() for one in rule.when]
        return frozenset(
            name for one in conditions for name in (*one.provinces, *one.except_provinces)
        )

    def for_profile(self, trigger: Trigger, profile: Profile) -> tuple[Rule, ...]:
        """The clocks that this starts for such a complaint."""
        situation = (
            trigger,
            profile.kind,
            profile.category,
            profile.urgency,
            profile.district_type,
            profile.customer_class,
            profile.value_tier,
            # Anybody may write any province's code: only those that a rule names are told apart.
            province if (province := profile.handling_province) in self.provinces else None,
            profile.cross_region,
        )
        known = self._known.get(situation)
        if known is None:
            known = self._known[situation] = tuple(
                rule for rule in self.rules.values() if rule.starts(trigger, profile)
            )
        return known

    def for_forward(
        self, profile: Profile, complexity: Complexity | None, *, holiday: bool
    ) -> tuple[Rule, ...]:
        """The clocks that start when a forward has reached a partner (DOMAIN rule 7)."""
        return tuple(
            rule
            for rule in self.rules.values()
            if any(
                Trigger.FORWARDED in one.upon
                and one.holds_for(profile)
                and (not one.complexities or (complexity or Unknown.UNKNOWN) in one.complexities)
                and one.on_holiday in (None, holiday)
                for one in rule.when
            )
        )

    def for_case(self, profile: Profile, tier: int) -> tuple[Rule, ...]:
        """The clocks that start with a case of this tier (DOMAIN rule 10)."""
        return tuple(
            rule
            for rule in self.rules.values()
            if any(
                Trigger.CASE_REQUESTED in one.upon
                and one.holds_for(profile)
                and (not one.tiers or tier in one.tiers)
                for one in rule.when
            )
        )


def compile_policy(name: str, content: Mapping[str, Any]) -> ClockTable | Calendar:
    """This service's reading of a policy's content; raises ValueError for what must not count."""
    if name == CLOCKS:
        return _clock_table(ClocksContent.model_validate(content))
    if name == WORKING_DAYS:
        return WorkingDaysContent.model_validate(content).compiled()
    raise ValueError(f"sla_watch follows no policy {name!r}, only {CLOCKS} and {WORKING_DAYS}")


def _clock_table(content: ClocksContent) -> ClockTable:
    hours = {_HOURS + name: row.compiled() for name, row in content.service_hours.items()}
    fixed: dict[str, Counting] = {_RUNS_THROUGH: _AS_SET, **hours}
    policy = PolicyRef(name=content.name, version=content.version)
    return ClockTable(
        {
            row.code: Rule(
                code=row.code,
                purpose=row.purpose,
                limit=None if row.limit is None else Limit(row.limit.amount, row.limit.unit),
                counts_in=row.counts_in,
                met_by=frozenset(row.met_by),
                once_per=row.once_per,
                pausable=row.pausable,
                levels=LEVELS if row.warn else (),
                when=row.when,
                policy=policy,
                fixed=fixed.get(row.counts_in),
            )
            for row in content.clocks
        }
    )
