"""How events are told to people: short sentences in English and Chinese, as versioned data.

A wording names fields of the event's contract in braces; one that names a field which the contract
does not have never comes into force. Sealed fields cannot be named.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from contracts.values import CATEGORY_NAMES, CHANNELS, PROVINCES, Names, Version
from libs.decider.policy import Fault, Unsound
from services.audit.domain.cohorts import NAME as ARCHIVE
from services.audit.domain.cohorts import ArchivePolicy
from services.audit.domain.reporting.policy import NAME as REPORTS
from services.audit.domain.reporting.policy import ReportsPolicy
from services.audit.domain.retention import RETENTION, RetentionPolicy, compile_retention
from services.audit.domain.shape import Shape, shape_of

WORDS = "words"
"""The policy's name."""

SHANGHAI = ZoneInfo("Asia/Shanghai")
EACH = "each"

_FIELD = re.compile(r"\{([a-z_][a-z0-9_.]*)\}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence in both languages."""

    en: str
    zh: str


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Both(_Part):
    """A name or a stretch of a sentence in both languages."""

    en: Annotated[str, Field(max_length=500)]
    zh: Annotated[str, Field(max_length=500)]


class Wording(Both):
    """A sentence, and when it is the right one: every field of `when` has that value."""

    when: dict[str, str | int | bool | None] = Field(default_factory=dict)
    each: str | None = None
    """The list that `{each}` tells, one `item` after another."""
    item: Both | None = None

    def fits(self, data: Mapping[str, Any]) -> bool:
        """Whether this wording is for such a body."""
        return all(_at(data, path.split(".")) == value for path, value in self.when.items())


class WordsPolicy(_Part):
    """One version of the words."""

    name: str
    version: Version
    effective_from: str
    unset: Both
    """What stands for a field that knows nothing."""
    otherwise: Both
    """The sentence for an event no wording knows; `{type}` is its type."""
    values: dict[str, Both]
    """What codes are called: `<field>.<code>`, or `<code>` wherever it stands."""
    events: dict[str, tuple[Wording, ...]]
    """Event type -> its wordings; the first that fits is taken."""


class Words:
    """A version of the words, checked against the contracts and ready to speak.

    Raises ValueError where a wording names what the event does not have or is not to be shown.
    """

    def __init__(self, policy: WordsPolicy) -> None:
        self.policy = policy
        faults = [
            fault for kind, wordings in policy.events.items() for fault in _faults(kind, wordings)
        ]
        if faults:
            raise Unsound(faults)

    def say(self, kind: str, data: Any) -> Said:
        """The event in a sentence; a body that does not fit its contract is told by its type."""
        wordings = self.policy.events.get(kind, ())
        if not isinstance(data, dict) or not wordings:
            both = self.policy.otherwise
            return Said(both.en.replace("{type}", kind), both.zh.replace("{type}", kind))
        wording = next(one for one in wordings if one.fits(data))
        return Said(self._fill(wording, data, "en"), self._fill(wording, data, "zh"))

    def name(self, field: str, code: str) -> Said:
        """What a code of such a field is called."""
        return Said(self._named(field, code, "en"), self._named(field, code, "zh"))

    def _fill(self, wording: Wording, data: Mapping[str, Any], language: str) -> str:
        def field_of(match: re.Match[str]) -> str:
            if match[1] == EACH and wording.each is not None and wording.item is not None:
                item = getattr(wording.item, language)
                listed = _at(data, wording.each.split(".")) or ()
                return self._listed([self._put(item, one, language) for one in listed], language)
            return self._value(match[1], _at(data, match[1].split(".")), language)

        return _FIELD.sub(field_of, getattr(wording, language))

    def _put(self, template: str, data: Any, language: str) -> str:
        return _FIELD.sub(
            lambda match: self._value(match[1], _at(data, match[1].split(".")), language),
            template,
        )

    def _value(self, path: str, value: Any, language: str) -> str:
        match value:
            case None | "" | []:
                return str(getattr(self.policy.unset, language))
            case bool():
                return self._named(path, "true" if value else "false", language)
            case list():
                return self._listed([self._value(path, one, language) for one in value], language)
            case dict():
                return " ".join(self._value(path, one, language) for one in value.values() if one)
            case str() if (instant := _instant(value)) is not None:
                return local(instant)
            case _:
                return self._named(path, str(value), language)

    def _listed(self, told: Sequence[str], language: str) -> str:
        return ("、" if language == "zh" else ", ").join(told)

    def _named(self, path: str, code: str, language: str) -> str:
        name = path.rpartition(".")[2]
        for key in _keys(name, code):
            known = self.policy.values.get(key)
            if known is not None:
                return str(getattr(known, language))
        names = _CONTRACT_NAMES.get(name, {}).get(code)
        return code if names is None else str(getattr(names, language))


def compile_policy(
    name: str, content: Mapping[str, Any]
) -> Words | ReportsPolicy | RetentionPolicy | ArchivePolicy:
    """A policy of audit's, ready to be followed; raises ValueError for unsound ones."""
    if name == ARCHIVE:
        return ArchivePolicy.model_validate(content)
    if name == REPORTS:
        return ReportsPolicy.model_validate(content)
    if name == RETENTION:
        return compile_retention(content)
    if name != WORDS:
        raise ValueError(f"audit follows no policy {name!r}")
    return Words(WordsPolicy.model_validate(content))


def local(instant: datetime) -> str:
    """An instant as people in Shanghai read it, to the minute or, where it has any, the second."""
    there = instant.astimezone(SHANGHAI)
    return there.strftime("%Y-%m-%d %H:%M:%S" if there.second else "%Y-%m-%d %H:%M")


def _instant(value: str) -> datetime | None:
    """The instant that a text of the wire names; None where it is none (a harmed record)."""
    try:
        known = datetime.fromisoformat(value) if _INSTANT.fullmatch(value) else None
        return known and known.astimezone(SHANGHAI)
    except (ValueError, OverflowError):
        return None


def _keys(name: str, code: str) -> Iterator[str]:
    """`clock.repair.broadband.rural`, `clock.repair.broadband`, `clock.repair`, then the code."""
    yield f"{name}.{code}"
    above = code
    while "." in above:
        above = above.rpartition(".")[0]
        yield f"{name}.{above}"
    yield code


_CHANNEL_NAMES = {kind.value: channel.names for kind, channel in CHANNELS.items()}
_CONTRACT_NAMES: Mapping[str, Mapping[str, Names]] = {
    "category": {category.value: names for category, names in CATEGORY_NAMES.items()},
    "channel": _CHANNEL_NAMES,
    "line": _CHANNEL_NAMES,
    "kind": _CHANNEL_NAMES,
    **dict.fromkeys(("province", "home_province", "visited_province", "informed"), PROVINCES),
}
"""What the contracts themselves call the codes of a field."""


def _at(data: Any, path: Sequence[str]) -> Any:
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _faults(kind: str, wordings: Sequence[Wording]) -> Iterator[Fault]:
    """What is wrong with the wordings of one event, each with its place."""
    where = ("events", kind)
    shape = shape_of(kind)
    if shape is None:
        yield Fault("unknown", where, f"no contract knows {kind}: see docs/events.md")
        return
    for number, wording in enumerate(wordings):
        yield from _of_wording((*where, number), kind, shape, wording)
    if not wordings or wordings[-1].when:
        problem = f"{kind}: the last wording is for every case and has no `when`: add one"
        yield Fault("gap", where, problem)


def _of_wording(
    where: tuple[str | int, ...], kind: str, shape: Shape, wording: Wording
) -> Iterator[Fault]:
    for language in ("en", "zh"):
        for path in _FIELD.findall(getattr(wording, language)):
            if path != EACH:
                yield from _of_path((*where, language), kind, shape, path)
    for path in wording.when:
        yield from _of_path((*where, "when", path), kind, shape, path)
    named = [*_FIELD.findall(wording.en), *_FIELD.findall(wording.zh)]
    if (EACH in named) != (wording.each is not None and wording.item is not None):
        yield Fault("gap", where, f"{kind}: `{{each}}` needs `each` and `item`, and they need it")
    if wording.each is None or wording.item is None:
        return
    if faults := list(_of_path((*where, "each"), kind, shape, wording.each)):
        yield from faults
        return
    listed = shape.at(wording.each.split("."))
    if listed is None or listed.items is None:
        yield Fault("unsound", (*where, "each"), f"{kind}: {wording.each} is no list")
        return
    for language in ("en", "zh"):
        for path in _FIELD.findall(getattr(wording.item, language)):
            place = (*where, "item", language)
            yield from _of_path(place, f"{kind} {wording.each}", listed.items, path)


def _of_path(where: tuple[str | int, ...], kind: str, shape: Shape, path: str) -> Iterator[Fault]:
    found = shape.at(path.split("."))
    if found is None:
        yield Fault("unknown", where, f"{kind} has no field {path}: see docs/events.md")
    elif _holds_sealed(found):
        yield Fault("unsound", where, f"{kind}: {path} is sealed and is not told: take it out")


def _holds_sealed(shape: Shape) -> bool:
    return (
        shape.sealed
        or (shape.items is not None and _holds_sealed(shape.items))
        or any(_holds_sealed(inner) for inner in shape.fields.values())
    )
