"""The words that several events share: enums, constrained texts, and small value objects."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, NamedTuple, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from contracts.categories import CATEGORY_NAMES as CATEGORY_NAMES  # noqa: PLC0414 - explicit re-export
from contracts.categories import Category as Category  # noqa: PLC0414 - explicit re-export
from contracts.categories import Names as Names  # noqa: PLC0414 - explicit re-export
from libs.decider import Event
from libs.decider import Instant as Instant  # noqa: PLC0414 - explicit re-export
from libs.decider import Told as Told  # noqa: PLC0414 - explicit re-export

# --- constrained texts and numbers ---------------------------------------------------------

Sealed = Annotated[str, Field(pattern=r"^[!-~]+$", min_length=1, max_length=131_072)]
"""A sealed token of the vault: opaque, printable ASCII without blanks, so no plaintext fits."""

Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@/+-]*$", max_length=96)]
"""A name that systems use: a team, an agent's pseudonym, a queue, a rule, a product."""

Reason = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.:-]*$", max_length=64)]
"""Why, as a code; people's own words about why go sealed into `note`."""

Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", max_length=64)]
"""The version of a policy, template or calendar."""

Province = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)]
"""A province's code, e.g. `guangdong`; PROVINCES names those of the operator."""

Receipt = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9-]*$", min_length=4, max_length=24)]
"""The short, speakable receipt number with its check digit (DOMAIN rule 2)."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 in lower-case hex."""

Plain = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A sentence that a system or an operator wrote; never a customer's words or personal data."""

Cycle = Annotated[int, Field(ge=1)]
Score = Annotated[int, Field(ge=1, le=10)]
Tier = Annotated[int, Field(ge=2, le=4)]

_MONEY = r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?$"


def _exact_money(value: object) -> object:
    """Refuses floats, exponents, signs and more than two places (SCENARIOS S5)."""
    text = format(value, "f") if isinstance(value, Decimal) and value.is_finite() else value
    if not isinstance(text, str) or not re.fullmatch(_MONEY, text):
        raise ValueError('an amount in CNY is a string like "373.00", at most two places')
    return Decimal(text).quantize(Decimal("0.01"))


Money = Annotated[
    Decimal,
    BeforeValidator(_exact_money),
    PlainSerializer(lambda amount: format(amount, ".2f"), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _MONEY, "examples": ["373.00"]}),
]
"""An exact amount in CNY, never negative; on the wire a string with two places."""


# --- enums ----------------------------------------------------------------------------------


class ChannelKind(StrEnum):
    """Where words reach us (DOMAIN, Who talks to us)."""

    HOTLINE_10010 = "hotline_10010"
    HOTLINE_10011 = "hotline_10011"
    HOTLINE_10012 = "hotline_10012"
    HOTLINE_10015 = "hotline_10015"
    HOTLINE_10016 = "hotline_10016"
    HOTLINE_10018 = "hotline_10018"
    HOTLINE_ROAMING = "hotline_roaming"
    SMS = "sms"
    COLOUR_MESSAGE = "colour_message"
    WECHAT = "wechat"
    APP = "app"
    WEB = "web"
    CHAT = "chat"
    MOBILE_PAYMENT = "mobile_payment"
    ONLINE_HALL = "online_hall"
    MOBILE_HALL = "mobile_hall"
    HALL = "hall"
    TERMINAL = "terminal"
    AGENCY_HALL = "agency_hall"
    ACCOUNT_MANAGER = "account_manager"
    GRID_MANAGER = "grid_manager"
    FAX = "fax"
    LETTER = "letter"
    EMAIL = "email"
    SOCIAL = "social"
    COMPLAINT_DESK = "complaint_desk"
    SUGGESTION_BOX = "suggestion_box"
    PARTNER = "partner"
    REGULATOR = "regulator"
    DESK = "desk"


class Channel(NamedTuple):
    """What a channel is called and how words travel on it."""

    names: Names
    voice: bool
    """Spoken: an answer on it is a call."""
    written_back: bool
    """A notice can be sent back on it."""


