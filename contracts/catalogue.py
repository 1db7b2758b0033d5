"""The catalogue: every event, who writes it, on which stream, and who does what on hearing it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from contracts import escalation as e
from contracts import feedback_survey as f
from contracts import housekeeping as h
from contracts import intake as i
from contracts import routing as r
from contracts import sla_watch as s
from libs.decider import Event

INFORMS = "one of the steps that the owner of record and the home province are informed of"

SERVICES = ("intake", "routing", "sla_watch", "escalation", "feedback_survey", "audit")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the catalogue.

    `writers` are service names; `stream` the kind of stream; `subject` what its id is;
    `reactions` maps a service to what it does on hearing the event.
    """

    event: type[Event]
    writers: tuple[str, ...]
    stream: str
    subject: str
    reactions: Mapping[str, str]


def _of(
    writers: str | tuple[str, ...],
    stream: str,
    subject: str,
    *lines: tuple[type[Event], dict[str, str]],
) -> tuple[Entry, ...]:
    names = (writers,) if isinstance(writers, str) else writers
    return tuple(
        Entry(event, names, stream, subject, MappingProxyType(_and_counted(event, reactions)))
        for event, reactions in lines
    )


_COUNTED: frozenset[type[Event]] = frozenset(
    {
        i.ComplaintRegistered,
        i.ComplaintContactLinked,
        i.ComplaintContactUnlinked,
        i.ComplaintReclassified,
        i.ComplaintRepeatsCounted,
        i.ComplaintMerged,
        i.ComplaintUnmerged,
        i.ComplaintAnswered,
        i.ComplaintClosed,
        i.ComplaintReopened,
        r.WorkAccepted,
        r.WorkAnswered,
        s.ClocksStarted,
        s.ClocksRescheduled,
        s.ClockMet,
        s.ClockBreached,
        s.ClockCorrected,
        s.ClocksCancelled,
        f.SurveyAsked,
        f.SurveyAnswered,
        f.SurveyConcluded,
        f.CallPlanned,
        f.CallAttempted,
        f.CallCalledOff,
        f.VisitRecorded,
        e.CaseRequested,
        e.CaseAccepted,
        e.CaseDeclined,
        e.CaseDecided,
        e.CaseReported,
        e.CaseCorrectionMissed,
        e.CaseClosed,
        e.CompensationGranted,
        h.ConnectionEntered,
        h.PolicyActivated,
    }
)
"""What audit's reports rest on (DOMAIN rule 12)."""


_ACCESS: frozenset[type[Event]] = frozenset(
    {
        h.PolicyActivated,
        h.TeamChanged,
        h.TokenIssued,
        h.TokenRevoked,
        h.RoleChanged,
        h.HoldPlaced,
        h.HoldLifted,
        h.StandingHoldPlaced,
        h.StandingHoldLifted,
        h.ExportMade,
        h.PersonAccessed,
        h.PersonSought,
        h.PersonErased,
        h.RecordSettled,
        h.GapResolved,
        h.RebuildDone,
        h.CohortArchived,
        h.CohortRestored,
        h.PurgeProposed,
        h.PurgeApproved,
        h.PurgeAnswered,
        h.PurgeWithdrawn,
        h.CohortPurged,
    }
)
"""What audit tells as one timeline of access and configuration."""


def _and_counted(event: type[Event], reactions: Mapping[str, str]) -> dict[str, str]:
    told = [reactions["audit"]] if "audit" in reactions else []
    if event in _COUNTED:
        told.append("counts it in its reports")
    if event in _ACCESS:
        told.append("tells it among access and configuration")
    return {**reactions, "audit": "; ".join(told)} if told else dict(reactions)


