"""Errors are one problem+json, say where and what to do, and never quote what was sent."""

import logging
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict
from starlette.responses import Response

from libs.decider import Conflict, Standing
from libs.web import Ask, Router, command
from libs.web.problem import problem_of
from tests.unit.web.client import Client
from tests.unit.web.sample import JOB, TAKEN_JOB, Sample, build_sample

TAKE = f"/v1/jobs/{JOB}/take"
MARKER = "13800138000"


def faults(answer: Any) -> dict[str, str]:
    return {one["where"]: one["what"] for one in answer.json()["errors"]}


def test_a_refusal_by_a_rule_has_its_status_rule_and_both_languages(
    sample: Sample, client: Client
) -> None:
    url = f"/v1/jobs/{TAKEN_JOB}/take"
    answer = client.post(url, json={"team": "a"}, headers=sample.headers())
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:bihuan:problem:already-taken",
        "title": "Already taken",
        "status": 409,
        "detail": "Somebody else has this job; take another.",
        "rule": "already-taken",
        "zh": "该任务已被他人领取",
        "state": None,
        "errors": [],
    }


def test_a_refusal_tells_the_state_that_refused_it_and_the_first_one_told_stays() -> None:
    closed = Standing("closed", "已结案", "closed")
    told = problem_of(Conflict().stood(closed).stood(Standing("open", "处理中", "open")))
    assert told.state is not None
    assert told.state.model_dump() == {"code": "closed", "zh": "已结案", "en": "closed"}


def test_each_fault_says_where_what_and_what_to_do(sample: Sample, client: Client) -> None:
    body = {"urgency": "soon", "copies": 12, "tags": ["a"] * 6, "colour": "red"}
    answer = client.post(TAKE, json=body, headers=sample.headers())
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"where": "body.team", "what": "is required but missing", "do": "add it"},
        {
            "where": "body.urgency",
            "what": "is not one of the known values",
            "do": "send one of 'urgent' or 'ordinary'",
        },
        {"where": "body.copies", "what": "is too large", "do": "send at most 9"},
        {"where": "body.tags", "what": "has too many entries", "do": "send at most 5"},
        {
            "where": "body.colour",
            "what": "is not a known field",
            "do": "remove it, or check its spelling",
        },
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"team": MARKER * 9},
        {"team": "a", "urgency": MARKER},
        {"team": "a", "copies": MARKER},
        {"team": "a", MARKER: 1},
        {"team": "a", "tags": {MARKER: MARKER}},
        {"team": "a", "tags": [f"{MARKER}\x00"]},
        MARKER,
        [MARKER],
    ],
)
def test_nothing_that_was_sent_is_quoted(sample: Sample, client: Client, body: Any) -> None:
    answer = client.post(TAKE, json=body, headers=sample.headers())
    assert answer.status_code == 422
    assert MARKER not in answer.text


def test_a_marker_in_path_query_or_header_is_not_quoted(sample: Sample, client: Client) -> None:
    answers = [
        client.post(f"/v1/jobs/{MARKER}/take", json={"team": "a"}, headers=sample.headers()),
        client.get(f"/v1/jobs?urgency={MARKER}&{MARKER}=1", headers=sample.headers()),
        client.get(f"/{MARKER}", headers=sample.headers()),
        client.get("/v1/jobs", headers={"Authorization": f"Bearer {MARKER}.{MARKER}.x"}),
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 404, 401]
    assert not [answer.text for answer in answers if MARKER in answer.text]


def _quoting(text: str) -> str:
    raise ValueError(f"the name {text} cannot be used; choose one from the list")


def _explaining(text: str) -> str:
    raise ValueError("choose a name from the list")


@pytest.mark.parametrize(
    ("validator", "what"),
    [(_quoting, "breaks a rule of this request"), (_explaining, "choose a name from the list")],
)
def test_a_validators_own_words_are_told_unless_they_quote(
    tmp_path: Any, validator: Any, what: str
) -> None:
    class Body(BaseModel):
        model_config = ConfigDict(extra="forbid")
        name: Annotated[str, AfterValidator(validator)]

    router = Router()

    @router.command("/name")
    async def name(body: Body, ask: Annotated[Ask, command("jobs.take")]) -> Response:
        raise AssertionError("not reached")

    sample = build_sample(tmp_path, [router])
    answer = Client(sample.api).post("/name", json={"name": MARKER}, headers=sample.headers())
    assert faults(answer) == {"body.name": what}


def test_what_is_unexpected_is_a_500_that_says_nothing_but_a_trace(
    sample: Sample, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    sample.commands.failure = RuntimeError(f"row of {MARKER}")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {**sample.headers(), "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    with caplog.at_level(logging.ERROR):
        answer = client.post(TAKE, json={"team": "a"}, headers=headers)
    assert answer.status_code == 500
    assert answer.json()["rule"] == "internal"
    assert trace in answer.json()["detail"]
    assert MARKER not in answer.text
    assert [record.message for record in caplog.records] == ["a request failed"]


def test_not_now_is_503_with_retry_after(sample: Sample, client: Client) -> None:
    sample.commands.failure = ConnectionError("server closed the connection")
    answer = client.post(TAKE, json={"team": "a"}, headers=sample.headers())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["rule"] == "unavailable"


def test_no_such_path_and_no_such_method_are_problems_too(sample: Sample, client: Client) -> None:
    assert client.get("/v2/jobs").json()["rule"] == "not-found"
    assert client.get("/v1/jobs/").status_code == 404  # no redirect: one name per resource
    answer = client.delete("/v1/jobs")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_request_is_counted_by_route_and_never_by_path(
    sample: Sample, client: Client
) -> None:
    client.post(TAKE, json={"team": "a"}, headers=sample.headers())
    client.get(f"/{MARKER}")
    assert sample.observed == [
        ("POST", "/v1/jobs/{job}/take", 200),
        ("GET", "(no route)", 404),
    ]
