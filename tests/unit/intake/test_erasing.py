"""Locked at once, destroyed when nothing keeps it any more (DOMAIN, Audit; EVENTS race 15)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.feedback_survey import SurveyOutcome
from contracts.housekeeping import (
    ErasureMode,
    ErasureState,
    HoldLifted,
    HoldPlaced,
    PersonErased,
    PersonErasureNoted,
)
from contracts.intake import (
    ComplaintErasureNoted,
    ComplaintHoldNoted,
    ComplaintMerged,
    ComplaintReopened,
    ComplaintUnmerged,
    HoldState,
)
from contracts.keeping import floor_ends
from contracts.values import ChannelKind, ContactKind, ReplyTo
from libs.decider import Event, GivenUp, Recorded, To
from libs.decider.story import Story
from services.intake.domain import rows
from services.intake.domain.commands import AwaitErasure, Merge, NoteHold, Unmerge
from services.intake.domain.merging import choose_merge
from services.intake.domain.person import (
    AlreadyDestroyed,
    Destroy,
    Erase,
    LapsePurpose,
    Lock,
    NoteComplaint,
    NoteErasure,
    RecordAccess,
)
from services.intake.persons import complaints_of
from services.intake.reactions import HoldNotDiscarded, stays
from tests.unit.intake.given import (
    closed,
    link,
    open_complaint,
    with_regulator_case,
)
from tests.unit.intake.world import COMPLAINT, HOUR, PERSON, TOLD, World, at, event_id, message

WAITS, FREE = ErasureState.WAITS, ErasureState.FREE
AWAIT = AwaitErasure(at=TOLD + 5 * HOUR, person=PERSON)
OTHER = event_id(77)
PERSONS = Story(rows.DECIDERS[2], subject=str(PERSON), now=TOLD)


# -- the floor ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("closed_at", "nothing_before"),
    [
        ("2025-08-31 12:00:00", "2026-03-01 00:00:00"),  # DOMAIN's own example
        ("2025-08-31 00:00:00", "2026-03-01 00:00:00"),
        ("2025-08-31 23:59:59", "2026-03-01 00:00:00"),
        ("2025-08-28 12:00:00", "2026-03-01 00:00:00"),
        ("2025-08-27 12:00:00", "2026-02-28 00:00:00"),
        ("2023-08-31 12:00:00", "2024-03-01 00:00:00"),  # a leap year: 29 February, 24:00
        ("2025-10-11 13:00:00", "2026-04-12 00:00:00"),
        ("2025-06-30 00:00:00", "2025-12-31 00:00:00"),
        ("2025-12-31 12:00:00", "2026-07-01 00:00:00"),
    ],
)
def test_at_least_six_calendar_months_after_closing(closed_at: str, nothing_before: str) -> None:
    assert floor_ends(at(closed_at)) == at(nothing_before)


# -- what a complaint keeps -----------------------------------------------------------------------


def noted(state: ErasureState, cycle: int = 1) -> ComplaintErasureNoted:
    return ComplaintErasureNoted(cycle=cycle, person=PERSON, state=state)


def test_an_open_complaint_stops_every_deletion() -> None:
    story = open_complaint().when(AWAIT).then(noted(WAITS))
    assert story.timers == {}
    story.when(AWAIT).then_nothing()


def test_closed_it_keeps_the_data_until_the_floor_is_over() -> None:
    story = closed().when(AWAIT)
    assert story.timers == {"erasable": at("2026-04-12 00:00:00")}
    story = story.fire("erasable").then(noted(FREE))
    assert story.timers == {}
    story.when(AWAIT).then_nothing()


def test_asked_long_after_it_is_free_at_once() -> None:
    late = at("2027-01-01 00:00:00")
    story = closed().when(AWAIT.model_copy(update={"at": late}))
    assert story.timers == {"erasable": late}


def test_nothing_is_set_for_a_complaint_that_nobody_wants_erased() -> None:
    assert closed().timers == {}


def test_an_open_appeal_stops_every_deletion() -> None:
    assert with_regulator_case().when(AWAIT).timers == {}


def test_a_legal_hold_stops_every_deletion_until_it_is_lifted() -> None:
    hold = NoteHold(at=TOLD + 6 * HOUR, hold="court-7", state=HoldState.PLACED)
    placed = ComplaintHoldNoted(cycle=1, hold="court-7", state=HoldState.PLACED)
    story = closed().when(AWAIT).when(hold).then(placed)
    story.when(hold).then_nothing()
    assert story.timers == {}
    lifted = hold.model_copy(update={"state": HoldState.LIFTED})
    assert story.when(lifted).timers == {"erasable": at("2026-04-12 00:00:00")}


def test_a_hold_on_what_was_free_makes_the_erasure_wait_again() -> None:
    story = closed().when(AWAIT).fire("erasable")
    hold = NoteHold(at=at("2026-05-01 00:00:00"), hold="court-7", state=HoldState.PLACED)
    story.when(hold).then_types(ComplaintHoldNoted, ComplaintErasureNoted)


def test_a_late_timer_of_a_floor_that_moved_does_nothing() -> None:
    story = closed().when(AWAIT)
    command = story.decider.timer_command(timer="erasable", at=at("2026-04-11 00:00:00"))
    story.when(command).then_nothing()


def test_reopened_while_it_waits_the_floor_starts_anew() -> None:
    story = closed(SurveyOutcome.NO_ANSWER).when(AWAIT)
    story = story.when(link("again", TOLD + 8 * HOUR, ContactKind.URGE))
    assert isinstance(story.state.closed, type(None))
    assert story.timers == {}


def test_reopened_when_it_was_free_the_erasure_waits_again() -> None:
    story = closed(SurveyOutcome.NO_ANSWER).when(AWAIT.model_copy(update={"at": TOLD + 5 * HOUR}))
    free = story.given(noted(FREE), at=TOLD + 6 * HOUR)
    story = free.when(link("again", TOLD + 8 * HOUR, ContactKind.URGE))
    assert story.one(ComplaintReopened).cycle == 2
    assert story.one(ComplaintErasureNoted) == noted(WAITS, cycle=2)


def test_what_was_not_heard_cannot_be_destroyed_so_it_waits_on() -> None:
    """A gap may hide a hold or an appeal, and destroying cannot be taken back."""
    story = closed().when(AWAIT)
    due = story.timers["erasable"]
    late = due + timedelta(minutes=15)
    blind = story.decider.timer_command(timer="erasable", at=due, complete=False)
    story = story.when(blind, now=late).then(noted(WAITS))
    assert story.timers == {"erasable": late}
    story.fire("erasable").then(noted(FREE))


def test_merged_it_is_free_and_unmerged_it_keeps_the_data_again() -> None:
    survivor = event_id(55)
    merged = open_complaint().given(
        ComplaintMerged(cycle=1, into=survivor, reason="same_matter", contacts=()), at=TOLD + HOUR
    )
    story = merged.when(AWAIT)
    story = story.fire("erasable").then(noted(FREE))
    unmerge = Unmerge(at=TOLD + 9 * HOUR, reason="another_matter")
    story = story.when(unmerge).then_types(ComplaintUnmerged, ComplaintErasureNoted)
    assert story.one(ComplaintErasureNoted).state is WAITS
    assert story.timers == {}


def test_an_erasure_changes_nothing_about_the_loop() -> None:
    assert open_complaint().when(AWAIT).state.open
    assert closed().when(AWAIT).state.closed == closed().state.closed


# -- the person -----------------------------------------------------------------------------------


def erase(*complaints: UUID, when: datetime = TOLD) -> Erase:
    return Erase(at=when, basis="asked_by_the_person", complaints=complaints)


DESTROY = Destroy(at=TOLD + HOUR)


def note(state: ErasureState, complaint: UUID = COMPLAINT) -> NoteErasure:
    return NoteErasure(at=TOLD + HOUR, complaint=complaint, state=state)


LOCKED = PersonErased(
    mode=ErasureMode.LOCKED,
    basis="asked_by_the_person",
    complaints=(COMPLAINT,),
    cycles=(1,),
    to_be_destroyed=True,
)


def test_locked_now_and_destroyed_when_the_last_ground_goes() -> None:
    story = PERSONS.when(erase(COMPLAINT, OTHER)).then_types(PersonErased)
    assert story.one(PersonErased).mode is ErasureMode.LOCKED
    story.when(erase(COMPLAINT, OTHER)).then_nothing()
    story = story.when(note(FREE)).then(PersonErasureNoted(complaint=COMPLAINT, state=FREE))
    story.when(note(FREE)).then_nothing()
    story.when(DESTROY).then_nothing()
    story = story.when(note(FREE, OTHER)).then_types(PersonErasureNoted)
    assert story.state.ready
    story = story.when(DESTROY).then_types(PersonErased)
    assert not story.state.ready
    gone = story.one(PersonErased)
    assert (gone.mode, gone.basis) == (ErasureMode.DESTROYED, "asked_by_the_person")
    assert set(gone.complaints) == {COMPLAINT, OTHER}
    story.when(note(FREE)).then_nothing()
    story.when(note(WAITS)).then_nothing()
    story.when(erase(COMPLAINT)).then_refused(AlreadyDestroyed)
    story.when(Lock(at=TOLD, basis="x")).then_refused(AlreadyDestroyed)


def test_nothing_keeps_it_so_it_is_destroyed_at_once() -> None:
    gone = PersonErased(mode=ErasureMode.DESTROYED, basis="asked_by_the_person")
    PERSONS.when(erase()).then(gone)


def test_a_standing_hold_of_a_person_of_whom_nothing_is_left_makes_the_erasure_wait() -> None:
    held = erase().model_copy(update={"held": True})
    story = PERSONS.when(held).then_types(PersonErased)
    assert story.one(PersonErased).mode is ErasureMode.LOCKED
    story.when(held).then_nothing()
    assert story.state.ready
    story.when(DESTROY).then_types(PersonErased)


def test_a_complaint_made_meanwhile_keeps_the_data_too() -> None:
    joined = NoteComplaint(at=TOLD + HOUR, complaint=OTHER)
    PERSONS.when(joined).then_nothing()
    story = PERSONS.when(erase(COMPLAINT)).then(LOCKED)
    story = story.when(joined).then(PersonErasureNoted(complaint=OTHER, state=WAITS))
    story.when(joined).then_nothing()
    story = story.when(note(FREE)).then_types(PersonErasureNoted)
    story.when(DESTROY).then_nothing()
    story.when(note(FREE, OTHER)).when(DESTROY).then_types(PersonErased)


def test_what_was_free_and_is_reopened_keeps_it_again() -> None:
    story = PERSONS.when(erase(COMPLAINT, OTHER)).when(note(FREE))
    story = story.when(note(WAITS)).then_types(PersonErasureNoted)
    story = story.when(note(FREE, OTHER)).then_types(PersonErasureNoted)
    story.when(note(FREE)).when(DESTROY).then_types(PersonErased)


def test_other_peoples_complaints_that_hold_their_words_keep_the_data_too() -> None:
    told = Erase(at=TOLD, basis="asked_by_the_person", others=(OTHER,))
    story = PERSONS.when(told).then_types(PersonErased)
    assert story.one(PersonErased).mode is ErasureMode.LOCKED
    story = story.when(note(FREE, OTHER)).when(DESTROY).then_types(PersonErased)
    assert story.one(PersonErased).complaints == ()  # nobody else's customer is left unasked


def test_whoever_speaks_anew_after_it_can_be_erased_anew() -> None:
    gone = PERSONS.when(erase(COMPLAINT)).when(note(FREE)).when(DESTROY)
    gone.when(erase(COMPLAINT)).then_refused(AlreadyDestroyed)
    again = gone.when(erase(COMPLAINT, OTHER)).then_types(PersonErased)
    assert again.one(PersonErased).mode is ErasureMode.LOCKED


def test_only_locked_it_waits_for_nothing_and_may_be_erased_later() -> None:
    story = PERSONS.when(Lock(at=TOLD, basis="purpose_lapsed", complaints=(COMPLAINT,)))
    story = story.then_types(PersonErased)
    story.when(Lock(at=TOLD, basis="purpose_lapsed")).then_nothing()
    story.when(note(FREE)).then_nothing()
    story.when(NoteComplaint(at=TOLD, complaint=OTHER)).then_nothing()
    story.when(erase(COMPLAINT)).then(LOCKED)


def test_an_access_is_on_record_even_after_it_is_locked() -> None:
    access = RecordAccess(at=TOLD, complaint=COMPLAINT, by="agent:a", purpose="p", fields=("t",))
    story = PERSONS.when(erase(COMPLAINT)).when(access)
    assert story.state.accesses == 1
    assert story.state.to_be_destroyed


def test_a_hold_between_free_and_destroyed_still_stops_it() -> None:
    """DOMAIN, Audit: a legal hold stops every deletion. The complaint had noted that it is free,
    the hold came before the person's stream heard of that.
    """
    held = closed().when(AWAIT).fire("erasable").then(noted(FREE))
    hold = NoteHold(at=at("2026-05-01 00:00:00"), hold="court-7", state=HoldState.PLACED)
    held = held.when(hold)
    story = PERSONS.when(erase(COMPLAINT)).beside("complaint", str(COMPLAINT), held.state)
    story = story.when(note(FREE)).then_nothing()
    assert story.state.keeping == {COMPLAINT}
    lifted = held.when(hold.model_copy(update={"state": HoldState.LIFTED})).fire("erasable")
    story = story.beside("complaint", str(COMPLAINT), lifted.state)
    story.when(note(FREE)).when(DESTROY).then_types(PersonErased)


def test_a_hold_on_another_complaint_that_was_free_already_stops_it_too() -> None:
    free = closed().when(AWAIT).fire("erasable")
    hold = NoteHold(at=at("2026-05-01 00:00:00"), hold="court-7", state=HoldState.PLACED)
    story = PERSONS.when(erase(COMPLAINT, OTHER)).when(note(FREE))
    story = story.beside("complaint", str(COMPLAINT), free.when(hold).state)
    story = story.when(note(FREE, OTHER)).when(DESTROY)
    story.then(PersonErasureNoted(complaint=COMPLAINT, state=WAITS))
    story.when(note(WAITS)).then_nothing()  # as the complaint itself says a moment later


def test_a_hold_that_comes_when_it_is_destroyed_is_on_record_and_keeps_nothing() -> None:
    free = closed().when(AWAIT).fire("erasable")
    story = PERSONS.when(erase(COMPLAINT)).beside("complaint", str(COMPLAINT), free.state)
    story = story.when(note(FREE)).when(DESTROY).then_types(PersonErased)
    story.when(note(WAITS)).then_nothing()


def test_an_older_note_does_not_overtake_a_newer() -> None:
    """A parked record comes late: what the complaint says now counts, whatever the note said."""
    free = closed().when(AWAIT).fire("erasable")
    story = PERSONS.when(erase(COMPLAINT, OTHER)).when(note(FREE))
    story = story.beside("complaint", str(COMPLAINT), free.state)
    story = story.when(note(WAITS)).then_nothing()
    story.when(note(FREE, OTHER)).when(DESTROY).then_types(PersonErased)


def test_a_second_lock_reaches_what_was_said_since_the_first() -> None:
    first = Lock(at=TOLD, basis="purpose_lapsed", complaints=(COMPLAINT,))
    story = PERSONS.when(first)
    again = Lock(at=TOLD, basis="asked_by_the_person", complaints=(COMPLAINT,), afresh=True)
    locked = PersonErased(
        mode=ErasureMode.LOCKED, basis="asked_by_the_person", complaints=(COMPLAINT,), cycles=(1,)
    )
    story.when(first).then_nothing()
    story = story.when(again, now=TOLD + HOUR).then(locked)
    assert story.state.locked_at == TOLD + HOUR


def test_locked_anew_while_the_erasure_waits_it_waits_on_for_the_same() -> None:
    story = PERSONS.when(erase(COMPLAINT, OTHER)).when(note(FREE))
    again = erase(COMPLAINT, OTHER, event_id(78)).model_copy(update={"afresh": True})
    for command in (again, Lock(**again.model_dump(exclude={"held"}))):
        locked = story.when(command).then_types(PersonErased)
        assert locked.one(PersonErased).to_be_destroyed
        assert locked.state.keeping == {OTHER, event_id(78)}


def test_an_earlier_destroying_stays_on_record_for_a_restored_vault() -> None:
    gone = PERSONS.when(erase(COMPLAINT)).when(note(FREE)).when(DESTROY)
    again = gone.when(erase(COMPLAINT, OTHER), now=TOLD + 9 * HOUR)
    (row,) = again.rows
    assert dict(row.values)["destroyed_at"] == TOLD + HOUR


def test_who_was_locked_and_complains_again_is_answered_where_they_are_now() -> None:
    old = closed(SurveyOutcome.NO_ANSWER)
    locked = PERSONS.when(Lock(at=TOLD, basis="x", complaints=(COMPLAINT,), afresh=True)).state
    to = ReplyTo(kind=ChannelKind.SMS, address="sealed-anew")
    again = link("again", TOLD + 8 * HOUR, ContactKind.URGE, reply_to=to)
    reopened = old.beside("person", str(PERSON), locked).when(again).one(ComplaintReopened)
    assert reopened.correspondent.reply_to == to
    before = old.when(again).one(ComplaintReopened).correspondent.reply_to
    assert before == old.state.registration.correspondent.reply_to


def test_the_cycle_of_each_complaint_is_told_with_a_locking() -> None:
    twice = closed(SurveyOutcome.NO_ANSWER).when(link("b", TOLD + 8 * HOUR, ContactKind.URGE))
    story = PERSONS.beside("complaint", str(COMPLAINT), twice.state)
    assert story.when(erase(COMPLAINT, OTHER)).one(PersonErased).cycles == (2, 1)


# -- whose words stand where ----------------------------------------------------------------------

MINE, THEIRS = "13800000001", "13800000002"


def person_of(world: World, complaint: UUID) -> UUID:
    person: UUID = world.complaint(complaint).registration.correspondent.person
    return person


def said(world: World, name: str, number: str, **more: Any) -> UUID:
    told = message(name, subscriber=number, category="billing.overcharge", **more)
    return UUID(str(world.tell(told)[0]["complaint"]))


def test_words_on_somebody_elses_complaint_are_counted() -> None:
    """B quotes A's receipt: A's complaint holds B's words under B's key."""
    world = World()
    theirs = said(world, "a", THEIRS)
    receipt = world.complaint(theirs).registration.correspondent.receipt
    mine = said(world, "b", MINE, kind="urge", receipt=receipt)
    assert mine == theirs
    (speaker,) = {row["person"] for row in world.rows("contacts", complaint=theirs)} - {
        person_of(world, theirs)
    }
    assert complaints_of(speaker, world) == ((), (theirs,))
    assert complaints_of(person_of(world, theirs), world) == ((theirs,), ())


def test_a_complaint_told_while_the_erasure_waits_keeps_the_data_in_the_same_decision() -> None:
    world = World()
    first = said(world, "a", MINE)
    person = person_of(world, first)
    world.apply(To(str(person), Erase(at=TOLD, basis="asked", complaints=(first,))))
    later = message("b", subscriber=MINE, category="mobile.coverage")
    second = UUID(str(world.tell(later)[0]["complaint"]))
    assert second != first
    assert world.state("person", str(person)).keeping == {first, second}


def test_a_merge_while_the_erasure_waits_makes_the_survivor_keep_the_data() -> None:
    world = World()
    survivor = said(world, "a", THEIRS, time="2025-10-11T09:00:00+08:00")
    merged = said(world, "b", MINE, time="2025-10-11T10:00:00+08:00")
    person = person_of(world, merged)
    assert person != person_of(world, survivor)
    world.apply(To(str(person), Erase(at=TOLD, basis="asked", complaints=(merged,))))
    now = world.clock.now()
    command = Merge(at=now, into=survivor, reason="same_matter", same_customer=True)
    for to in choose_merge(merged, command, world):
        world.apply(to)
    assert world.state("person", str(person)).keeping == {merged, survivor}
    assert complaints_of(person, world) == ((merged,), (survivor,))


# -- who spoke counts, wherever a merge copied the words ------------------------------------------


@dataclass
class Two:
    """Two people's complaints about one matter, the later merged into the earlier."""

    world: World
    survivor: UUID
    merged: UUID

    def merge(self) -> None:
        now = self.world.clock.now()
        command = Merge(at=now, into=self.survivor, reason="same_matter", same_customer=True)
        for to in choose_merge(self.merged, command, self.world):
            self.world.apply(to)

    def unmerge(self) -> None:
        self.world.apply(To(str(self.merged), Unmerge(at=self.world.clock.now(), reason="not_so")))

    def hear(self, kind: type[Event]) -> None:
        """Intake hears its own event of this type: the second hop."""
        (told,) = [one for one in self.world.log if isinstance(one.data, kind)]
        self.world.react(told)


