"""A command is done once per key, and its repetition returns the first outcome."""

import re
from typing import Any

import pytest

from libs.eventlog.purging import StreamPurged, StreamWithheld
from libs.web.commands import decided
from tests.unit.web.client import Client
from tests.unit.web.sample import JOB, NO_JOB, TAKEN_JOB, Sample

TAKE = f"/v1/jobs/{JOB}/take"
BODY = {"team": "a"}


def test_a_command_answers_with_the_events_it_led_to(sample: Sample, client: Client) -> None:
    answer = client.post(TAKE, json=BODY, headers=sample.headers())
    assert answer.status_code == 200
    assert answer.json() == {
        "subject": str(JOB),
        "events": [
            {
                "type": "job.taken.v1",
                "id": str(JOB),
                "sequence": 1,
                "time": "2025-10-09T04:00:00.000000Z",
            }
        ],
    }
    assert "idempotency-replayed" not in answer.headers


def test_the_same_key_again_returns_the_first_outcome_byte_for_byte(
    sample: Sample, client: Client
) -> None:
    first = client.post(TAKE, json={"team": "a", "copies": 1}, headers=sample.headers())
    again = client.post(
        TAKE,
        content=b'{ "copies":1,\n "team": "a" }',
        headers={**sample.headers(), "Content-Type": "application/json"},
    )
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotency-replayed"] == "true"


def test_a_refusal_that_a_rule_decided_is_an_outcome_too(sample: Sample, client: Client) -> None:
    url = f"/v1/jobs/{TAKEN_JOB}/take"
    first = client.post(url, json=BODY, headers=sample.headers())
    again = client.post(url, json=BODY, headers=sample.headers())
    assert (first.status_code, again.status_code) == (409, 409)
    assert again.content == first.content
    assert again.headers["content-type"] == "application/problem+json"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"


def test_a_refusal_that_passes_by_itself_is_not_kept_with_its_key() -> None:
    """What is withheld is free again, or gone, in a moment."""
    assert decided(StreamPurged())
    assert not decided(StreamWithheld())


def test_a_subject_not_there_yet_may_be_asked_again_with_the_same_key(
    sample: Sample, client: Client
) -> None:
    url = f"/v1/jobs/{NO_JOB}/take"
    assert client.post(url, json=BODY, headers=sample.headers()).status_code == 404
    assert sample.commands.kept == {}


def test_a_key_belongs_to_one_request(sample: Sample, client: Client) -> None:
    client.post(TAKE, json=BODY, headers=sample.headers())
    other_body = client.post(TAKE, json={"team": "b"}, headers=sample.headers())
    other_path = client.post(f"/v1/jobs/{JOB}/drop", headers=sample.headers())
    other = {**sample.headers(), "Authorization": f"Bearer {sample.token(actor='agent:8813')}"}
    other_actor = client.post(TAKE, json=BODY, headers=other)
    for answer in (other_body, other_path, other_actor):
        assert (answer.status_code, answer.json()["rule"]) == (422, "idempotency-key-reused")


def test_a_command_without_a_key_is_told_to_bring_one(sample: Sample, client: Client) -> None:
    headers = sample.headers()
    del headers["Idempotency-Key"]
    answer = client.post(TAKE, json=BODY, headers=headers)
    assert (answer.status_code, answer.json()["rule"]) == (400, "idempotency-key-required")
    assert "Idempotency-Key" in answer.json()["detail"]
    assert sample.commands.submitted == []


@pytest.mark.parametrize("body", [{"team": 1}, {"team": "a", "x": 1}, {"team": "a\x07"}])
def test_a_missing_key_is_told_beside_what_is_wrong_with_the_body(
    sample: Sample, client: Client, body: dict[str, Any]
) -> None:
    headers = sample.headers()
    del headers["Idempotency-Key"]
    answer = client.post(TAKE, json=body, headers=headers)
    assert (answer.status_code, answer.json()["rule"]) == (422, "invalid-request")
    where = [one["where"] for one in answer.json()["errors"]]
    assert where[0] == "header.Idempotency-Key"
    assert len(where) == 2
    assert sample.commands.submitted == []


@pytest.mark.parametrize("key", ["", "a b", "k" * 256, "k\x7f", "schlüssel".encode("latin-1")])
def test_a_key_is_visible_ascii_and_short(sample: Sample, client: Client, key: str | bytes) -> None:
    headers: dict[str, str | bytes] = {**sample.headers(), "Idempotency-Key": key}
    answer = client.post(TAKE, json=BODY, headers=headers)
    assert (answer.status_code, answer.json()["rule"]) == (400, "idempotency-key-required")


def test_the_actor_comes_from_the_token_and_the_trace_from_the_caller(
    sample: Sample, client: Client
) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    client.post(TAKE, json=BODY, headers={**sample.headers(key="k"), "traceparent": trace})
    client.post(TAKE, json=BODY, headers={**sample.headers(key="l"), "traceparent": "00-bad"})
    (actor, key, fingerprint, first), (_, _, same, second) = sample.commands.submitted
    assert (actor, key) == ("agent:8812", "k")
    assert re.fullmatch(r"[0-9a-f]{64}", fingerprint)
    assert fingerprint == same
    assert re.fullmatch(r"00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01", first)
    assert second == ""  # then it goes into the complaint's own trace
