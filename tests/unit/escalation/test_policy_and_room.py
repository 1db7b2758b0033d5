"""The seed policy is sound, its schema is current, and reactions hear what the catalogue says."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.catalogue import CATALOGUE, events_of
from services.escalation.domain.policy import EscalationPolicy, compile_policy
from services.escalation.domain.rows import DECIDERS
from services.escalation.reactions import HEARD
from tests.unit.escalation.heard import POLICY_FILE, content

SCHEMA_FILE = Path(POLICY_FILE).with_name("escalation.schema.json")


def test_the_seed_policy_is_what_domain_says() -> None:
    policy = compile_policy("escalation", content())
    assert policy.urges == 3
    assert [(one.role, one.limit) for one in policy.compensation.authorities] == [
        ("team", Decimal("200.00")),
        ("desk", Decimal("5000.00")),
        ("headquarters", None),
    ]
    assert policy.passes_up == {2: 3}
    assert policy.desks == {2: {"desk"}, 3: {"headquarters"}, 4: {"headquarters"}}


def test_the_policys_schema_is_not_stale() -> None:
    current = EscalationPolicy.model_json_schema(by_alias=True)
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == current


@pytest.mark.parametrize(
    "change",
    [
        {"urges": 0},
        {"passes_up": {"3": 2}},
        {"surprise": 1},
        {"passes_up": {"2": 3, "3": 4}},  # the regulator's tier is the regulator's to open
        {"tiers": {**content()["content"]["tiers"], "wish": 4}},
        {"tiers": {**content()["content"]["tiers"], "regulator": 3}},
        {"desks": {"2": ["desk"], "3": ["headquarters"]}},  # and who works tier 4?
        {"compensation": {"authorities": [{"role": "team", "limit": 200.0}]}},
        {"compensation": {"authorities": [{"role": "team", "limit": "200.00"}]}},  # and above?
        {
            "compensation": {
                "authorities": [
                    {"role": "team", "limit": "200.00"},
                    {"role": "desk", "limit": "200.00"},
                    {"role": "headquarters", "limit": None},
                ]
            }
        },
    ],
)
def test_an_unsound_policy_never_comes_into_force(change: dict[str, object]) -> None:
    unsound = content()
    unsound["content"] |= change
    with pytest.raises(ValueError, match="validation error"):
        compile_policy("escalation", unsound)


def test_no_other_policy_is_escalations() -> None:
    with pytest.raises(ValueError, match="no policy"):
        compile_policy("texts", content())


def test_it_hears_exactly_what_the_catalogue_says() -> None:
    of_the_runtime = {  # heard by every service, beside its reactions
        *("hold.placed.v1", "hold.lifted.v1", "cohort.purged.v1", "policy.activated.v1"),
        *("purge.approved.v1", "purge.withdrawn.v1"),
        *("role.changed.v1", "token.issued.v1", "token.revoked.v1"),
    }
    listed = {entry.event.type for entry in CATALOGUE if "escalation" in entry.reactions}
    assert {event.type for event in HEARD} == listed - of_the_runtime


def test_its_stream_holds_exactly_its_own_events() -> None:
    streams = {entry.event: entry.stream for entry in CATALOGUE}
    written = {event for event in events_of("escalation") if streams[event] == "case"}
    assert set(DECIDERS[0].events) == written