@pytest.fixture
def two() -> Two:
    world = World()
    survivor = said(world, "a", THEIRS, time="2025-10-11T09:00:00+08:00")
    return Two(world, survivor, said(world, "b", MINE, time="2025-10-11T10:00:00+08:00"))


def test_words_that_a_merge_copied_keep_their_speaker_after_it_is_undone(two: Two) -> None:
    """The survivor's stream holds them for ever, so it keeps the data as long as it is kept."""
    two.merge()
    two.hear(ComplaintMerged)
    two.unmerge()
    two.hear(ComplaintUnmerged)
    mine, theirs = person_of(two.world, two.merged), person_of(two.world, two.survivor)
    assert complaints_of(mine, two.world) == ((two.merged,), (two.survivor,))
    assert complaints_of(theirs, two.world) == ((two.survivor,), ())


def test_erased_between_an_undone_merge_and_its_second_hop_the_survivor_keeps_the_data(
    two: Two,
) -> None:
    two.merge()
    two.unmerge()
    mine = person_of(two.world, two.merged)
    own, others = complaints_of(mine, two.world)
    told = Erase(at=two.world.clock.now(), basis="asked", complaints=own, others=others)
    two.world.apply(To(str(mine), told))
    two.hear(ComplaintMerged)
    two.hear(ComplaintUnmerged)
    assert two.world.state("person", str(mine)).keeping == {two.merged, two.survivor}


