"""Which column of somebody's file is what: a small YAML file, and the messages it makes of rows.

Pure: a row and an instant go in; a channel message, or the reason why there is none, comes out. A
reason names columns and rules, never what a cell says, for it is shown and may be kept.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from cli.tabular import Layout, Row
from contracts.messages import TEXT_BYTES_MAX, ChannelMessage, MessageKind, Subscriber
from contracts.values import (
    Category,
    ChannelKind,
    CustomerClass,
    DistrictType,
    Kind,
    Language,
    Province,
    Urgency,
    ValueTier,
)

SHIPPED = Path(__file__).parent / "mappings"
MAPPING_BYTES_MAX = 256 * 1024

Column = Annotated[str, Field(min_length=1, max_length=200)]


class MappingWrong(ValueError):
    """The mapping cannot be used: what is wrong with it, or with the file it is used on."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Or(StrEnum):
    """What to do with an odd row."""

    REFUSE = "refuse"
    """The row is not sent; the report says why."""
    TAKE = "take"
    """The row is sent as it is, and counted."""
    MEND = "mend"
    """The oddity is taken out, the row sent, and counted."""


class Values(_Data):
    """A field of the message: always the same, or a column, translated or as it stands."""

    always: str | None = None
    """The same for every row."""
    column: Column | None = None
    """The column it stands in."""
    values: dict[str, str] | None = None
    """What each of the column's values means here; None: the cell itself."""
    otherwise: str | None = None
    """For a value that `values` does not name; None: that is an odd row."""
    slug: bool = False
    """Make a code of the cell: lower case, one `-` for all that is neither letter nor digit."""
    prefix: str = ""
    """Put before such a code, e.g. `us-`."""

    @model_validator(mode="after")
    def _from_one_place(self) -> Self:
        if (self.always is None) == (self.column is None):
            raise ValueError("say either `always` or `column`")
        if self.column is None and (self.values or self.otherwise or self.slug or self.prefix):
            raise ValueError("`values`, `otherwise`, `slug` and `prefix` go with a `column`")
        return self

    def of(self, cells: Mapping[str, str]) -> str | None:
        """What this row says; None: nothing. Raises Unknown for a value that has no meaning."""
        if self.column is None:
            return self.always
        cell = cells[self.column].strip()
        if self.values is not None:
            meant = self.values.get(cell, self.otherwise)
            if meant is None and cell:
                raise Unknown(self.column)
            return meant
        if self.slug and cell:
            return self.prefix + _NO_CODE.sub("-", cell.casefold()).strip("-")
        return cell or self.otherwise


_NO_CODE = re.compile(r"[^a-z0-9]+")


class Unknown(ValueError):
    """A cell whose value the mapping has no meaning for; carries the column's name."""


class Identity(_Data):
    """Where a message's id comes from: it is what makes sending again add nothing."""

    column: Column | None = None
    """The file's own number of a row."""
    prefix: str = ""
    """Put before it."""

    def of(self, cells: Mapping[str, str]) -> str:
        """The row's id; without a column, a digest of all its cells. Empty: it has none."""
        if self.column is not None:
            own = cells[self.column].strip()
            return self.prefix + own if own else ""
        written = "\x1e".join(f"{name}\x1f{cell}" for name, cell in sorted(cells.items()))
        return self.prefix + hashlib.sha256(written.encode()).hexdigest()[:32]


class Text(_Data):
    """Which columns hold the customer's words."""

    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    """In this order; empty ones are left out."""
    joined_by: str = "\n"
    """What stands between two of them."""


