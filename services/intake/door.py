"""The door: the only place that sees customers' words in clear. What goes further is sealed.

Messages by Kafka and by HTTP come through here alike: read strictly, their subscribers turned into
random person ids, their words classified, then words, names and addresses sealed by the vault -
all in bulk, one round for a batch, and outside any transaction.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from pydantic import ValidationError

from contracts.intake import DeliveryReport, History, SurveyReply
from contracts.messages import ChannelMessage, ChannelWords, MessageKind
from contracts.values import (
    CHANNELS,
    Category,
    ChannelKind,
    Classified,
    CustomerClass,
    Kind,
    Profile,
    ReplyTo,
    Urgency,
    ValueTier,
)
from libs.decider import DomainError, Lookups, Policies, Refused, To
from libs.messaging.channel import Outdated, RawMessage, Sealed
from libs.timekeeping.clock import Clock
from services.intake.domain import matching
from services.intake.domain.classification import classify, language_of
from services.intake.domain.history import check_times
from services.intake.domain.identity import (
    message_key,
    refusal_subject,
    stranger,
    subscriber_key,
    telephone_number,
)
from services.intake.domain.matching import FOUNDS, Told, Wanted
from services.intake.domain.message import RefuseMessage
from services.intake.domain.person import Person
from services.intake.domain.policy import contacts_policy, keywords_policy
from services.intake.erasures import Decided, Erasing, carry_out
from services.intake.reading import PROBLEM_CHARACTERS_MAX, Faulty, Unidentified, read

ACTOR_CHARACTERS_MAX = 200

TEXT = "text"
NAME = "name"
ADDRESS = "address"
ANSWER = "answer"
"""The fields that are sealed; the vault binds each token to its person and its field."""


class DoesNotFit(Refused):
    """A part of the message is longer or of another form than our records hold; shorten it."""

    rule = "does-not-fit"
    zh = "消息中有内容超出登记格式,请精简后重发"


class Vault(Erasing, Protocol):
    """What the door needs of the vault: persons by their numbers, and sealing, in bulk."""

    def find_or_make_persons(self, numbers: Sequence[str]) -> Sequence[UUID]:
        """The random person id of each number, in order; the same number, the same person."""

    def find_persons(self, numbers: Sequence[str]) -> Sequence[UUID | None]:
        """The person of each number, or None; makes nobody."""

    def seal_many(self, items: Sequence[tuple[UUID, str, str]]) -> Sequence[str]:
        """A token for each (person, field, plaintext), in order; makes missing keys."""

    def keep_unreadable(self, place: str, value: bytes) -> None:
        """Keeps bytes that cannot be read, sealed, until they are settled."""


@dataclass(slots=True)
class Message:
    """A message ready to be decided on: everything readable is sealed (`Prepared`)."""

    told: Told
    policies: Policies
    clock: Clock
    message_key: UUID
    causation: str
    actor: str
    traceparent: str
    wants: Sequence[Wanted]
    sealed_from: datetime
    followed: frozenset[Decided] = frozenset()

    def resolve(self, lookups: Lookups) -> Sequence[To]:
        """The command it leads to; nothing when it is known. Raises DomainError to refuse, and
        Outdated when its words were sealed before an erasure that is on record by now.
        """
        commands = matching.resolve(self.told, lookups, self.policies)
        if commands and not self.told.anonymous:
            self._check(lookups.state("person", str(self.told.person)))
        return commands

    def _check(self, person: Person | None) -> None:
        """One of the two comes first, and the log says which (EVENTS race 15).

        Whom the vault still finds is gone if they were destroyed; whoever is locked is read on,
        if the locking came before the sealing.
        """
        if person is None or person.erased is None or person.since is None:
            return
        decided: Decided = (person.erased, self.told.person, person.since)
        late = person.since >= self.sealed_from and decided not in self.followed
        if person.destroyed or late:
            raise Outdated(*self.followed, decided)

    def refuse(self, error: DomainError) -> Sequence[To]:
        """Its refusal, on the stream of refused messages."""
        told = self.told
        return (
            To(
                refusal_subject(told.key),
                RefuseMessage(
                    at=self.clock.now(),
                    key=told.key,
                    channel=told.channel,
                    source=told.source,
                    message=told.message,
                    rule=error.rule,
                    problem=error.detail[:PROBLEM_CHARACTERS_MAX],
                    person=told.person,
                ),
            ),
        )

    def outcome(self, lookups: Lookups) -> Mapping[str, Any]:
        """What became of it (`matching.outcome`)."""
        return matching.outcome(self.message_key, lookups)


@dataclass(slots=True)
class Refusable:
    """A message that says who sent it but cannot be taken as it is (`Prepared`)."""

    command: RefuseMessage
    message_key: UUID
    causation: str
    actor: str
    traceparent: str
    wants: Sequence[Wanted]

    def resolve(self, lookups: Lookups) -> Sequence[To]:
        """Its refusal, unless the message has had its outcome already."""
        if matching.known(self.message_key, lookups):
            return ()
        return (To(refusal_subject(self.message_key), self.command),)

    def refuse(self, error: DomainError) -> Sequence[To]:
        """A refusal is not refused again."""
        raise error

    def outcome(self, lookups: Lookups) -> Mapping[str, Any]:
        """What became of it (`matching.outcome`)."""
        return matching.outcome(self.message_key, lookups)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A message that was read: its key, its instant, and what its words are about."""

    index: int
    raw: RawMessage
    message: ChannelMessage
    key: UUID
    at: datetime
    profile: Profile
    classified: Classified