def test_a_guests_words_are_theirs_however_often_they_are_merged_on(two: Two) -> None:
    receipt = two.world.complaint(two.merged).registration.correspondent.receipt
    told = {"kind": "urge", "receipt": receipt, "time": "2025-10-11T11:00:00+08:00"}
    assert said(two.world, "g", "13900000009", **told) == two.merged
    guest = two.world.vault.persons["13900000009"]
    two.merge()
    two.hear(ComplaintMerged)
    two.unmerge()
    two.hear(ComplaintUnmerged)
    both = tuple(sorted((two.survivor, two.merged)))
    assert complaints_of(guest, two.world) == ((), both)


def test_a_representative_who_takes_a_complaint_back_spoke_on_it() -> None:
    world = World()
    complaint = said(world, "a", THEIRS)
    receipt = world.complaint(complaint).registration.correspondent.receipt
    back = {"kind": "withdrawal", "receipt": receipt, "representative": True, "text": "不投诉了"}
    assert said(world, "b", MINE, **back) == complaint
    assert world.complaint(complaint).withdrawn
    assert complaints_of(world.vault.persons[MINE], world) == ((), (complaint,))


# -- the purpose has lapsed -----------------------------------------------------------------------


def lapse(*complaints: UUID, others: tuple[UUID, ...] = ()) -> LapsePurpose:
    return LapsePurpose(at=TOLD, complaints=complaints, others=others)


