"""Whatever a rule refuses has a name, says what to do in both languages, and in which state."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import libs
import services
from cli.places import SERVICES
from libs.decider import Conflict, Decider, DomainError, NotFound, Refused, Stale
from libs.decider.decider import stands_nowhere
from libs.web.problem import RequestError
from services.audit.domain import standing as audit
from services.escalation.domain import standing as escalation
from services.escalation.domain.state import Stage
from services.escalation.domain.stream import CASES
from services.feedback_survey.domain import standing as feedback
from services.feedback_survey.domain.stream import FEEDBACK
from services.intake.domain.standing import PERSON, STATES
from services.intake.domain.streams import COMPLAINT
from services.routing.domain import standing as routing
from services.routing.domain.state import Phase
from services.routing.domain.work import WORK

KINDS = {NotFound, Conflict, Refused, Stale, RequestError}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def _import_all() -> None:
    for package in (libs, services):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(("__main__", ".main")):
                importlib.import_module(module.name)


def _below(error: type[DomainError]) -> Iterator[type[DomainError]]:
    for one in error.__subclasses__():
        yield one
        yield from _below(one)


_import_all()
OURS = ("libs.", "services.")
# One that others are made of, without a rule's name of its own, is never raised itself.
REFUSALS = sorted(
    {
        one
        for one in _below(DomainError)
        if one.__module__.startswith(OURS) and ("rule" in vars(one) or not one.__subclasses__())
    }
    - KINDS,
    key=lambda one: (one.__module__, one.__name__),
)


def test_there_are_many() -> None:
    assert len(REFUSALS) > 100
    assert {one.__module__.split(".")[1] for one in REFUSALS} >= {
        "intake", "routing", "escalation", "feedback_survey", "sla_watch", "audit", "web",
    }  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_every_refusal_names_its_rule_and_says_what_to_do_in_both_languages(
    refusal: type[DomainError],
) -> None:
    """Issue 4: "answers 409 or 422 with the rule's name and the state that refused it, in both
    languages"."""
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", refusal.rule)
    assert refusal.rule not in {kind.rule for kind in KINDS}, "a name of its own"
    assert CHINESE.search(refusal.zh)
    assert refusal.zh not in {kind.zh for kind in KINDS}, "not only the kind's words"
    sentence = (refusal.__doc__ or "").split("\n", 1)[0]
    assert re.fullmatch(r"[A-Z`0-9].{10,}[.;:!]?", sentence)
    assert not CHINESE.search(sentence)
    assert refusal.status in (400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 503)


def test_no_two_refusals_share_a_rules_name_within_a_service() -> None:
    seen: dict[tuple[str, str], type[DomainError]] = {}
    for one in REFUSALS:
        place = (one.__module__.split(".")[1], one.rule)
        assert place not in seen, f"{one} and {seen[place]}"
        seen[place] = one


@pytest.mark.parametrize("decider", [COMPLAINT, WORK, CASES, FEEDBACK], ids=lambda one: one.kind)
def test_what_people_command_says_where_it_stands(decider: Decider[object]) -> None:
    assert decider.stands.__module__.startswith("services.")
    assert decider.stands.__module__.endswith(".domain.standing")


NOWHERE = {
    "message": "its refusal is the message's own",
    "search": "never refuses",
    "token": "never refuses",
    "role": "never refuses",
    "export": "never refuses",
    "housekeeping": "never refuses",
    "team": "refuses what was sent, wherever the team stands",
    "policy": "names the version, the instant and the line that refuse it",
    "clocks": "nobody commands it",
    "checkpoint": "nobody commands it",
}
"""Streams without a state that refuses, each with its reason."""


def test_every_stream_that_can_refuse_for_where_it_stands_says_where() -> None:
    """Issue 4: "and the state that refused it": holds, persons and the archive as well."""
    described = [importlib.import_module(f"services.{one}.main").describe() for one in SERVICES]
    deciders = [decider for service in described for decider in service.all_deciders]
    assert {one.kind for one in deciders if one.stands is stands_nowhere} == set(NOWHERE)


def test_every_state_has_two_names() -> None:
    assert set(routing.PHASES) == set(Phase)
    assert set(escalation.STAGES) == set(Stage)
    standings = [
        *routing.PHASES.values(),
        routing.SUSPENDED,
        *escalation.STAGES.values(),
        escalation.NO_CASE,
        *(feedback.NOT_ASKED, feedback.ASKED, feedback.CONCLUDED, feedback.STOPPED),
    ]
    named = [(one.zh, one.en) for one in standings]
    for states in (STATES, PERSON, audit.STATES):
        named += [(one.zh, one.en) for one in states.values()]
    for zh, en in named:
        assert CHINESE.search(zh)
        assert re.fullmatch(r"[a-zA-Z0-9 ,']+", en)