class IntakeDoor:
    """`libs.messaging.channel.Door` for intake.

    `policies` gives all policies activated so far; those in force at a message's own time count.
    """

    def __init__(self, vault: Vault, policies: Callable[[], Policies], clock: Clock) -> None:
        self._vault = vault
        self._policies = policies
        self._clock = clock

    def prepare(self, raw: Sequence[RawMessage]) -> Sequence[Message | Refusable | Sealed]:
        """One answer per message, in order; raises what the vault raises when it is away."""
        return self._prepare(raw, frozenset())

    def again(
        self, raw: Sequence[RawMessage], outdated: Outdated
    ) -> Sequence[Message | Refusable | Sealed]:
        """The same, once the vault has carried out what came in between."""
        carry_out(self._vault, outdated.erasures)
        return self._prepare(raw, frozenset(outdated.erasures))

    def _prepare(
        self, raw: Sequence[RawMessage], followed: frozenset[Decided]
    ) -> Sequence[Message | Refusable | Sealed]:
        sealed_from = self._clock.now()
        policies = self._policies()
        prepared: dict[int, Message | Refusable | Sealed] = {}
        faulty: dict[int, Faulty] = {}
        taken: list[_Taken] = []
        for index, one in enumerate(raw):
            found = self._read(one, policies)
            if isinstance(found, Unidentified):
                prepared[index] = self._keep(one, found)
            elif isinstance(found, Faulty):
                faulty[index] = found
            else:
                try:
                    taken.append(_take(index, one, found, policies, self._clock.now()))
                except DomainError as error:
                    faulty[index] = _fault_of(found, error)
                except ValidationError:
                    faulty[index] = _fault_of(found, DoesNotFit())
        persons = self._persons(taken)
        for one_taken, told in zip(taken, self._sealed(taken, persons), strict=True):
            if isinstance(told, DomainError):
                faulty[one_taken.index] = _fault_of(one_taken.message, told)
            else:
                message = self._message(one_taken, told, policies, sealed_from)
                message.followed = followed
                prepared[one_taken.index] = message
        for index, person in zip(faulty, self._senders(faulty.values()), strict=True):
            prepared[index] = self._refusable(raw[index], faulty[index], person)
        return [prepared[index] for index in range(len(raw))]

    # -- reading ---------------------------------------------------------------------------------

    def _read(self, raw: RawMessage, policies: Policies) -> ChannelMessage | Faulty | Unidentified:
        now = self._clock.now()
        return read(raw.value, now, contacts_policy(policies, now).future_max)

    def _keep(self, raw: RawMessage, found: Unidentified) -> Sealed:
        if raw.value is not None and not raw.actor:
            self._vault.keep_unreadable(raw.place, raw.value)
        return Sealed(raw.place, found.kind, found.detail)

    # -- persons and sealing ---------------------------------------------------------------------

    def _persons(self, taken: Sequence[_Taken]) -> list[UUID]:
        """Who says each: the vault's random id for a number, else a stranger of its own."""
        keys = [
            None
            if one.message.data.subscriber is None
            else subscriber_key(one.message.data.subscriber)
            for one in taken
        ]
        numbers = list(dict.fromkeys(key for key in keys if key is not None))
        found = self._vault.find_or_make_persons(numbers) if numbers else ()
        known = dict(zip(numbers, found, strict=True))
        return [
            stranger(one.key) if key is None else known[key]
            for one, key in zip(taken, keys, strict=True)
        ]

    def _senders(self, faulty: Iterable[Faulty]) -> list[UUID | None]:
        """Whose each refused message is, where the number is known here; makes nobody."""
        keys = [
            None if one.subscriber is None else subscriber_key(one.subscriber) for one in faulty
        ]
        numbers = list(dict.fromkeys(key for key in keys if key is not None))
        found = self._vault.find_persons(numbers) if numbers else ()
        known = dict(zip(numbers, found, strict=True))
        return [None if key is None else known[key] for key in keys]

    def _sealed(
        self, taken: Sequence[_Taken], persons: Sequence[UUID]
    ) -> Sequence[Told | DomainError]:
        """What is told of each, sealed; a person who is locked stops no message but their own."""
        try:
            return self._seal(taken, persons)
        except DomainError as error:
            if len(taken) == 1:
                return [error]
        return [
            self._sealed([one], [person])[0] for one, person in zip(taken, persons, strict=True)
        ]

    def _seal(self, taken: Sequence[_Taken], persons: Sequence[UUID]) -> list[Told | DomainError]:
        """Every plaintext of every message replaced by its token, in one call of the vault."""
        items: list[tuple[UUID, str, str]] = []
        places: list[tuple[int, str]] = []
        for index, (one, person) in enumerate(zip(taken, persons, strict=True)):
            for field, plaintext in _plaintexts(one.message.data):
                items.append((person, field, plaintext))
                places.append((index, field))
        tokens: list[dict[str, str]] = [{} for _ in taken]
        sealed = self._vault.seal_many(items) if items else ()
        for (index, field), token in zip(places, sealed, strict=True):
            tokens[index][field] = token
        return [
            _told(one, person, found)
            for one, person, found in zip(taken, persons, tokens, strict=True)
        ]

    # -- ready -----------------------------------------------------------------------------------

    def _message(
        self, taken: _Taken, told: Told, policies: Policies, sealed_from: datetime
    ) -> Message:
        return Message(
            told=told,
            policies=policies,
            clock=self._clock,
            message_key=told.key,
            causation=_causation(told.source, told.message),
            actor=_actor(taken.raw, told.source),
            traceparent=taken.message.traceparent or taken.raw.traceparent,
            wants=matching.wants(told),
            sealed_from=sealed_from,
        )

    def _refusable(self, raw: RawMessage, faulty: Faulty, person: UUID | None) -> Refusable:
        key = message_key(faulty.source, faulty.message)
        return Refusable(
            command=RefuseMessage(
                at=self._clock.now(),
                key=key,
                channel=faulty.channel,
                source=faulty.source,
                message=faulty.message,
                rule=faulty.rule,
                problem=faulty.problem,
                person=person,
            ),
            message_key=key,
            causation=_causation(faulty.source, faulty.message),
            actor=_actor(raw, faulty.source),
            traceparent=raw.traceparent,
            wants=matching.wants_outcome(key),
        )


