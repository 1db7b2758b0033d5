"""What stands outside the log: customers' words on their way in, and notices on their way out."""

from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StrictInt,
    model_validator,
)

from contracts.feedback_survey import NoticeIssued
from contracts.values import (
    Category,
    ChannelKind,
    Code,
    CustomerClass,
    DeliveryResult,
    DistrictType,
    Evidence,
    Instant,
    Kind,
    Language,
    Medium,
    Province,
    Receipt,
    RegulatorReferral,
    StaffRef,
    Told,
    Urgency,
    Value,
    ValueTier,
)

CHANNEL_TOPIC = "complaints.channel"
LOG_TOPIC = "complaints.log"
OUTBOUND_TOPIC = "complaints.outbound"

TEXT_BYTES_MAX = 64 * 1024
CONTROL = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$"
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"
WIRE_INSTANT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"


def _within_limit(text: str) -> str:
    """Counts bytes, as the limit does (DESIGN, The event: a text 64 KB)."""
    if len(text.encode()) > TEXT_BYTES_MAX:
        raise ValueError(f"a text is at most {TEXT_BYTES_MAX} bytes of UTF-8")
    return text


Words = Annotated[
    str, Field(max_length=TEXT_BYTES_MAX, pattern=CONTROL), AfterValidator(_within_limit)
]
"""Free text: at most 64 KB of UTF-8; no control characters but newline and tab."""

Line = Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE)]
"""A single line without control characters."""


Subscriber = Annotated[str, Field(pattern=r"^[+A-Za-z0-9][A-Za-z0-9@._-]{2,63}$")]
"""A number or account by which the operator knows the customer."""

Address = Annotated[str, Field(min_length=1, max_length=320, pattern=ONE_LINE)]
"""A number, mail address or account to answer to."""


class MessageKind(StrEnum):
    """What a channel says its message is."""

    WORDS = "words"
    """The customer says something; intake finds out whether it is new, an urge or a fact."""
    URGE = "urge"
    FACT = "fact"
    REPLY = "reply"
    SURVEY_REPLY = "survey_reply"
    ESCALATION_WISH = "escalation_wish"
    WITHDRAWAL = "withdrawal"
    DELIVERY_REPORT = "delivery_report"
    PARTNER_REPORT = "partner_report"
    REGULATOR_REFERRAL = "regulator_referral"
    MEDIA_EXPOSURE = "media_exposure"
    HISTORY = "history"
    """A closed case of an older system, with its own times: nobody works on it, nobody is told."""


_WORDY = (MessageKind.WORDS, MessageKind.FACT, MessageKind.HISTORY)
"""Kinds that say nothing without words."""


class PlainReplyTo(Value):
    """Where to answer, in clear; intake seals it at the door."""

    kind: ChannelKind
    """The channel to answer on."""
    address: Address
    """The number or address."""
    voice_only: StrictBool = False
    """Only a call reaches it."""


class SaidInSurvey(Value):
    """What the customer answered when asked."""

    score: Annotated[StrictInt, Field(ge=1, le=10)] | None = None
    """1 to 10."""
    resolved: StrictBool | None = None
    """Whether it is resolved."""


class Delivery(Value):
    """What became of a notice."""

    notice: UUID
    """The notice, as `complaints.outbound` named it."""
    by: Medium
    """Message or call."""
    result: DeliveryResult
    """What came of it."""
    reason: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.:-]*$", max_length=64)] | None = None
    """Why it failed, as a code."""


class ClosedCase(Value):
    """What an older system says became of the words; the message's `time` is when they came."""

    answered_at: Told
    """When the customer was answered: verdicts rest on it."""
    closed_at: Told | None = None
    """When the case was closed; None: with its answer."""
    answer: Words = ""
    """What was answered; empty: the older system kept no words."""


