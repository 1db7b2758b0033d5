"""Customers' texts before anybody gets them: the services' own rules with sample facts, no system.

The promised times are those that sla_watch would promise a complaint registered then; words, medium
and the instant of leaving are feedback_survey's own decision. Only the facts are samples.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from contracts.feedback_survey import NoticeFact, NoticeIssued
from contracts.sla_watch import ClocksStarted
from contracts.values import (
    Category,
    ChannelKind,
    ClearText,
    Clock,
    ClockPurpose,
    Correspondent,
    DistrictType,
    EventRef,
    Kind,
    Language,
    NoticeKind,
    Profile,
    ReplyTo,
    Urgency,
    ValueTier,
)
from libs.decider import Context, Policies, PolicyInForce, Recorded
from libs.eventlog.policies import content_digest
from libs.eventlog.policy_files import seed_instant
from libs.eventlog.service import Service
from services.feedback_survey import main as feedback_survey
from services.feedback_survey.domain import FEEDBACK
from services.feedback_survey.domain.commands import Tell
from services.feedback_survey.domain.texts import TEMPLATES
from services.feedback_survey.reactions import react
from services.sla_watch import main as sla_watch
from services.sla_watch.domain import CLOCKS
from services.sla_watch.domain.commands import StartWatching

NOBODY = UUID(int=0)
SAMPLES: Mapping[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "samples.yaml").read_text(encoding="utf-8")
)
INSTANTS = frozenset({"until", "old_due", "new_due"})
"""Facts that are instants."""
GIVEN = frozenset().union(*(knows.all for knows in TEMPLATES.values())) - {"promises", "final"}
"""Facts that whoever previews may give."""
SAMPLE_WAIT = timedelta(days=3)
"""From the present to a sample of a new time, where no promise says more."""

LETTERS: Mapping[str, tuple[NoticeKind, str]] = {
    "receipt": (NoticeKind.RECEIPT, "receipt"),
    "question": (NoticeKind.QUESTION, "question"),
    "delay": (NoticeKind.DELAY, "delay"),
    "overdue_repair": (NoticeKind.DELAY, "overdue_repair"),
    "answer": (NoticeKind.ANSWER, "answer"),
    "rejected": (NoticeKind.ANSWER, "rejected"),
    "survey": (NoticeKind.SURVEY, "survey"),
    "reminder": (NoticeKind.REMINDER, "reminder"),
    "decision": (NoticeKind.DECISION, "decision"),
    "deadlock": (NoticeKind.DECISION, "decision"),
    "declined": (NoticeKind.DECISION, "declined"),
    "compensation": (NoticeKind.COMPENSATION, "compensation"),
}
"""Every text a customer can get -> its notice's kind and its template; `deadlock` is the final
decision, which names the right to appeal (DOMAIN rule 10)."""

PROMISED_FIRST = (
    ClockPurpose.REPAIR,
    ClockPurpose.INSTALL,
    ClockPurpose.ATTITUDE,
    ClockPurpose.RESOLVE,
    ClockPurpose.REPLY,
    ClockPurpose.FEEDBACK,
    ClockPurpose.LEGAL_ANSWER,
)
"""Which promise a sample delay is about: the first of these that the complaint has."""


@dataclass(frozen=True, slots=True)
class Case:
    """The complaint whose customer is written to."""

    at: datetime
    category: Category
    urgency: Urgency = Urgency.ORDINARY
    district: DistrictType | None = None
    value_tier: ValueTier = ValueTier.ORDINARY


@dataclass(frozen=True, slots=True)
class Preview:
    """One text as this customer would get it."""

    kind: str
    language: Language
    by: str
    leaves: datetime
    template: str
    text: str


class NoSuchFact(ValueError):
    """Nobody can give that fact, or not so."""


def policies_of(
    changed: Iterable[Mapping[str, Any]], services: Sequence[Service] | None = None
) -> Policies:
    """The versions that came with us; those in `changed` in place of theirs, and in force."""
    mine = {str(one["name"]): one for one in changed}
    known = Policies()
    for service in services or (feedback_survey.describe(), sla_watch.describe()):
        for seed in service.seed_policies:
            content = mine.get(str(seed["name"]), seed)
            known = known.adding(
                PolicyInForce(
                    name=str(content["name"]),
                    version=str(content["version"]),
                    sha256=content_digest(content),
                    active_from=seed_instant(seed["effective_from"]),
                    content=content,
                    compiled=service.compile_policy(str(content["name"]), content),
                )
            )
    return known


def facts_given(said: Iterable[str]) -> Mapping[str, str | datetime]:
    """`plan=…`, `new_due=2025-10-04T12:00+08:00` as facts; raises NoSuchFact."""
    given: dict[str, str | datetime] = {}
    for one in said:
        name, equals, value = one.partition("=")
        if name not in GIVEN or not equals or not value:
            raise NoSuchFact(
                f"{one!r} gives no fact: write NAME=VALUE; known are {', '.join(sorted(GIVEN))}"
            )
        if name not in INSTANTS:
            given[name] = value
            continue
        try:
            instant = seed_instant(value)
        except ValueError:
            raise NoSuchFact(
                f"{value!r} is no instant: write {name}=2025-10-04T12:00:00+08:00"
            ) from None
        given[name] = instant
    return given


def previews(
    policies: Policies,
    case: Case,
    kinds: Iterable[str],
    languages: Iterable[Language],
    given: Mapping[str, str | datetime],
) -> Iterator[Preview]:
    """Each of these texts in each of these languages."""
    for kind in kinds:
        for language in languages:
            yield _preview(policies, case, kind, language, given)


def _preview(
    policies: Policies,
    case: Case,
    kind: str,
    language: Language,
    given: Mapping[str, str | datetime],
) -> Preview:
    context = Context(case.at, "system:preview", policies, str(NOBODY))
    to = Correspondent(
        receipt=str(given.get("receipt", SAMPLES["receipt"])),
        person=NOBODY,
        reply_to=ReplyTo(kind=ChannelKind.SMS, address="v1.sample"),
        language=language,
        value_tier=case.value_tier,
    )
    started = _promises(case, to, context)
    what, template = LETTERS[kind]
    if kind == "receipt":
        (heard,) = react(_recorded(started, case.at))
        command = heard.command
    else:
        facts = tuple(_facts(template, kind, case.at, language, started.clocks, given))
        command = Tell(
            at=case.at, cycle=1, kind=what, template=template, facts=facts, correspondent=to
        )
    issued = next(
        one for one in FEEDBACK.decide(None, command, context) if isinstance(one, NoticeIssued)
    )
    return Preview(
        kind=kind,
        language=language,
        by=issued.by.value,
        leaves=issued.not_before,
        template=issued.template.version,
        text="".join(one.lit for one in issued.text if isinstance(one, ClearText)),
    )


def _promises(case: Case, to: Correspondent, context: Context) -> ClocksStarted:
    """The clocks of a complaint registered at that instant, as sla_watch starts them."""
    command = StartWatching(
        at=case.at,
        cycle=1,
        fact=EventRef(event=NOBODY, source="/bihuan/intake", type="complaint.registered.v1"),
        clock_from=case.at,
        profile=Profile(
            kind=Kind.COMPLAINT,
            category=case.category,
            urgency=case.urgency,
            channel=ChannelKind.SMS,
            district_type=case.district,
            value_tier=case.value_tier,
        ),
        correspondent=to,
    )
    events = CLOCKS.decide(None, command, context)
    return next(one for one in events if isinstance(one, ClocksStarted))


def _facts(
    template: str,
    kind: str,
    at: datetime,
    language: Language,
    clocks: Sequence[Clock],
    given: Mapping[str, str | datetime],
) -> Iterator[NoticeFact]:
    times = _times(kind, at, clocks)
    for name in sorted(TEMPLATES[template].all - {"receipt", "promises"}):
        value = given.get(name, times.get(name) if name in INSTANTS else SAMPLES.get(name))
        if name == "final":
            value = "yes" if kind == "deadlock" else None
        elif name == "decision" and kind == "deadlock" and name not in given:
            value = "rejected"
        if isinstance(value, datetime):
            yield NoticeFact(name=name, at=value)
        elif value is not None:
            yield NoticeFact(name=name, text=value[language] if isinstance(value, dict) else value)


def _times(kind: str, at: datetime, clocks: Sequence[Clock]) -> Mapping[str, datetime | None]:
    dues = {one.purpose: one.due for one in clocks}
    promised = next((dues[one] for one in PROMISED_FIRST if one in dues), None)
    old = dues.get(ClockPurpose.LEGAL_REPAIR, at) if kind == "overdue_repair" else promised
    return {
        "until": at + SAMPLE_WAIT,
        "old_due": old,
        "new_due": (old or at) + SAMPLE_WAIT,
    }


def _recorded(event: ClocksStarted, at: datetime) -> Recorded[ClocksStarted]:
    return Recorded(
        id=NOBODY,
        source="/bihuan/sla_watch",
        type=event.type,
        subject=str(NOBODY),
        time=at,
        sequence=1,
        actor="system:preview",
        data=event,
    )