def _causation(source: str, message: str) -> str:
    return f"message:{source} {message}"


def _actor(raw: RawMessage, source: str) -> str:
    """Who told it: the caller by HTTP, the channel by Kafka."""
    return (raw.actor or f"channel:{source}")[:ACTOR_CHARACTERS_MAX]


def _fault_of(message: ChannelMessage, error: DomainError) -> Faulty:
    return Faulty(
        source=message.source,
        message=message.id,
        channel=message.data.channel,
        rule=error.rule,
        problem=error.detail[:PROBLEM_CHARACTERS_MAX],
        subscriber=message.data.subscriber,
    )


def _plaintexts(words: ChannelWords) -> list[tuple[str, str]]:
    """Everything in a message that only the vault may keep."""
    found = []
    if words.text.strip() or words.kind in _MAY_BE_WORDLESS:
        found.append((TEXT, words.text))
    if words.sender_name is not None:
        found.append((NAME, words.sender_name))
    address = _address(words)
    if address is not None:
        found.append((ADDRESS, address[1]))
    if words.history is not None and words.history.answer.strip():
        found.append((ANSWER, words.history.answer))
    return found


_MAY_BE_WORDLESS = (MessageKind.REGULATOR_REFERRAL, MessageKind.MEDIA_EXPOSURE)
"""Messages that found a complaint even without words; their summary is an empty one, sealed."""


def _address(words: ChannelWords) -> tuple[ChannelKind, str, bool] | None:
    """Where to answer: as told, else the telephone number that called or wrote.

    A number told on a channel that nothing can be sent back on (a hall, a terminal) gets an SMS.
    """
    told = words.reply_to
    if told is not None:
        return told.kind, told.address, told.voice_only
    number = telephone_number(words.subscriber)
    if number is None:
        return None
    channel = CHANNELS[words.channel]
    kind = words.channel if channel.voice or channel.written_back else ChannelKind.SMS
    return kind, number, False