class Dates(_Data):
    """A date the file tells. It is only looked at: what is sent is said now."""

    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    """Joined with a blank, e.g. a date and a time of day."""
    formats: Annotated[tuple[str, ...], Field(min_length=1)]
    """As Python's `strptime` writes them; the first that fits counts."""
    first: date | None = None
    """The file tells of nothing before this day."""
    last: date | None = None
    """Nor after this one."""

    def oddity(self, cells: Mapping[str, str]) -> str | None:
        """What is odd about this row's date; None: nothing, or there is none."""
        told = self._told(cells)
        return told if isinstance(told, str) else None

    def instant(self, cells: Mapping[str, str], zone: ZoneInfo) -> datetime:
        """The instant this row tells, by its clocks' zone; raises Odd, naming the columns."""
        told = self._told(cells)
        if isinstance(told, str):
            raise Odd(f"{told} in {', '.join(map(repr, self.columns))}")
        return told.replace(tzinfo=zone).astimezone(UTC)

    def _told(self, cells: Mapping[str, str]) -> datetime | str:
        """The date as it stands there, without a zone; or what is odd about it."""
        told = " ".join(cells[name].strip() for name in self.columns).strip()
        if not told:
            return "no date"
        for one in self.formats:
            with suppress(ValueError):
                found = datetime.strptime(told, one)  # noqa: DTZ007 - a file's date has no zone
                day = found.date()
                outside = (self.first and day < self.first) or (self.last and day > self.last)
                return "date outside the file's own time" if outside else found
        return "date unreadable"


class PastCase(_Data):
    """The file's rows are closed cases of an older system, with their own times: for `import`."""

    told: Dates
    """When the words came."""
    answered: Dates
    """When the customer was answered; a row that was not is refused, for it is not over."""
    closed: Dates | None = None
    """When the case was closed; None: with its answer."""
    answer: Text | None = None
    """Which columns hold the answer's words."""
    zone: str = "Asia/Shanghai"
    """Where the older system's clocks stood."""

    @model_validator(mode="after")
    def _knows_its_zone(self) -> Self:
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            raise ValueError("`zone` is no time zone; write it as `Asia/Shanghai`") from None
        return self

    def columns(self) -> list[str]:
        """Every column it reads."""
        dates = [one for one in (self.told, self.answered, self.closed) if one is not None]
        found = [name for one in dates for name in one.columns]
        return found + list(self.answer.columns if self.answer else ())


class OddRows(_Data):
    """What to do with odd rows; the defaults lose nothing that can be mended."""

    empty_text: Literal[Or.REFUSE] = Or.REFUSE
    """No words at all: nobody said anything."""
    no_id: Literal[Or.REFUSE] = Or.REFUSE
    """The id column is empty: sending it again could not be told from a new one."""
    repeated_id: Literal[Or.REFUSE] = Or.REFUSE
    """An id that an earlier row had: both would be one message."""
    stray_blanks: Literal[Or.MEND, Or.TAKE] = Or.MEND
    """Tabs, blank lines and blanks around lines, as copied web pages have them."""
    control_characters: Literal[Or.MEND, Or.REFUSE] = Or.MEND
    """Characters that no words have; `mend` takes them out."""
    too_long_text: Literal[Or.MEND, Or.REFUSE] = Or.REFUSE
    """More than 64 KB; `mend` cuts it."""
    unknown_value: Literal[Or.REFUSE, Or.MEND] = Or.REFUSE
    """A channel, province or other value without a meaning; `mend` leaves the field out."""
    bad_subscriber: Literal[Or.REFUSE, Or.MEND] = Or.REFUSE
    """A subscriber in a form that no operator has; `mend` makes the customer anonymous."""
    bad_date: Literal[Or.REFUSE, Or.TAKE] = Or.TAKE
    """A date that is missing, unreadable or outside the file's own time."""