_INTAKE = _of(
    "intake",
    "complaint",
    "complaint id",
    (
        i.ComplaintRegistered,
        {
            "sla_watch": "starts its clocks: clocks.started",
            "escalation": "VIP and severe, media, regulator or N-th repeat: case.requested",
            "audit": "its archive's cohort, and which receipt is which complaint",
        },
    ),
    (
        i.ComplaintVerified,
        {
            "routing": "valid: work.routed",
            "feedback_survey": "not valid: the answer notice",
            "sla_watch": "not valid: cancels",
        },
    ),
    (
        i.ComplaintContactLinked,
        {
            "routing": "an urge: routes again at higher priority; a reply while suspended: "
            "work.resumed",
            "escalation": "the N-th urge, a wish, the regulator or the media: case.requested",
            "feedback_survey": "a survey reply: survey.answered; a delivery report: "
            "notice.attempted",
        },
    ),
    (
        i.ComplaintContactUnlinked,
        {
            "intake": "registers what it becomes",
            "routing": "priority down",
            "escalation": "an urge case not yet accepted: case.closed{withdrawn}",
        },
    ),
    (
        i.ComplaintReclassified,
        {
            "routing": "routes again",
            "sla_watch": "cancels the old clocks and starts the new ones from clock_from, "
            "replaying this cycle's pauses and answer",
        },
    ),
    (
        i.ComplaintRepeatsCounted,
        {"escalation": "the N-th repeat: case.requested; fewer: withdrawn where not accepted"},
    ),
    (
        i.ComplaintMerged,
        {
            "intake": "links the contacts on the survivor",
            "routing": "work.ended",
            "sla_watch": "cancels",
            "feedback_survey": "concludes (cancelled)",
            "escalation": "withdraws an unaccepted case of tiers 2 and 3",
        },
    ),
    (
        i.ComplaintUnmerged,
        {
            "intake": "unlinks on the survivor",
            "routing": "routes, unless it still waits to be verified",
            "sla_watch": "starts from clock_from, less recorded pauses",
            "escalation": "requests again what the merge had withdrawn",
        },
    ),
    (
        i.ComplaintWithdrawn,
        {
            "routing": "work.ended",
            "sla_watch": "cancels what is not yet breached",
            "feedback_survey": "concludes (cancelled)",
            "escalation": "closes tiers 2 and 3; tier 4 goes on",
            "audit": "hold.placed where a standing hold reaches whoever said it",
        },
    ),
    (
        i.ComplaintAnswered,
        {"feedback_survey": "ask: survey.asked, or survey.concluded{unreachable}"},
    ),
    (i.ComplaintSurveyNoted, {}),
    (
        i.ComplaintErasureNoted,
        {
            "intake": "person.erasure_noted; all free and everything heard: "
            "person.erased{destroyed} (race 15)"
        },
    ),
    (i.ComplaintHoldNoted, {}),
    (
        i.ComplaintEscalationNoted,
        {
            "escalation": "declined because the complaint is closed: case.closed{withdrawn} "
            "(race 2, heard in the other order)",
            "audit": "an open appeal (tier 4) stops every deletion",
        },
    ),
    (
        i.ComplaintClosed,
        {
            "routing": "work.ended",
            "sla_watch": "cancels the rest",
            "escalation": "withdraws automatic requests (race 2)",
            "feedback_survey": "an important customer: plans the follow-up visit",
            "audit": "retention starts to run",
        },
    ),
    (
        i.ComplaintReopened,
        {
            "routing": "routes (tier1: the manager, another person), same owner of record",
            "sla_watch": "the new cycle's clocks, not the legal ones",
            "escalation": "route escalate and no case yet: case.requested",
            "feedback_survey": "calls a follow-up visit off that nobody has made",
            "audit": "retention no longer runs",
        },
    ),
)

_ROUTING = _of(
    "routing",
    "work",
    "complaint id",
    (r.WorkRouted, {}),
    (r.WorkAssigned, {}),
    (r.WorkReturned, {}),
    (r.WorkAccepted, {}),
    (r.WorkTransferred, {"sla_watch": "partner or region clocks from reached_at"}),
    (
        r.WorkReportedBack,
        {
            "sla_watch": "a partner's first word, or its answer to 10010",
            "escalation": "the instruction was carried out",
            "feedback_survey": "a partner's answer: the confirming call-back",
        },
    ),
    (
        r.WorkSuspended,
        {
            "sla_watch": "clocks.paused where policy allows",
            "feedback_survey": "waiting for the customer: the question notice",
        },
    ),
    (r.WorkResumed, {"sla_watch": "clocks.rescheduled"}),
    (
        r.WorkContacted,
        {
            "sla_watch": "reached: the first contact is met, or a partner's answer to the customer",
            "feedback_survey": "a partner's, where the customer had denied it: confirmed anew",
        },
    ),
    (r.WorkSeen, {}),
    (r.WorkPartnerConfirmed, {}),
    (
        r.WorkPromised,
        {
            "sla_watch": "an agreed-time clock; the old one stays",
            "feedback_survey": "delay_plan: the delay notice, before the promise lapses and "
            "before quiet hours, else marked late",
        },
    ),
    (
        r.WorkAnswered,
        {
            "intake": "complaint.answered",
            "sla_watch": "reply, resolve, repair and legal clocks are met at this event's time",
            "feedback_survey": "told by message: the answer notice",
        },
    ),
    (
        r.WorkFindingRecorded,
        {"escalation": "a corrected finding: a supplement, or compensation.lapsed"},
    ),
    (
        r.WorkCompensationProposed,
        {
            "escalation": "compensation.granted within the role's cumulative limit, else "
            "compensation.submitted; compensation.lapsed when enough was granted"
        },
    ),
    (r.WorkEnded, {}),
)

