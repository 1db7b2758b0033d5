"""What the runtime puts on record by itself, and under which stream and subject it stands."""

from typing import Any
from uuid import UUID

from libs.decider import To
from libs.eventlog.envelope import Origin
from libs.eventlog.housekeeping import BESIDE, Note
from libs.eventlog.service import Service
from libs.eventlog.store import StreamBroken
from libs.eventlog.work import Work


def note_on(service: Service, work: Work, subject: str, event: Any, causation: str) -> None:
    """Puts a housekeeping event on a subject's own stream, or on one of the runtime's own."""
    origin = Origin(causation=causation, actor=f"system:{service.name}")
    primary = service.deciders[0] if service.deciders else None
    if primary is not None and primary.subject_is_id and _is_uuid(subject):
        try:
            stream = work.stream(primary.kind, subject)
        except StreamBroken:
            subject += BESIDE  # the stream itself is what cannot be read
        else:
            work.record(stream, event, origin, evolve=False)
            return
    elif _has_a_stream(service, work, subject):
        subject += BESIDE
    work.apply(To(subject, Note(at=work.now, event=event)), origin)


def _has_a_stream(service: Service, work: Work, subject: str) -> bool:
    """Whether the service decides on a stream of this subject: an event's id is made of source,
    subject and number, so a note under the same subject would have the id of one of its events."""
    for decider in service.all_deciders:
        if not decider.subject_is_id and Note not in decider.commands:
            try:
                if work.stream(decider.kind, subject).version:
                    return True
            except StreamBroken:
                return True
    return False


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
