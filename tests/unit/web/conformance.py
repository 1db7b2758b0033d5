"""schemathesis on an API in this process: every phase of it, every check, no socket."""

import json
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis.errors import Flaky, HypothesisWarning
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from starlette.types import ASGIApp

SEED = 20251009
CHAINS_MAX = 1
"""Chains of requests that use each other's answers. Asked for two, Hypothesis draws up to 31 and
throws most away: 25 s of processor for intake's 180 requests, beside 9 s for the 1,400 of the
schemas' own cases. The scenes play such chains, with meaning."""


def findings(
    api: ASGIApp, headers: Mapping[str, str], *, examples_max: int = 25, seed: int = SEED
) -> list[str]:
    """What schemathesis finds wrong with `api`, one text per finding; empty means nothing.

    `headers` carry the token; `/openapi.json` is read with them. A request that fits the schema
    may still be refused by a rule of the domain (422, 412), so these statuses are expected of it;
    that it is refused as `invalid-request` is found by `well_formed` below.
    """
    config = _config(headers, examples_max, seed)
    return _found_in(
        schemathesis.openapi.from_asgi("/openapi.json", api, config=config, headers=dict(headers))
    )


def findings_at(url: str, headers: Mapping[str, str], *, examples_max: int) -> list[str]:
    """The same of a running service, over HTTP, from a process of its own.

    Hypothesis will not share `random` with a service that runs in threads beside it.
    """
    asked = json.dumps({"url": url, "headers": dict(headers), "examples_max": examples_max})
    ran = subprocess.run(
        [sys.executable, "-m", "tests.unit.web.conformance"],
        input=asked,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    found: list[str] = json.loads(ran.stdout.splitlines()[-1])
    return found


def _config(headers: Mapping[str, str], examples_max: int, seed: int) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "headers": dict(headers),
            "generation": {"max-examples": examples_max, "database": "none"},
            "checks": {"positive_data_acceptance": {"enabled": False}},
            "phases": {"stateful": {"generation": {"max-examples": CHAINS_MAX}}},
        }
    )


def _found_in(schema: Any) -> list[str]:
    with warnings.catch_warnings():
        # Hypothesis remarks on its own examples ("overly large repr"); that is no finding.
        warnings.simplefilter("ignore", HypothesisWarning)
        return _found_by(from_schema(schema).execute())


def _found_by(happened: Any) -> list[str]:
    found: list[str] = []
    for event in happened:
        if isinstance(event, events.ScenarioFinished) and event.status == Status.FAILURE:
            for checks in event.recorder.checks.values():
                found += [
                    f"{event.label}: {check.name}: {check.failure_info.failure.message}"
                    for check in checks
                    if check.failure_info is not None and not _of_a_union(check)
                ]
        elif isinstance(event, events.FatalError):
            found.append(repr(event))
        elif isinstance(event, events.NonFatalError) and not isinstance(event.value, Flaky):
            # Flaky: Hypothesis could not draw the same data twice; that says nothing of the API.
            found.append(f"{event.label}: {event.value!r}")
    return found


def _of_a_union(check: Any) -> bool:
    """Broken in one branch of `anyOf` only: null, the other branch, is still valid data."""
    message = check.failure_info.failure.message
    return check.name == "negative_data_rejection" and "/anyOf/" in message


@schemathesis.check
def well_formed(_context: Any, response: Any, case: Any) -> None:
    """What the schema calls a valid request is never refused as `invalid-request`."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code in (400, 422):
        problem = response.json()
        if problem["rule"] == "invalid-request" and _across_fields(problem["errors"]):
            return
        rules = ("invalid-request", "bad-json")
        assert problem["rule"] not in rules, f"{problem['errors']}: {case.body!r} {case.query!r}"


def _across_fields(errors: Any) -> bool:
    """Only rules that JSON Schema cannot say: between fields, and the years of an instant."""
    return all(one["where"] in ("body", "body.asked", "body.data", *_TOLD) for one in errors)


_TOLD = (
    "body.time",
    "body.data.history.answered_at",
    "body.data.history.closed_at",
    "body.effective_from",
    "query.at",
)
"""Instants that somebody outside tells."""


def _main() -> None:
    told = json.load(sys.stdin)
    headers = told["headers"]
    schema = schemathesis.openapi.from_url(
        f"{told['url']}/openapi.json",
        config=_config(headers, told["examples_max"], SEED),
        headers=headers,
    )
    print(json.dumps(_found_in(schema)))


if __name__ == "__main__":
    _main()