def _take(
    index: int, raw: RawMessage, message: ChannelMessage, policies: Policies, now: datetime
) -> _Taken:
    """A message and what its words are about; raises PolicyMissing from before there were rules,
    and what `check_times` raises of history.
    """
    past = message.data.history
    if past is not None:
        closed_at = past.closed_at or past.answered_at
        check_times(message.time, past.answered_at, closed_at, now)
    profile, classified = _placed(message.data, message.time, policies)
    return _Taken(
        index=index,
        raw=raw,
        message=message,
        key=message_key(message.source, message.id),
        at=message.time.astimezone(UTC),
        profile=profile,
        classified=classified,
    )


def _told(taken: _Taken, person: UUID, tokens: Mapping[str, str]) -> Told | DomainError:
    """All that may be known of a message beyond the door; DoesNotFit where records are narrower."""
    message, words = taken.message, taken.message.data
    address = _address(words)
    try:
        return Told(
            key=taken.key,
            kind=words.kind,
            channel=words.channel,
            source=message.source,
            message=message.id,
            at=taken.at,
            person=person,
            anonymous=words.subscriber is None,
            profile=taken.profile,
            classified=taken.classified,
            receipt=matching.quoted_receipt(words.receipt),
            text=tokens.get(TEXT),
            sender_name=tokens.get(NAME),
            reply_to=(
                ReplyTo(kind=address[0], address=tokens[ADDRESS], voice_only=address[2])
                if address
                else None
            ),
            survey=_survey(words),
            delivery=_delivery(words, taken.at),
            regulator=words.regulator,
            evidence=words.evidence,
            history=_history(words, tokens.get(ANSWER)),
        )
    except ValidationError:
        # Never quoted, for it quotes: what channels may say and what our records hold have drifted
        # apart, and one message must not stop its batch.
        return DoesNotFit()


def _survey(words: ChannelWords) -> SurveyReply | None:
    said = words.survey
    return None if said is None else SurveyReply(score=said.score, resolved=said.resolved)


def _history(words: ChannelWords, answer: str | None) -> History | None:
    told = words.history
    if told is None:
        return None
    closed_at = told.closed_at or told.answered_at
    return History(answered_at=told.answered_at, closed_at=closed_at, answer=answer)


def _delivery(words: ChannelWords, at: datetime) -> DeliveryReport | None:
    told = words.delivery
    if told is None:
        return None
    return DeliveryReport(
        notice=told.notice, by=told.by, result=told.result, at=at, reason=told.reason
    )


def _placed(words: ChannelWords, at: datetime, policies: Policies) -> tuple[Profile, Classified]:
    """Category and urgency: as the channel says, else as the rules read the words (rule 4)."""
    language = words.language or language_of(words.text)
    category: Category | None = words.category
    if category is Category.UNCLASSIFIED:
        category = None
    urgency = words.urgency
    classified = Classified(by="none" if category is None else "channel")
    reads = words.kind in FOUNDS or words.kind is MessageKind.WITHDRAWAL
    if reads and words.text and (category is None or urgency is None):
        policy = keywords_policy(policies, at)
        placement = classify(words.text, language, policy)
        rules = []
        if category is None and placement.rule is not None:
            category = placement.category
            classified = Classified(by="rule")
            rules.append(placement.rule)
        if urgency is None and placement.urgency_rule is not None:
            urgency = placement.urgency
            rules.append(placement.urgency_rule)
        if rules:
            classified = classified.model_copy(
                update={"rule": "+".join(rules), "policy": policy.ref}
            )
    profile = Profile(
        kind=words.complaint_kind or Kind.COMPLAINT,
        category=category or Category.UNCLASSIFIED,
        urgency=urgency or Urgency.ORDINARY,
        customer_class=words.customer_class or CustomerClass.PERSONAL,
        value_tier=words.value_tier or ValueTier.ORDINARY,
        other_operator=words.other_operator,
        representative=words.representative,
        home_province=words.home_province,
        visited_province=words.visited_province,
        district_type=words.district_type,
        portfolio=words.portfolio,
        product=words.product,
        language=language,
        channel=words.channel,
        taken_by=words.taken_by,
        about=words.about,
        media=words.media or words.kind is MessageKind.MEDIA_EXPOSURE,
    )
    return profile, classified
