"""Notices as the relay copies them to `complaints.outbound`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from contracts.feedback_survey import NoticeIssued
from contracts.values import Correspondent
from infra.gateway.keeping import Record
from libs.decider.story import SUBJECT
from libs.eventlog.envelope import GENESIS, Origin, encode
from tests.unit.feedback_survey.heard import (
    TO,
    answered_by_work,
    at,
    clocks_started,
    hear,
    nothing,
)

NOON = at("2025-10-18 12:00")


def notices(to: Correspondent = TO, when: datetime = NOON) -> list[NoticeIssued]:
    """A receipt and an answer, as feedback_survey issues them."""
    story = hear(nothing(), clocks_started(to), when)
    found = list(story.happened)
    found += hear(story, answered_by_work(), when, "answer").happened
    return [one for one in found if isinstance(one, NoticeIssued)]


def wire(notice: NoticeIssued, sequence: int = 1, subject: str = SUBJECT) -> bytes:
    """Its bytes in the log."""
    state, _ = encode(
        notice,
        source="/bihuan/feedback_survey",
        subject=subject,
        sequence=sequence,
        previous=GENESIS,
        time=NOON,
        origin=Origin(causation="test", actor="system:feedback_survey"),
    )
    return state


def record(value: bytes | None, offset: int = 0) -> Record:
    """A record of the topic."""
    return Record("complaints.outbound", 3, offset, value)


class Opener:
    """Opens tokens recognisably, and remembers what for."""

    def __init__(self, gone: frozenset[str] = frozenset()) -> None:
        self.gone = gone
        self.asked: list[tuple[tuple[str, ...], str, UUID | None]] = []

    async def close(self) -> None:
        """Nothing to let go of."""

    async def open_many(
        self, tokens: Sequence[str], purpose: str, complaint: UUID | None = None
    ) -> list[str | None]:
        """`<token>` in clear, or None for one whose person is gone."""
        self.asked.append((tuple(tokens), purpose, complaint))
        return [None if token in self.gone else f"<{token}>" for token in tokens]