class FileMapping(_Data):
    """A mapping: how one kind of file becomes channel messages."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)]
    """What it is called."""
    about: str = ""
    """What sort of file it is for."""
    source: Annotated[str, Field(pattern=r"^[!-~]+$", max_length=100)]
    """The messages' CloudEvents source: with the id, it makes a message one message."""
    encoding: str = "utf-8"
    """Of a CSV."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """Between a CSV's cells."""
    sheet: str | None = None
    """An XLSX's sheet; None: the first."""
    id: Identity
    """Where a message's id comes from."""
    subscriber: Values | None = None
    """Who says it; None, or an empty cell: an anonymous customer."""
    text: Text
    """What they say."""
    channel: Values
    """Where it came in: a channel's code, e.g. `hotline_10010`."""
    language: Values | None = None
    """`zh` or `en`; None: intake tells from the words."""
    province: Values | None = None
    """The customer's own province."""
    visited_province: Values | None = None
    """Where it happened, when not at home."""
    district_type: Values | None = None
    """`urban` or `rural`."""
    category: Values | None = None
    """What it is about; None: intake tells from the words."""
    urgency: Values | None = None
    """How pressing; None: intake tells from the words."""
    complaint_kind: Values | None = None
    """Complaint, suggestion, praise or consultation; None: a complaint."""
    customer_class: Values | None = None
    """Personal, family or enterprise."""
    value_tier: Values | None = None
    """Important, ordinary, potential or lapsed."""
    representative: Values | None = None
    """`true` where somebody complains for another."""
    dates: tuple[Dates, ...] = ()
    """Dates the file tells."""
    history: PastCase | None = None
    """Its rows are closed cases of an older system: `bihuan import` takes them, `send` does not."""
    odd_rows: OddRows = OddRows()
    """What to do with odd rows."""

    @property
    def layout(self) -> Layout:
        """How its files are written down."""
        return Layout(self.encoding, self.delimiter, self.sheet)

    def columns(self) -> tuple[str, ...]:
        """Every column it reads."""
        fields = [getattr(self, name) for name in ("subscriber", "channel", *_CODED)]
        told = [self.id.column, *self.text.columns]
        told += [one.column for one in fields if one is not None]
        told += [name for one in self.dates for name in one.columns]
        told += self.history.columns() if self.history else []
        return tuple(dict.fromkeys(name for name in told if name is not None))

    def missing(self, columns: Iterable[str]) -> list[str]:
        """The columns it reads that a file does not have."""
        there = set(columns)
        return [name for name in self.columns() if name not in there]

    @model_validator(mode="after")
    def _says_known_words(self) -> Self:
        """Whatever a mapping itself says must be a word that messages know."""
        for name, (_, kind) in {**_CODED, "channel": ("channel", ChannelKind)}.items():
            told: Values | None = getattr(self, name)
            if told is None:
                continue
            said = [told.always, told.otherwise, *(told.values or {}).values()]
            for word in said:
                if word is not None:
                    _known(name, word, kind)
        return self


_CODED: Mapping[str, tuple[str, Any]] = {
    "language": ("language", Language),
    "province": ("home_province", Province),
    "visited_province": ("visited_province", Province),
    "district_type": ("district_type", DistrictType),
    "category": ("category", Category),
    "urgency": ("urgency", Urgency),
    "complaint_kind": ("complaint_kind", Kind),
    "customer_class": ("customer_class", CustomerClass),
    "value_tier": ("value_tier", ValueTier),
    "representative": ("representative", bool),
}
"""Field of a mapping -> field of a message, and what it may say."""

_ADAPTERS = {kind: TypeAdapter(kind) for _, kind in (*_CODED.values(), ("", ChannelKind))}
_SUBSCRIBER: TypeAdapter[str] = TypeAdapter(Subscriber)


def _known(name: str, word: str, kind: Any) -> Any:
    """The word as the message has it; raises ValueError without quoting a cell."""
    try:
        return _ADAPTERS[kind].validate_python(word)
    except ValidationError:
        known = f"; it is one of {', '.join(kind)}" if isinstance(kind, type(ChannelKind)) else ""
        raise ValueError(f"`{name}` says a word that no message knows{known}") from None


def load_mapping(name_or_path: str) -> FileMapping:
    """A shipped mapping by its name, or one of the caller's own by its path.

    Raises MappingWrong.
    """
    shipped = SHIPPED / f"{name_or_path}.yaml"
    path = shipped if shipped.is_file() else Path(name_or_path)
    try:
        if path.stat().st_size > MAPPING_BYTES_MAX:
            raise MappingWrong(f"{path} is too large for a mapping")
        # Texts only: a column called `no` and a value `Yes` are not booleans here.
        content = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 - BaseLoader makes nothing but text, lists and dicts
    except OSError as error:
        raise MappingWrong(
            f"there is no mapping {name_or_path!r}; shipped ones are {', '.join(shipped_names())}, "
            "or give the path of your own"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MappingWrong(f"{path.name} is not YAML: {error}") from error
    try:
        return FileMapping.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'the mapping'}: {one['msg']}"
            for one in error.errors(include_url=False)
        )
        raise MappingWrong(f"{path.name} is no mapping: {faults}") from error


