"""The text under a purge's signature: the same for everyone, whatever the order of the heads."""

from base64 import urlsafe_b64decode

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from contracts.catalogue import DECODE
from contracts.housekeeping import CohortPurged, Head
from contracts.purging import HEADS_MAX, in_parts, purge_text, text_of
from libs.eventlog.envelope import decode
from tests.contracts.golden import sample_bytes

ONE = "5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11"
TWO = "e2b1a7c6-0a8f-5b43-8f0e-3f9f1a4d7c22"


def head(service: str, subject: str, sequence: int, digit: str) -> Head:
    return Head(source=f"/bihuan/{service}", subject=subject, sequence=sequence, digest=digit * 64)


HEADS = (head("routing", ONE, 4, "a"), head("intake", TWO, 7, "b"), head("intake", ONE, 9, "c"))
TEXT = (
    b"bihuan cohort purged\n2025-08\n2/3\nretention_over\n20\nagent:auditor-1\nagent:privacy-1\n"
    b"/bihuan/intake\t5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11\t9\t" + b"c" * 64 + b"\n"
    b"/bihuan/intake\te2b1a7c6-0a8f-5b43-8f0e-3f9f1a4d7c22\t7\t" + b"b" * 64 + b"\n"
    b"/bihuan/routing\t5b0fdb9c-6f5b-5f3c-9d55-0d3c6a0a4a11\t4\t" + b"a" * 64 + b"\n"
)


def text(heads: tuple[Head, ...]) -> bytes:
    return purge_text(
        "2025-08", 2, 3, "retention_over", 20, "agent:auditor-1", "agent:privacy-1", heads
    )


def test_the_text_is_this_in_whatever_order_the_heads_are_told() -> None:
    assert text(HEADS) == TEXT
    assert text(HEADS[::-1]) == TEXT


def test_a_subject_that_would_look_like_two_lines_is_not_signed_for() -> None:
    with pytest.raises(ValueError, match="control character"):
        text((head("intake", "x\n/bihuan/routing\ty", 1, "d"),))


def test_the_sample_is_signed_and_no_other_text_is() -> None:
    event = decode(sample_bytes(CohortPurged.type), DECODE).data
    assert isinstance(event, CohortPurged)
    key = Ed25519PublicKey.from_public_bytes(urlsafe_b64decode(event.key + "="))
    signature = urlsafe_b64decode(event.signature + "==")
    key.verify(signature, text_of(event))
    with pytest.raises(InvalidSignature):
        key.verify(signature, text_of(event.model_copy(update={"count": event.count + 1})))


def test_no_complaint_stands_in_two_parts() -> None:
    heads = [head(service, f"s{one:04}", 1, "e") for one in range(400) for service in "abc"]
    parts = in_parts(heads)
    assert [len(part) for part in parts] == [999, 201]
    assert HEADS_MAX == 1000
    assert {one.subject for one in parts[0]} & {one.subject for one in parts[1]} == set()
    assert sorted(parts[0], key=lambda one: (one.source, one.subject)) == list(parts[0])