CHANNELS: Mapping[ChannelKind, Channel] = MappingProxyType(
    {
        ChannelKind.HOTLINE_10010: Channel(Names("10010客服热线", "10010 main line"), True, False),
        ChannelKind.HOTLINE_10011: Channel(Names("10011账单充值", "10011 bills"), True, False),
        ChannelKind.HOTLINE_10012: Channel(Names("10012充值", "10012 recharge"), True, False),
        ChannelKind.HOTLINE_10015: Channel(
            Names("10015升级投诉专线", "10015 escalation line"), True, False
        ),
        ChannelKind.HOTLINE_10016: Channel(
            Names("10016电话营业厅", "10016 telephone hall"), True, False
        ),
        ChannelKind.HOTLINE_10018: Channel(
            Names("10018客户俱乐部", "10018 customer club"), True, False
        ),
        ChannelKind.HOTLINE_ROAMING: Channel(
            Names("国际漫游热线", "Roaming line abroad"), True, False
        ),
        ChannelKind.SMS: Channel(Names("短信", "SMS"), False, True),
        ChannelKind.COLOUR_MESSAGE: Channel(Names("彩信", "Colour message"), False, True),
        ChannelKind.WECHAT: Channel(Names("微信", "WeChat"), False, True),
        ChannelKind.APP: Channel(Names("手机客户端", "App"), False, True),
        ChannelKind.WEB: Channel(Names("网站", "Web site"), False, True),
        ChannelKind.CHAT: Channel(Names("在线客服", "Online chat"), False, True),
        ChannelKind.MOBILE_PAYMENT: Channel(Names("手机支付", "Mobile payment"), False, True),
        ChannelKind.ONLINE_HALL: Channel(Names("网上营业厅", "Online hall"), False, True),
        ChannelKind.MOBILE_HALL: Channel(Names("手机营业厅", "Mobile hall"), False, True),
        ChannelKind.HALL: Channel(Names("营业厅", "Business hall"), False, False),
        ChannelKind.TERMINAL: Channel(Names("自助终端", "Self-service terminal"), False, False),
        ChannelKind.AGENCY_HALL: Channel(Names("合作代理厅", "Agency hall"), False, False),
        ChannelKind.ACCOUNT_MANAGER: Channel(Names("客户经理", "Account manager"), True, False),
        ChannelKind.GRID_MANAGER: Channel(Names("网格经理", "Grid manager"), True, False),
        ChannelKind.FAX: Channel(Names("传真", "Fax"), False, True),
        ChannelKind.LETTER: Channel(Names("信函", "Letter"), False, True),
        ChannelKind.EMAIL: Channel(Names("电子邮件", "E-mail"), False, True),
        ChannelKind.SOCIAL: Channel(Names("社交媒体", "Social media"), False, True),
        ChannelKind.COMPLAINT_DESK: Channel(Names("投诉台", "Complaint desk"), False, False),
        ChannelKind.SUGGESTION_BOX: Channel(Names("意见箱", "Suggestion box"), False, False),
        ChannelKind.PARTNER: Channel(Names("合作伙伴工单", "Partner tickets"), False, False),
        ChannelKind.REGULATOR: Channel(Names("申诉受理中心", "Regulator"), False, False),
        ChannelKind.DESK: Channel(Names("内部坐席", "A desk of ours"), False, False),
    }
)
"""Every channel's names and ways."""


class Kind(StrEnum):
    """What the customer's words are; only complaints run the full loop (DOMAIN rule 4)."""

    COMPLAINT = "complaint"
    SUGGESTION = "suggestion"
    PRAISE = "praise"
    CONSULTATION = "consultation"


class Urgency(StrEnum):
    """How pressing, in the words of the cross-region process (002)."""

    URGENT = "urgent"
    ORDINARY = "ordinary"
    COMPLEX = "complex"


class CustomerClass(StrEnum):
    """Who the contract is with (DOMAIN rule 3)."""

    PERSONAL = "personal"
    FAMILY = "family"
    ENTERPRISE = "enterprise"