def shipped_names() -> list[str]:
    """The mappings that come with the project."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


# --- rows to messages ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that is not sent, and why."""

    row: int
    reason: str
    id: str | None = field(default=None, compare=False)
    """The row's own number, where it could be read."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A row as a message. It is said when it is sent; only history has a time of its own."""

    row: int
    message: ChannelMessage = field(repr=False)

    def said(self, at: datetime) -> ChannelMessage:
        """The message, said at this instant, or when history says that it was."""
        if self.message.data.history is not None:
            return self.message
        return self.message.model_copy(update={"time": at})


class Odd(ValueError):
    """Why a row is refused."""


@dataclass(slots=True)
class Mapper:
    """Makes messages of one file's rows, and remembers which ids it has seen.

    Memory: some 150 bytes a row for the ids, and the refused rows.
    """

    mapping: FileMapping
    oddities: Counter[str] = field(default_factory=Counter)
    """Rows with something odd that were sent nevertheless, by what it was."""
    _seen: dict[bytes, int] = field(default_factory=dict)

    def row(self, row: Row) -> Mapped | Refused:
        """One row's message, or why there is none."""
        noted: set[str] = set()
        try:
            if row.problem is not None:
                raise Odd(row.problem)
            identity = self._identity(row)
            words = self._words(row.cells, noted)
            self._dates(row.cells, noted)
            at = self._history(words, row.cells, noted)
            message = checked(self.mapping.source, identity, words, at)
        except Odd as odd:
            own = None if row.problem is not None else self.mapping.id.of(row.cells) or None
            return Refused(row.number, str(odd), own)
        self.oddities.update(noted)
        return Mapped(row.number, message)

    def _identity(self, row: Row) -> str:
        identity = self.mapping.id.of(row.cells)
        if not identity:
            raise Odd(f"no id in column {self.mapping.id.column!r}")
        # A digest and not the id itself: as long for a long id as for a short one.
        key = hashlib.blake2b(identity.encode("utf-8", "replace"), digest_size=16).digest()
        first = self._seen.setdefault(key, row.number)
        if first != row.number:
            raise Odd(f"it repeats the id of row {first}")
        return identity

    def _words(self, cells: Mapping[str, str], noted: set[str]) -> dict[str, Any]:
        words: dict[str, Any] = {
            "kind": MessageKind.WORDS.value,
            "channel": self._said("channel", ChannelKind, cells, noted),
            "text": self._text(cells, noted),
        }
        if words["channel"] is None:
            raise Odd(f"no channel in column {self.mapping.channel.column!r}")
        subscriber = self._subscriber(cells, noted)
        if subscriber is not None:
            words["subscriber"] = subscriber
        for name, (to, kind) in _CODED.items():
            said = self._said(name, kind, cells, noted)
            if said is not None:
                words[to] = said
        return words

    def _history(
        self, words: dict[str, Any], cells: Mapping[str, str], noted: set[str]
    ) -> datetime:
        """Adds what the older system did, and tells when the words came; for send, undated."""
        past = self.mapping.history
        if past is None:
            return _UNDATED
        zone = ZoneInfo(past.zone)
        told, answered = past.told.instant(cells, zone), past.answered.instant(cells, zone)
        if answered < told:
            raise Odd("answered before it was told, by its own dates")
        closed = None if past.closed is None else past.closed.instant(cells, zone)
        if closed is not None and closed < answered:
            raise Odd("closed before it was answered, by its own dates")
        case: dict[str, Any] = {"answered_at": answered, "closed_at": closed}
        if past.answer is not None:
            case["answer"] = self._joined(past.answer, cells, noted)
        words |= {"kind": MessageKind.HISTORY.value, "history": case}
        return told

    def _said(self, name: str, kind: Any, cells: Mapping[str, str], noted: set[str]) -> Any:
        told: Values | None = getattr(self.mapping, name)
        if told is None:
            return None
        try:
            word = told.of(cells)
            return None if word is None else _known(name, word, kind)
        except ValueError:
            if self.mapping.odd_rows.unknown_value is Or.REFUSE:
                raise Odd(
                    f"column {told.column!r} says a {name} that the mapping does not know"
                ) from None
            noted.add(f"unknown {name} left out")
            return None

    def _subscriber(self, cells: Mapping[str, str], noted: set[str]) -> str | None:
        told = self.mapping.subscriber
        said = told.of(cells) if told is not None else None
        if said is None:
            return None
        try:
            return _SUBSCRIBER.validate_python(said)
        except ValidationError:
            if self.mapping.odd_rows.bad_subscriber is Or.REFUSE:
                assert told is not None
                raise Odd(f"column {told.column!r} holds no number or account") from None
            noted.add("unreadable subscriber left out")
            return None

    def _text(self, cells: Mapping[str, str], noted: set[str]) -> str:
        text = self._joined(self.mapping.text, cells, noted)
        if not text:
            raise Odd("no words in " + ", ".join(repr(name) for name in self.mapping.text.columns))
        return text

    def _joined(self, text: Text, cells: Mapping[str, str], noted: set[str]) -> str:
        odd, parts = self.mapping.odd_rows, []
        for name in text.columns:
            part = cells[name].replace("\r\n", "\n").replace("\r", "\n")
            if _CONTROL.search(part):
                if odd.control_characters is Or.REFUSE:
                    raise Odd(f"control characters in column {name!r}")
                noted.add("control or invisible characters taken out")
                part = _CONTROL.sub("", part)
            if odd.stray_blanks is Or.MEND:
                tidied = tidy(part)
                if tidied != part:
                    noted.add("stray blanks, tabs or blank lines taken out")
                part = tidied
            if part.strip():
                parts.append(part)
        return self._fitting(text.joined_by.join(parts), noted)

    def _fitting(self, text: str, noted: set[str]) -> str:
        written = text.encode()
        if len(written) <= TEXT_BYTES_MAX:
            return text
        if self.mapping.odd_rows.too_long_text is Or.REFUSE:
            raise Odd(f"its words are longer than {TEXT_BYTES_MAX} bytes")
        noted.add(f"words cut at {TEXT_BYTES_MAX} bytes")
        return written[:TEXT_BYTES_MAX].decode(errors="ignore")

    def _dates(self, cells: Mapping[str, str], noted: set[str]) -> None:
        for dates in self.mapping.dates:
            oddity = dates.oddity(cells)
            if oddity is None:
                continue
            if self.mapping.odd_rows.bad_date is Or.REFUSE:
                raise Odd(f"{oddity} in {', '.join(map(repr, dates.columns))}")
            noted.add(oddity)


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2060\ufeff\ufffe\uffff]")
"""What no words have: control characters, and signs of no width (but the joiners that emoji and
Indic scripts need)."""

_BLANKS = re.compile(r"[ \t\u00a0\u3000]+")


def tidy(text: str) -> str:
    """The text without blanks around lines, with one blank for several, at most one blank line."""
    lines = [_BLANKS.sub(" ", line).strip() for line in text.split("\n")]
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).strip("\n")


_UNDATED = datetime(1970, 1, 1, tzinfo=UTC)
"""A row is checked before it is sent, and dated when it is."""


def checked(
    source: str, identity: str, words: Mapping[str, Any], at: datetime = _UNDATED
) -> ChannelMessage:
    """The message, dated only if it is history; raises Odd, naming fields and rules, no value."""
    try:
        return ChannelMessage.model_validate(
            {
                "specversion": "1.0",
                "id": identity,
                "source": source,
                "type": "channel.message.v1",
                "time": at,
                "data": words,
            }
        )
    except ValidationError as error:
        raise Odd(_faults(error.errors(include_url=False, include_input=False))) from None


def _faults(errors: Sequence[Any]) -> str:
    told = [f"{'.'.join(map(str, one['loc']))} ({one['type']})" for one in errors[:3]]
    return "it makes no message: " + ", ".join(told)