_SLA_WATCH = _of(
    "sla_watch",
    "clocks",
    "complaint id",
    (
        s.ClocksStarted,
        {
            "feedback_survey": "cause registered: the receipt notice with the promised times",
            "routing": "shows due",
        },
    ),
    (
        s.ClockWarned,
        {"routing": "tells owner and assignee; from 80 % asks for a delay plan"},
    ),
    (s.ClocksPaused, {"routing": "shows due"}),
    (s.ClocksRescheduled, {"routing": "shows due"}),
    (s.ClockMet, {}),
    (
        s.ClockBreached,
        {
            "routing": "tells owner; a legal repair: duty to propose a rent waiver",
            "escalation": "a resolution promise: case.requested",
            "feedback_survey": "a legal repair: the customer is told that it is overdue",
        },
    ),
    (
        s.ClockCorrected,
        {
            "escalation": "the case of that breach not yet accepted: case.closed{withdrawn}",
            "routing": "shows the verdict set right",
        },
    ),
    (s.ClocksCancelled, {"routing": "shows due"}),
    (s.ClocksNoted, {}),
)

_FEEDBACK = _of(
    "feedback_survey",
    "feedback",
    "complaint id",
    (
        f.NoticeIssued,
        {
            "intake": "the answer to a rejection: told, so it closes; keeps whose a notice is",
            "sla_watch": "a receipt: acknowledge is met",
            "gateways": "deliver it, once",
        },
    ),
    (f.NoticeHeld, {}),
    (f.NoticeAttempted, {"feedback_survey": "a failed answer or survey: a call instead"}),
    (f.CallPlanned, {}),
    (f.CallTaken, {}),
    (f.CallAttempted, {}),
    (f.CallMissed, {"routing": INFORMS}),
    (f.CallCalledOff, {}),
    (f.ContactingStopped, {}),
    (f.ContactingResumed, {}),
    (f.VisitRecorded, {"intake": "dissatisfied: may reopen, as a late reply does"}),
    (
        f.ConfirmationRecorded,
        {
            "routing": f"the partner owes, or has answered: work.partner_confirmed; {INFORMS}",
            "sla_watch": "the partner's clock to the customer is met, or its meeting taken back",
            "intake": "not content with what was closed: may reopen, as a visit does",
        },
    ),
    (
        f.SurveyConcluded,
        {
            "intake": "closes, or reopens with a route",
            "sla_watch": "the survey clock ends",
            "routing": INFORMS,
        },
    ),
    (f.SurveyAsked, {"sla_watch": "the survey clock"}),
    (
        f.SurveyAnswered,
        {"intake": "late and dissatisfied: may reopen (race 1)"},
    ),
)

_ESCALATION = _of(
    "escalation",
    "case",
    "complaint id",
    (
        e.CaseRequested,
        {
            "intake": "complaint.escalation_noted{open}; already closed (race 2): a person's "
            "trigger reopens, an automatic one is noted {declined}",
            "sla_watch": "desk clocks",
            "routing": INFORMS,
        },
    ),
    (
        e.CaseDeclined,
        {
            "intake": "complaint.escalation_noted{declined}",
            "sla_watch": "cancels the desk clocks",
            "feedback_survey": "tells the customer who asked",
            "routing": INFORMS,
        },
    ),
    (e.CaseCausesChanged, {}),
    (
        e.CaseAccepted,
        {
            "intake": "notes it: no merging away any more, and a merge on its way is undone "
            "(race 8)",
            "routing": INFORMS,
        },
    ),
    (
        e.CaseDecided,
        {
            "feedback_survey": "the decision notice",
            "sla_watch": "the desk decision is met",
            "routing": INFORMS,
        },
    ),
    (e.CaseCustomerContacted, {"sla_watch": "the desk's first contact is met"}),
    (e.CaseInstructed, {"routing": "assigns again or re-opens the work"}),
    (e.CaseInstructionCarriedOut, {}),
    (e.CaseReported, {"sla_watch": "the regulator report is met"}),
    (e.CaseCorrectionMissed, {"routing": INFORMS}),
    (
        e.CaseClosed,
        {
            "intake": "complaint.escalation_noted{ended}; the last one: complaint.answered{ask}",
            "sla_watch": "cancels what is left of the desk clocks",
            "routing": INFORMS,
        },
    ),
    (e.CompensationSubmitted, {"routing": "no answer while it waits"}),
    (
        e.CompensationGranted,
        {"routing": "may answer", "feedback_survey": "the compensation notice"},
    ),
    (e.CompensationRefused, {"routing": "answers without it"}),
    (e.CompensationLapsed, {"routing": "waits for it no longer"}),
)

