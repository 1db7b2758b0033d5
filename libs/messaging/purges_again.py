"""Purges on record, gone through again when a service is made from the log (decisions/0021).

Their streams lie in other partitions than the complaints they name, so they come behind everything
else. What each service kept it said on record; whoever withholds something yet withholds it again.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from libs.decider import Recorded
from libs.eventlog.envelope import Unreadable
from libs.eventlog.purging import End, Withhold, ends_of, purge_of, subjects_of
from libs.eventlog.recorder import Unit
from libs.eventlog.service import Service
from libs.eventlog.store import Store
from libs.eventlog.work import Work
from libs.messaging.log_source import Accepted
from libs.messaging.purges import hear_of_purge
from libs.messaging.spool import Spool

Answers = Mapping[UUID, Sequence[str]]
"""Of each event of a purge that the service answered, the complaints that it kept."""


@dataclass(frozen=True, slots=True)
class _Told:
    """An event of a purge, as it lies in the log."""

    one: Accepted
    recorded: Recorded[Any]


class PurgesAgain:
    """What is heard of purges while a copy is made; `close` when done."""

    def __init__(self, service: Service, store: Store) -> None:
        self._service = service
        self._store = store
        keeping = service.housekeeping
        self._events = (keeping.purge_approved, keeping.purge_withdrawn, keeping.cohort_purged)
        self._spool = Spool()
        self._noticed: dict[UUID, Recorded[Any]] = {}
        """The purges that the log tells of, until they are carried out."""
        self._standing: dict[str, list[_Told]] = defaultdict(list)
        """Of each purge what was approved of it, and is neither carried out nor withdrawn."""
        self._followed: list[_Told] = []
        """Purges carried out that had been approved: what every service answers."""

    def noticing(self, records: Iterable[Accepted]) -> Iterator[Accepted]:
        """The same records, with note taken of the purges among them before any is heard."""
        types = self._service.versions_of(self._service.housekeeping.cohort_purged.type)
        for one in records:
            if one.value and one.headers.type in types:
                with suppress(Unreadable):
                    recorded = self._service.read(one.value)
                    self._noticed[recorded.id] = recorded
            yield one

    def let_go(self) -> Sequence[tuple[Recorded[Any], Sequence[str]]]:
        """The purges that it answered and that are to be carried out, with what it kept."""
        answers = self._answers() if self._noticed else {}
        return [
            (recorded, answers[record])
            for record, recorded in self._noticed.items()
            if record in answers
        ]

    def hear(self, one: Accepted, recorded: Recorded[Any]) -> None:
        """Takes note of an event of a purge."""
        if isinstance(recorded.data, self._events):
            self._spool.add(one)

    def carry_out(
        self, only: Collection[UUID] | None = None, *, rows_only: bool = False
    ) -> frozenset[UUID]:
        """Carries out the purges heard since the last call, each month's in order; returns which.

        `only`: these, and the others later. `rows_only`: their streams are gone already. What is
        withheld is left as it is. Raises PurgeRefused where the database does not let the streams
        go.
        """
        heard, self._spool = self._spool, Spool()
        done, waiting = set[UUID](), set[str]()
        answers = self._answers() if heard.records else {}
        with heard:
            for one in heard:
                recorded = self._service.read(one.value or b"")
                told = _Told(one, recorded)
                is_purge = isinstance(recorded.data, self._service.housekeeping.cohort_purged)
                if only is not None and is_purge and recorded.id not in only:
                    waiting.add(recorded.subject)
                if recorded.subject in waiting:
                    self._spool.add(one)
                elif is_purge:
                    self._purge(told, answers.get(recorded.id, ()), rows_only)
                    done.add(recorded.id)
                else:
                    self._note(told)
        if done:
            self._store.forget()
        return frozenset(done)

    def _note(self, told: _Told) -> None:
        """What is approved stands until it is withdrawn, or carried out."""
        approved = self._standing[told.recorded.subject]
        if isinstance(told.recorded.data, self._service.housekeeping.purge_approved):
            approved.append(told)
        else:
            approved.clear()

    def _purge(self, told: _Told, kept: Sequence[str], rows_only: bool) -> None:
        approved = self._standing[told.recorded.subject]
        purge = purge_of(told.recorded, told.one.value or b"", kept=kept)
        if approved:
            self._followed.append(told)
        if purge.last:
            approved.clear()
        # What is withheld now is another purge's of that month; this one lifted its own then.
        again = replace(purge, last=False, rows_only=rows_only)
        self._store.recorder.insert_events([], unit=Unit(purges=[again]))
        self._noticed.pop(told.recorded.id, None)

    def _answers(self) -> Answers:
        answered = self._service.housekeeping.purge_answered.type
        with self._store.connection() as conn:
            rows = conn.execute(
                "SELECT state FROM stored_events WHERE topic = ANY(%s)",
                (list(self._service.versions_of(answered)),),
            ).fetchall()
        answers: list[Any] = [self._service.read(bytes(row["state"])).data for row in rows]
        return {one.record: [str(complaint) for complaint in one.kept] for one in answers}

    # -- what an emptied database had forgotten ---------------------------------------------------

    def withhold(self, records: Iterable[Accepted]) -> None:
        """Withholds again what the service said it withholds, and nobody has taken up since.

        `records`: all of L. Order between partitions is not needed: whoever recorded something
        behind what the approval names keeps the complaint, and so nobody needs to withhold it.
        """
        answers = self._answers() if self._approved() else {}
        said = [told for told in self._approved() if told.recorded.id in answers]
        ends = {told.recorded.id: ends_of(told.recorded) for told in said}
        taken_up = self._beyond([end for some in ends.values() for end in some], records)
        for told in said:
            named = ends[told.recorded.id]
            free = {*answers[told.recorded.id], *taken_up, *self._store.moved(named)}
            subjects = frozenset(subjects_of(named)) - free
            step = Withhold(told.recorded.subject, named, subjects, None)
            self._store.recorder.insert_events([], unit=Unit(purges=[step]))
        if said:
            self._store.forget()

    def answer(self, work: Callable[[], Work], passed: Callable[[Accepted], bool]) -> None:
        """Answers, and does, what was never answered: the answer went with the database.

        `passed`: what the service's inbox will not hear again; the rest it answers by itself.
        """
        told = [*self._approved(), *self._followed]
        answers = self._answers() if told else {}
        for one in told:
            if one.recorded.id not in answers and passed(one.one):
                deciding = work()
                hear_of_purge(self._service, deciding, one.recorded, one.one.value or b"")
                self._store.commit(deciding.unit(), deciding)

    def _approved(self) -> list[_Told]:
        return [told for some in self._standing.values() for told in some]

    def _beyond(self, ends: Sequence[End], records: Iterable[Accepted]) -> set[str]:
        """The complaints of which something was heard that lies behind these ends."""
        named = {(end.source, end.subject): end.sequence for end in ends}
        subjects = {end.subject for end in ends}
        found: set[str] = set()
        if subjects:
            for one in records:
                if one.key in subjects and one.headers.type in self._service.heard_types:
                    recorded = self._service.read(one.value or b"")
                    if recorded.sequence > named.get((recorded.source, one.key), 0):
                        found.add(one.key)
        return found

    def close(self) -> None:
        """Lets go of what was kept on disk."""
        self._spool.close()
