"""Intake's kinds of stream: complaints, refused messages, what was done with persons, searches."""

from contracts.housekeeping import (
    MessageRefused,
    PersonAccessed,
    PersonErased,
    PersonErasureNoted,
    PersonSought,
)
from libs.decider import Decider
from services.intake.domain import commands, complaint, erasing, message, person, search
from services.intake.domain.message import Refusal
from services.intake.domain.person import Person
from services.intake.domain.search import Searches
from services.intake.domain.standing import person_stands, stands
from services.intake.domain.state import Complaint, evolve

COMPLAINT: Decider[Complaint] = Decider(
    kind="complaint",
    commands=(
        commands.RegisterComplaint,
        commands.VerifyComplaint,
        commands.LinkContact,
        commands.UnlinkContact,
        commands.Reclassify,
        commands.CountRepeats,
        commands.Withdraw,
        commands.Merge,
        commands.Unmerge,
        commands.LinkMerged,
        commands.UnlinkMerged,
        commands.RecordAnswer,
        commands.RecordTold,
        commands.ConcludeSurvey,
        commands.RecordLateReply,
        commands.RecordVisit,
        commands.RecordCaseRequested,
        commands.RecordCaseAccepted,
        commands.RecordCaseEnded,
        commands.AwaitErasure,
        commands.NoteHold,
    ),
    events=complaint.EVENTS,
    decide=complaint.decide,
    evolve=evolve,
    timers=erasing.timers,
    stands=stands,
    timer_command=commands.ErasureDue,
)
"""Subject and stream id: the complaint's id."""

MESSAGE: Decider[Refusal] = Decider(
    kind="message",
    commands=(message.RefuseMessage,),
    events=(MessageRefused,),
    decide=message.decide,
    evolve=message.evolve,
    subject_is_id=False,
)
"""Subject: `identity.refusal_subject` of the message."""

PERSON: Decider[Person] = Decider(
    kind="person",
    commands=(
        person.RecordAccess,
        person.Lock,
        person.Erase,
        person.LapsePurpose,
        person.NoteComplaint,
        person.NoteErasure,
        person.Destroy,
    ),
    events=(PersonAccessed, PersonErased, PersonErasureNoted),
    decide=person.decide,
    evolve=person.evolve,
    stands=person_stands,
    subject_is_id=False,
)
"""Subject: the person's random id in the vault."""

SEARCH: Decider[Searches] = Decider(
    kind="search",
    commands=(search.RecordSearch,),
    events=(PersonSought,),
    decide=search.decide,
    evolve=search.evolve,
    subject_is_id=False,
)
"""Subject: `searches:` and the day."""

DECIDERS = (COMPLAINT, MESSAGE, PERSON, SEARCH)
"""Every stream of intake, without what it shows (`views.DECIDERS` adds that)."""