def test_a_key_goes_with_the_last_record_that_holds_its_persons_words() -> None:
    """PIPL: once its purpose has lapsed; nobody need ask for it."""
    gone = PersonErased(mode=ErasureMode.DESTROYED, basis="purpose_lapsed")
    story = PERSONS.when(lapse()).then(gone)
    story.when(lapse()).then_nothing()


def test_whoever_has_a_complaint_left_or_spoke_on_one_keeps_their_key() -> None:
    PERSONS.when(lapse(COMPLAINT)).then_nothing()
    PERSONS.when(lapse(others=(OTHER,))).then_nothing()


def test_what_an_erasure_waited_for_was_purged_so_it_waits_no_longer() -> None:
    story = PERSONS.when(erase(COMPLAINT)).when(lapse()).then_types(PersonErased)
    assert story.state.destroyed
    assert story.state.keeping == frozenset()


# -- a hold whose record was discarded ------------------------------------------------------------


def given_up(kind: str, event: Event | None, subject: str = str(COMPLAINT)) -> GivenUp:
    where, source = "complaints.log/3/17", "/bihuan/audit"
    told = Recorded(event_id(1), source, kind, subject, TOLD, 1, "x", event) if event else None
    return GivenUp(TOLD, subject, source, where, kind, told)


def test_a_hold_stands_although_its_record_is_discarded() -> None:
    placed = HoldPlaced(hold="court-7", ground="lawsuit", by="auditor:a")
    (to,) = stays(given_up(placed.type, placed))
    story = closed().when(AWAIT).when(to.command)
    assert (story.state.holds, story.timers) == ({"court-7"}, {})
    lifted = HoldLifted(hold="court-7", ground="settled", by="auditor:a")
    assert stays(given_up(lifted.type, lifted)) == ()


@pytest.mark.parametrize("kind", ["", "hold.placed.v2"])
def test_discarded_unread_it_may_be_a_hold_and_stands_until_it_is_lifted_by_name(kind: str) -> None:
    (to,) = stays(given_up(kind, None))
    held = closed().when(AWAIT).when(to.command)
    assert (held.state.holds, held.timers) == ({"discarded:complaints.log/3/17"}, {})
    assert stays(given_up("checkpoint.sealed.v2", None)) == ()
    with pytest.raises(HoldNotDiscarded):
        stays(given_up(kind, None, "standing-holds"))