class ValueTier(StrEnum):
    """How the operator ranks the customer; `important` is VIP (DOMAIN rule 3)."""

    IMPORTANT = "important"
    ORDINARY = "ordinary"
    POTENTIAL = "potential"
    LAPSED = "lapsed"


class DistrictType(StrEnum):
    """Town or country: repair limits differ (DOMAIN, Clocks)."""

    URBAN = "urban"
    RURAL = "rural"


class Language(StrEnum):
    """The language the customer is answered in."""

    ZH = "zh"
    EN = "en"


class ContactKind(StrEnum):
    """What a contact is to its complaint."""

    FIRST = "first"
    URGE = "urge"
    FACT = "fact"
    REPLY = "reply"
    SURVEY_REPLY = "survey_reply"
    DELIVERY_REPORT = "delivery_report"
    ESCALATION_WISH = "escalation_wish"
    WITHDRAWAL = "withdrawal"
    PARTNER_REPORT = "partner_report"
    REGULATOR_REFERRAL = "regulator_referral"
    MEDIA_EXPOSURE = "media_exposure"
    HISTORY = "history"
    """A closed case of an older system, told whole."""


class Medium(StrEnum):
    """How a notice reaches a person."""

    MESSAGE = "message"
    CALL = "call"
    VISIT = "visit"
    """In person, where the customer is (DOMAIN rule 11: follow-up visits)."""
    ON_THE_SPOT = "on_the_spot"
    """The channel that took the words hands it over: there is no address to send to."""


class DeliveryResult(StrEnum):
    """What came of an attempt to reach a person."""

    DELIVERED = "delivered"
    FAILED = "failed"
    REACHED = "reached"
    NOT_REACHED = "not_reached"


class NoticeKind(StrEnum):
    """What a notice tells the customer."""

    RECEIPT = "receipt"
    QUESTION = "question"
    DELAY = "delay"
    ANSWER = "answer"
    SURVEY = "survey"
    REMINDER = "reminder"
    DECISION = "decision"
    COMPENSATION = "compensation"


class Complexity(StrEnum):
    """How much a partner has to do (004)."""

    SIMPLE = "simple"
    COMPLEX = "complex"


class Decision(StrEnum):
    """What was decided about a complaint."""

    UPHELD = "upheld"
    PARTLY = "partly"
    REJECTED = "rejected"


class FaultLiesWith(StrEnum):
    """Who or what caused it, as a finding says (DOMAIN rule 9)."""

    OPERATOR = "operator"
    PARTNER = "partner"
    CUSTOMER_EQUIPMENT = "customer_equipment"


class Payer(StrEnum):
    """Who bears what a customer is given: the party at fault (DOMAIN rule 9)."""

    OPERATOR = "operator"
    PARTNER = "partner"


class Basis(StrEnum):
    """On what ground money is given (DOMAIN rule 9)."""

    DOUBLE_REFUND = "double_refund"
    RENT_WAIVER = "rent_waiver"
    GOODWILL = "goodwill"


class ReopenRoute(StrEnum):
    """Where a new cycle goes (DOMAIN rule 11)."""

    REWORK = "rework"
    TIER1 = "tier1"
    ESCALATE = "escalate"


class CaseTrigger(StrEnum):
    """Why a case was requested (DOMAIN rule 10)."""

    BREACH = "breach"
    DISSATISFIED = "dissatisfied"
    WISH = "wish"
    URGES = "urges"
    REPEATS = "repeats"
    VIP_SEVERE = "vip_severe"
    REGULATOR = "regulator"
    MEDIA = "media"
    PASSED_UP = "passed_up"

    @property
    def automatic(self) -> bool:
        """Ours, not a person's: withdrawn when the complaint is closed first (EVENTS race 2)."""
        return self in (CaseTrigger.BREACH, CaseTrigger.URGES, CaseTrigger.REPEATS)


