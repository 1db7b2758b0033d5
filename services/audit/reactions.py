"""What audit hears beside keeping every byte: whose receipt a complaint is, what is counted, what
standing legal holds reach, and what keeps a complaint from going.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from contracts.intake import (
    ComplaintClosed,
    ComplaintContactLinked,
    ComplaintEscalationNoted,
    ComplaintReclassified,
    ComplaintRegistered,
    ComplaintReopened,
    ComplaintWithdrawn,
)
from libs.decider import Event, GivenUp, Recorded, To
from services.audit.domain import reporting
from services.audit.domain.access import ABOUT_ACCESS
from services.audit.domain.holds import Reach, ReachUnread
from services.audit.views import speaker_of

HEARD: tuple[type[Event], ...] = tuple(
    dict.fromkeys(
        (
            ComplaintRegistered,
            ComplaintReclassified,
            ComplaintContactLinked,
            ComplaintClosed,
            ComplaintReopened,
            ComplaintEscalationNoted,
            ComplaintWithdrawn,
            *reporting.HEARD,
            *ABOUT_ACCESS,
        )
    )
)


def react(recorded: Recorded[Any]) -> Sequence[To]:
    """What comes on record, or is reclassified, is held where a standing hold reaches it.

    Else nothing: audit keeps and proves, and decides nothing about a complaint.
    """
    match recorded.data:
        case ComplaintRegistered(registration=told):
            reach = Reach(
                at=recorded.time,
                person=told.correspondent.person,
                profile=told.profile,
                moments=tuple(sorted({told.clock_from, recorded.at, recorded.time})),
            )
            return [To(recorded.subject, reach)]
        case ComplaintReclassified(profile=profile, clock_from=told_at):
            moments = tuple(sorted({told_at, recorded.at}))
            return [To(recorded.subject, Reach(at=recorded.time, profile=profile, moments=moments))]
        case ComplaintContactLinked() | ComplaintWithdrawn():
            speaker = speaker_of(recorded.data)
            if speaker is None:
                return ()
            return [To(recorded.subject, Reach(at=recorded.time, person=speaker))]
        case _:
            return ()


_REACHED = tuple(
    one.type.removesuffix("1")  # of every version
    for one in (
        ComplaintRegistered,
        ComplaintReclassified,
        ComplaintContactLinked,
        ComplaintWithdrawn,
    )
)


def stays(given_up: GivenUp) -> Sequence[To]:
    """A standing hold reaches a record that is discarded all the same; unread, each of them may."""
    if given_up.type and not given_up.type.startswith(_REACHED):
        return ()
    if given_up.recorded is not None:
        with suppress(Exception):  # the rule that parked it; then it is as if unread
            return react(given_up.recorded)
    try:
        UUID(given_up.subject)
    except ValueError:
        return ()
    return [To(given_up.subject, ReachUnread(at=given_up.at))]