class ChannelWords(Value):
    """The body of a channel message. The only place where personal data stands in clear."""

    kind: MessageKind
    """What the channel says it is."""
    channel: ChannelKind
    """Where the words were said."""
    subscriber: Subscriber | None = None
    """Who says it; None: an anonymous customer."""
    sender_name: Line | None = None
    """The name given, if any."""
    representative: StrictBool = False
    """Said for somebody else, with papers."""
    text: Words = ""
    """What was said."""
    language: Language | None = None
    """In which language; None: intake tells from the text."""
    receipt: Receipt | None = None
    """The receipt number quoted."""
    complaint_kind: Kind | None = None
    """Complaint, suggestion, praise or consultation, if the channel knows; None: a complaint."""
    category: Category | None = None
    """What it is about, if the channel knows."""
    urgency: Urgency | None = None
    """How pressing, if the channel knows."""
    customer_class: CustomerClass | None = None
    """Whose contract; None: personal."""
    value_tier: ValueTier | None = None
    """The customer's tier; None: ordinary."""
    other_operator: StrictBool = False
    """The customer belongs to another operator."""
    home_province: Province | None = None
    """The customer's own province."""
    visited_province: Province | None = None
    """Where it happened, when not at home."""
    district_type: DistrictType | None = None
    """Urban or rural."""
    portfolio: Code | None = None
    """The customers whose named representative also looks after this one: a company or many
    people, never one person's own code."""
    product: Code | None = None
    """The product concerned."""
    about: StaffRef | None = None
    """The agent or team complained of."""
    taken_by: StaffRef | None = None
    """Who took the words in person."""
    reply_to: PlainReplyTo | None = None
    """Where to answer."""
    media: StrictBool = False
    """The media have it."""
    survey: SaidInSurvey | None = None
    """For a survey reply."""
    delivery: Delivery | None = None
    """For a delivery report."""
    regulator: RegulatorReferral | None = None
    """For a regulator's referral."""
    history: ClosedCase | None = None
    """For a closed case of an older system."""
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=20)] = ()
    """What comes with it, by reference and digest."""

    @model_validator(mode="after")
    def _says_what_its_kind_needs(self) -> Self:
        """A kind and its own part come together, or not at all."""
        parts = {
            MessageKind.SURVEY_REPLY: self.survey,
            MessageKind.DELIVERY_REPORT: self.delivery,
            MessageKind.REGULATOR_REFERRAL: self.regulator,
            MessageKind.HISTORY: self.history,
        }
        for kind, part in parts.items():
            if part is not None and self.kind is not kind:
                raise ValueError(f"only a {kind.value} may carry that part")
        if self.kind is MessageKind.DELIVERY_REPORT and self.delivery is None:
            raise ValueError("a delivery_report needs `delivery`")
        if self.kind is MessageKind.REGULATOR_REFERRAL and self.regulator is None:
            raise ValueError("a regulator_referral needs `regulator`")
        if self.kind is MessageKind.HISTORY and self.history is None:
            raise ValueError("a history needs `history`")
        if self.kind in _WORDY and not self.text.strip():
            raise ValueError("there are no words in `text`")
        return self


class CloudEvent(BaseModel):
    """The CloudEvents 1.0 attributes that channels and gateways exchange with us."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    specversion: Literal["1.0"]
    """CloudEvents 1.0."""
    id: Line
    """Unique for its source; the same source and id again is the same message."""
    source: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]
    """The channel system, e.g. `10010` or `/channels/wechat`."""
    datacontenttype: Literal["application/json"] = "application/json"
    """The body is JSON."""
    subject: Line | None = None
    """Not read."""
    traceparent: (
        Annotated[
            str,
            Field(pattern=r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"),
        ]
        | None
    ) = None
    """The trace it belongs to (W3C)."""


class ChannelMessage(CloudEvent):
    """A customer's words as a channel publishes them on `complaints.channel` or posts them."""

    type: Literal["channel.message.v1"]
    """What sort of message."""
    time: Told
    """When the words reached the channel: clocks start here (DOMAIN counting 1)."""
    data: ChannelWords
    """What was said, by whom, and where to answer."""


class LogEvent(CloudEvent):
    """An event as it stands in the log (DESIGN, The event); its bytes never change."""

    source: Annotated[str, Field(pattern=r"^/bihuan/[a-z_]+$", max_length=64)]
    """The service that wrote it."""
    type: Annotated[str, Field(max_length=64)]
    """Name and version."""
    subject: Line
    """What it is about, mostly a complaint's id; the Kafka key."""
    time: Annotated[Instant, Field(json_schema_extra={"pattern": WIRE_INSTANT})]
    """When it was recorded: UTC, microseconds; never decreases within a stream."""
    occurredat: Annotated[Instant, Field(json_schema_extra={"pattern": WIRE_INSTANT})] | None = None
    """When the fact happened, only where that differs from `time`."""
    sequence: Annotated[str, Field(pattern=r"^[1-9][0-9]*$", max_length=19)]
    """Its number in the stream (source, subject), from 1."""
    previous: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the stream's event before, or 64 zeros."""
    causationid: Annotated[str, Field(max_length=512)]
    """The event, message or idempotency key that led to it."""
    actor: Annotated[str, Field(min_length=1, max_length=200)]
    """Who asked for it: a pseudonym, a channel or a service."""
    data: dict[str, JsonValue]
    """The body."""


class OutboundNotice(LogEvent):
    """A notice on `complaints.outbound`: the very bytes of its notice.issued event.

    Gateways drop a repeated `id`, wait for `not_before`, open sealed stretches with intake's
    vault, and say what came of it in a channel message of kind delivery_report.
    """

    type: Literal["notice.issued.v1"]
    """What sort of message."""
    data: NoticeIssued  # type: ignore[assignment]  # narrower than any JSON object
    """The notice."""