class ClockPurpose(StrEnum):
    """What a clock promises, whatever its policy calls it (DOMAIN, Clocks)."""

    ACKNOWLEDGE = "acknowledge"
    FIRST_CONTACT = "first_contact"
    REPLY = "reply"
    RESOLVE = "resolve"
    REPAIR = "repair"
    INSTALL = "install"
    ATTITUDE = "attitude"
    PARTNER_PRELIMINARY = "partner_preliminary"
    PARTNER = "partner"
    """The partner answers 10010."""
    PARTNER_CUSTOMER = "partner_customer"
    """The partner answers the customer (DOMAIN rule 7)."""
    FEEDBACK = "feedback"
    AGREED = "agreed"
    DESK_FIRST_CONTACT = "desk_first_contact"
    DESK_DECISION = "desk_decision"
    LEGAL_REPAIR = "legal_repair"
    LEGAL_ANSWER = "legal_answer"
    REGULATOR_REPORT = "regulator_report"
    SURVEY = "survey"


class WarningLevel(StrEnum):
    """How close to its end a clock is (DOMAIN counting 8)."""

    HALF = "50"
    MOST = "80"
    LAST = "last"


PROVINCES: Mapping[str, Names] = MappingProxyType(
    {
        "anhui": Names("安徽", "Anhui"),
        "beijing": Names("北京", "Beijing"),
        "chongqing": Names("重庆", "Chongqing"),
        "fujian": Names("福建", "Fujian"),
        "gansu": Names("甘肃", "Gansu"),
        "guangdong": Names("广东", "Guangdong"),
        "guangxi": Names("广西", "Guangxi"),
        "guizhou": Names("贵州", "Guizhou"),
        "hainan": Names("海南", "Hainan"),
        "hebei": Names("河北", "Hebei"),
        "heilongjiang": Names("黑龙江", "Heilongjiang"),
        "henan": Names("河南", "Henan"),
        "hubei": Names("湖北", "Hubei"),
        "hunan": Names("湖南", "Hunan"),
        "inner-mongolia": Names("内蒙古", "Inner Mongolia"),
        "jiangsu": Names("江苏", "Jiangsu"),
        "jiangxi": Names("江西", "Jiangxi"),
        "jilin": Names("吉林", "Jilin"),
        "liaoning": Names("辽宁", "Liaoning"),
        "ningxia": Names("宁夏", "Ningxia"),
        "qinghai": Names("青海", "Qinghai"),
        "shaanxi": Names("陕西", "Shaanxi"),
        "shandong": Names("山东", "Shandong"),
        "shanghai": Names("上海", "Shanghai"),
        "shanxi": Names("山西", "Shanxi"),
        "sichuan": Names("四川", "Sichuan"),
        "tianjin": Names("天津", "Tianjin"),
        "tibet": Names("西藏", "Tibet"),
        "xinjiang": Names("新疆", "Xinjiang"),
        "yunnan": Names("云南", "Yunnan"),
        "zhejiang": Names("浙江", "Zhejiang"),
    }
)
"""The operator's provinces; a code from elsewhere is kept as told."""


# --- value objects --------------------------------------------------------------------------


class Value(BaseModel):
    """A part of an event, equal by content, never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class HousekeepingEvent(Event):
    """An event that belongs to no handling cycle."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class ComplaintEvent(Event):
    """An event of one complaint; one of an older cycle starts no work any more (EVENTS)."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    cycle: Cycle
    """The complaint's handling cycle, from 1."""


class PolicyRef(Value):
    """Which version of which policy a decision followed."""

    name: Code
    """The policy's name."""
    version: Version
    """Its version."""


class EventRef(Value):
    """Which event of the log is meant."""

    event: UUID
    """The event's id."""
    source: Annotated[str, Field(max_length=64)]
    """The service that wrote it, e.g. `/bihuan/routing`."""
    type: Annotated[str, Field(max_length=64)]
    """Its type, e.g. `work.answered.v1`."""


class StaffRef(Value):
    """A person or a team of ours or of a partner: pseudonyms, never names."""

    team: Code | None = None
    """The team's id."""
    agent: Code | None = None
    """The agent's pseudonym; None when the team as such is meant."""