_HOUSEKEEPING = (
    *_of(
        "intake",
        "person",
        "person id",
        (h.PersonAccessed, {}),
        (
            h.PersonErased,
            {
                "feedback_survey": "cancels open asks and notices of those complaints",
                "intake": "to be destroyed: complaint.erasure_noted{waits} of each complaint",
            },
        ),
        (
            h.PersonErasureNoted,
            {"intake": "waits: complaint.erasure_noted{waits} of that complaint"},
        ),
    ),
    *_of("routing", "team", "team id", (h.TeamChanged, {})),
    *_of(
        SERVICES,
        "policy",
        "policy name",
        (
            h.PolicyActivated,
            {
                **dict.fromkeys(SERVICES, "the table of roles and actions: goes by it"),
                "sla_watch": "keeps its versions for its reports; goes by the table of roles and "
                "actions",
            },
        ),
    ),
    *_of("intake", "search", "`searches:` and the day", (h.PersonSought, {})),
    *_of("intake", "message", "message (UUIDv5 of its source and id)", (h.MessageRefused, {})),
    *_of(SERVICES, "housekeeping", "source and partition", (h.GapResolved, {})),
    *_of(
        "intake",
        "role",
        "pseudonym",
        (h.RoleChanged, dict.fromkeys(SERVICES, "lets whose roles they are use no others")),
    ),
    *_of(
        SERVICES,
        "token",
        "digest of the token",
        (h.TokenIssued, dict.fromkeys(SERVICES, "need not put it on record again")),
    ),
    *_of(
        "intake",
        "token",
        "digest of the token",
        (h.TokenRevoked, dict.fromkeys(SERVICES, "refuses it")),
    ),
    *_of(SERVICES, "housekeeping", "export id", (h.ExportMade, {})),
    *_of(SERVICES, "housekeeping", "service", (h.RebuildDone, {})),
    *_of(
        "audit",
        "hold",
        "complaint id",
        (h.HoldPlaced, dict.fromkeys(SERVICES, "no purge")),
        (h.HoldLifted, dict.fromkeys(SERVICES, "purge when due")),
    ),
    *_of(
        "audit",
        "standing_hold",
        "`standing-holds`",
        (h.StandingHoldPlaced, {"intake": "destroys nothing that it reaches while it is on"}),
        (h.StandingHoldLifted, {"intake": "what it kept may be destroyed"}),
    ),
    *_of("audit", "audit", "audit", (h.CheckpointSealed, {})),
    *_of("audit", "connection", "`connection:` and the day", (h.ConnectionEntered, {})),
    *_of(
        "audit",
        "cohort",
        "cohort month",
        (h.CohortArchived, {}),
        (h.CohortRestored, {}),
    ),
    *_of(
        "audit",
        "purge",
        "`purge:` and the cohort month",
        (h.PurgeProposed, {}),
        (h.PurgeApproved, dict.fromkeys(SERVICES, "adds nothing more to those streams")),
        (h.PurgeWithdrawn, dict.fromkeys(SERVICES, "adds to those streams again")),
        (h.CohortPurged, dict.fromkeys(SERVICES, "deletes exactly those streams")),
    ),
    *_of(
        SERVICES,
        "housekeeping",
        "`purge:` and the cohort month",
        (h.PurgeAnswered, {"audit": "signs what goes once all have answered"}),
    ),
    *_of(
        SERVICES,
        "the service's own of that complaint",
        "complaint id",
        (h.RecordParked, {}),
        (h.RecordSettled, {}),
    ),
)

CATALOGUE: tuple[Entry, ...] = (
    *_INTAKE,
    *_ROUTING,
    *_SLA_WATCH,
    *_FEEDBACK,
    *_ESCALATION,
    *_HOUSEKEEPING,
)
"""Every event there is, in the order of docs/events.md."""

RETIRED: tuple[Entry, ...] = ()
"""Versions no longer written but for ever readable; contracts/upcasters.py leads on from each."""

DECODE: Mapping[str, type[Event]] = MappingProxyType(
    {entry.event.type: entry.event for entry in (*CATALOGUE, *RETIRED)}
)
"""Type on the wire -> its model, retired versions included."""


def events_of(service: str) -> tuple[type[Event], ...]:
    """The events that this service writes."""
    return tuple(entry.event for entry in CATALOGUE if service in entry.writers)


def heard_by(service: str) -> tuple[type[Event], ...]:
    """The events that this service does something about."""
    return tuple(entry.event for entry in CATALOGUE if service in entry.reactions)