class PaidBy(Value):
    """The party at fault, which pays (DOMAIN rule 9)."""

    party: Payer
    """The operator, unless the cause lay with a partner."""
    partner: Code | None = None
    """Which partner."""


class ReplyTo(Value):
    """Where and how the customer wants to be answered."""

    kind: ChannelKind
    """The channel to answer on."""
    address: Sealed | None = None
    """The sealed number or address; None when there is none to send to."""
    voice_only: bool = False
    """Only a call reaches it, e.g. a fixed line."""


class Contact(Value):
    """One time that somebody told us something about a complaint."""

    id: UUID
    """The contact's id: UUIDv5 of channel source and message id."""
    kind: ContactKind
    """What it is to the complaint."""
    channel: ChannelKind
    """Where it came in."""
    source: Annotated[str, Field(min_length=1, max_length=200)]
    """The channel message's CloudEvents `source`."""
    message: Annotated[str, Field(min_length=1, max_length=200)]
    """The channel message's CloudEvents `id`."""
    at: Instant
    """When the words reached the channel: the message's own `time`."""
    speaker: UUID | None = None
    """Whose words they are, under whose key they are sealed, wherever a merge copies them; None
    only where it was not said yet: the complaint's own customer, or `standalone.person`."""


class Evidence(Value):
    """Something that proves a fact and is kept elsewhere (DOMAIN, Audit and retention)."""

    kind: Code
    """What it is, e.g. `bill`, `outage_record`, `photo`, `papers`."""
    ref: Annotated[str, Field(min_length=1, max_length=200)]
    """Where it is kept; a reference, never the content."""
    sha256: Digest | None = None
    """The digest of the kept bytes, when there are any."""


class Classification(Value):
    """A complaint's category and urgency."""

    category: Category
    """What it is about."""
    urgency: Urgency
    """How pressing it is."""


class Classified(Value):
    """How category and urgency were found (DOMAIN rule 4: never guessed silently)."""

    by: Annotated[str, Field(pattern=r"^(channel|rule|desk|none)$")]
    """`channel` told it, a `rule` matched, a `desk` decided, or `none` could place it."""
    rule: Code | None = None
    """The matched rule's name."""
    policy: PolicyRef | None = None
    """The rules' version."""


class Profile(Value):
    """What every rule keys on; intake hands it on whole so that nobody has to ask back."""

    kind: Kind
    """Complaint, suggestion, praise or consultation."""
    category: Category
    """What it is about."""
    urgency: Urgency
    """How pressing it is."""
    customer_class: CustomerClass = CustomerClass.PERSONAL
    """Personal, family or enterprise."""
    value_tier: ValueTier = ValueTier.ORDINARY
    """The tier the complaint began with, kept for life (DOMAIN rule 3)."""
    other_operator: bool = False
    """The customer belongs to another operator."""
    representative: bool = False
    """Somebody complains for another."""
    home_province: Province | None = None
    """The customer's own province."""
    visited_province: Province | None = None
    """Where the cause lies, when not at home (DOMAIN rule 5)."""
    district_type: DistrictType | None = None
    """Urban or rural."""
    portfolio: Code | None = None
    """The customers that a named representative looks after, this one among them (DOMAIN rule 3);
    a company, or many people: never one person's own code."""
    product: Code | None = None
    """The product concerned."""
    language: Language = Language.ZH
    """The language to answer in."""
    channel: ChannelKind
    """The channel of the first contact."""
    taken_by: StaffRef | None = None
    """Who took the words in person, the first to be asked (DOMAIN rule 1); None: a machine."""
    about: StaffRef | None = None
    """Whom it complains of: never handler, never owner (DOMAIN rule 6)."""
    media: bool = False
    """The media have it."""

    @property
    def cross_region(self) -> bool:
        """Whether the cause lies in another province than the customer's home."""
        return bool(
            self.home_province
            and self.visited_province
            and self.home_province != self.visited_province
        )

    @property
    def handling_province(self) -> str | None:
        """The province where the cause lies (DOMAIN rule 5)."""
        return self.visited_province or self.home_province


class Asked(Value):
    """Which complaints are meant by what they are: all that is said here must be so."""

    told_from: Told | None = None
    """Told, or come on record, at or after this instant; goes with `told_to`."""
    told_to: Told | None = None
    """And before this one."""
    category: Category | None = None
    """Of this category, or of one below it."""
    province: Province | None = None
    """The customer's own province, or the one where the cause lies."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if (self.told_from is None) is not (self.told_to is None):
            raise ValueError("told_from and told_to go together")
        if (self.told_from, self.category, self.province) == (None, None, None):
            raise ValueError("say at least one of a time, category, province")
        return self

    def means(self, profile: Profile, moments: Iterable[datetime]) -> bool:
        """Whether a complaint is meant that is this, told or come on record at these moments."""
        if self.category is not None and not profile.category.within(self.category):
            return False
        if self.province not in (None, profile.home_province, profile.visited_province):
            return False
        start, end = self.told_from, self.told_to
        return start is None or end is None or any(start <= one < end for one in moments)


class Correspondent(Value):
    """Whom to tell, where and how: what a notice needs."""

    receipt: Receipt
    """The complaint's receipt number."""
    person: UUID
    """The customer's random id; one of its own for an anonymous customer."""
    anonymous: bool = False
    """Nobody knows who it is."""
    reply_to: ReplyTo | None = None
    """Where to answer; None when there is nowhere."""
    language: Language = Language.ZH
    """In which language."""
    customer_class: CustomerClass = CustomerClass.PERSONAL
    """Personal, family or enterprise."""
    value_tier: ValueTier = ValueTier.ORDINARY
    """The tier; `important` customers are called (DOMAIN rule 11)."""

    @property
    def reachable(self) -> bool:
        """Whether there is an address to write or call to."""
        return self.reply_to is not None and self.reply_to.address is not None


class RegulatorReferral(Value):
    """An appeal that the regulator referred to us."""

    ref: Annotated[str, Field(min_length=1, max_length=64)]
    """The regulator's own number."""
    report_by: Told | None = None
    """When the regulator wants the report; None: as the policy says."""


class ClockRef(Value):
    """One clock of a complaint, unmistakably."""

    clock: Code
    """The policy's code for the clock, e.g. `resolve`, `repair.broadband`."""
    instance: Annotated[str, Field(max_length=64)] = ""
    """Which of several of that code: `promise-2`, `case-1`, `forward-1`; else empty."""
    started_in: Cycle
    """The cycle in which it started."""


class ClearText(Value):
    """A stretch of a notice's text in clear."""

    lit: Annotated[str, Field(max_length=65_536)]
    """The text."""


class SealedText(Value):
    """A stretch of a notice's text that only the gateway may open."""

    sealed: Sealed
    """The sealed token."""


TextSegment = ClearText | SealedText
"""A piece of a notice: `{"lit": …}` or `{"sealed": …}`."""


class Warn(Value):
    """When staff are warned about a clock."""

    level: WarningLevel
    """50 %, 80 % of the counted time, or 15 counted minutes before."""
    at: Instant
    """The instant."""


class Due(ClockRef):
    """A clock and when it runs out."""

    due: Instant | None
    """The due instant; None while the calendar does not reach it (DOMAIN counting 12)."""
    last_counted: date | None = None
    """The last date counted, whose month the verdict belongs to (DOMAIN rule 12)."""
    warn_at: tuple[Warn, ...] = ()
    """The warnings still to come; levels already past are left out."""
    calendar: Version | None = None
    """The version of the calendar counted with; None when no calendar matters."""


class Clock(Due):
    """A clock that starts."""

    purpose: ClockPurpose
    """What it promises."""
    clock_from: Instant
    """The instant it counts from."""
    pausable: bool = False
    """Whether waiting for the customer or a third party stops it."""
    policy: PolicyRef
    """The policy version it keeps for life (DOMAIN counting 11)."""
    case: Annotated[int, Field(ge=1)] | None = None
    """The case of a 10015 clock."""
