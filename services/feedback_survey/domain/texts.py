"""What notices say: templates in both languages, rendered purely to stretches clear and sealed."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from types import MappingProxyType
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from contracts.feedback_survey import NoticeFact
from contracts.values import ClearText, Language, SealedText, TextSegment
from libs.decider.policy import Fault, Unsound

SHANGHAI = ZoneInfo("Asia/Shanghai")

PROMISE = "promise."
"""`promise.resolve`: facts of this prefix are promised times, told together as `promises`."""


@dataclass(frozen=True, slots=True)
class Knows:
    """The facts that a template can name: those it always has, and those it may have."""

    always: frozenset[str]
    perhaps: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        """Every fact that it can name."""
        return self.always | self.perhaps


def _knows(always: str, perhaps: str = "") -> Knows:
    return Knows(frozenset(("receipt", *always.split())), frozenset(perhaps.split()))


TEMPLATES: Mapping[str, Knows] = MappingProxyType(
    {
        "receipt": _knows("", "promises"),
        "question": _knows("until", "question"),
        "delay": _knows("new_due", "old_due plan"),
        "overdue_repair": _knows("old_due"),
        "answer": _knows("explanation decision", "compensation next_steps"),
        "rejected": _knows("", "note"),
        "survey": _knows(""),
        "reminder": _knows(""),
        "decision": _knows("decision reasons", "final"),
        "declined": _knows("", "note"),
        "compensation": _knows("amount"),
    }
)
"""Every template; with the facts it always has alone it must say something."""

_SLOT = re.compile(r"\{([a-z_]+)\}")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Line(BaseModel):
    """A stretch of a template, told only when the fact `when` is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    when: str
    text: str


Word = Mapping[Language, str]
Lines = Annotated[tuple[str | Line, ...], Field(min_length=1)]
Value = str | SealedText


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A compiled line: `needs` must be known; `parts` alternate text and slot names."""

    needs: frozenset[str]
    parts: tuple[tuple[bool, str], ...]


class Texts(BaseModel):
    """One version of the templates: what is said, and the words for codes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: Mapping[str, Mapping[str, Word]]
    templates: Mapping[
        str, Mapping[Language, Annotated[tuple[str | Line, ...], Field(min_length=1)]]
    ]
    _compiled: dict[tuple[str, Language], tuple[_Stretch, ...]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> "Texts":
        faults = [*self._unused(), *self._without_words()]
        for name, knows in TEMPLATES.items():
            for language in Language:
                faults += self._compile(name, knows, language)
        if faults:
            raise Unsound(faults)
        return self

    def _compile(self, name: str, knows: Knows, language: Language) -> Iterator[Fault]:
        where = ("templates", name, language.value)
        if language not in self.templates.get(name, {}):
            yield Fault(
                "missing",
                where,
                f"template {name} is missing in {language.value}: write it in `{language.value}`",
            )
            return
        lines = self.templates[name][language]
        for number, line in enumerate(lines):
            yield from (Fault(kind, (*where, number), told) for kind, told in _wrong(line, knows))
        compiled = self._compiled[(name, language)] = tuple(map(_stretch, lines))
        if not any(one.needs <= knows.always for one in compiled):
            surely = ", ".join(f"{{{one}}}" for one in sorted(knows.always))
            problem = f"it may come out empty: add a line that names no more than {surely}"
            yield Fault("gap", where, problem)

    def _unused(self) -> Iterator[Fault]:
        for name in sorted(self.templates.keys() - TEMPLATES.keys()):
            problem = f"no notice has the template {name!r}: {_near(name, TEMPLATES)}"
            yield Fault("unknown", ("templates", name), problem)

    def _without_words(self) -> Iterator[Fault]:
        for table, words in self.words.items():
            for code, word in words.items():
                for language in set(Language) - set(word):
                    told = language.value
                    problem = f"{code} is not told in {told}: write the word in `{told}`"
                    yield Fault("missing", ("words", table, code, told), problem)

    def render(
        self, template: str, language: Language, receipt: str, facts: Iterable[NoticeFact]
    ) -> tuple[TextSegment, ...]:
        """The notice in that language: clear stretches joined, sealed tokens copied as they are."""
        values = self._values(language, receipt, facts)
        out: list[TextSegment] = []
        clear = ""
        for stretch in self._compiled[(template, language)]:
            if not stretch.needs <= values.keys():
                continue
            for is_slot, part in stretch.parts:
                value = values[part] if is_slot else part
                if isinstance(value, SealedText):
                    if clear:
                        out.append(ClearText(lit=clear))
                    out.append(value)
                    clear = ""
                else:
                    clear += value
        if clear:
            out.append(ClearText(lit=clear))
        return tuple(out)

    def _values(
        self, language: Language, receipt: str, facts: Iterable[NoticeFact]
    ) -> Mapping[str, Value]:
        values: dict[str, Value] = {"receipt": receipt}
        promises: list[str] = []
        for fact in facts:
            if fact.name.startswith(PROMISE):
                told = self._word("promise", fact.name.removeprefix(PROMISE), language)
                if told is not None:
                    promises.append(self._promise(told, fact.at, language))
            elif fact.sealed is not None:
                values[fact.name] = SealedText(sealed=fact.sealed)
            elif fact.at is not None:
                values[fact.name] = told_instant(fact.at, language)
            elif fact.text is not None:
                values[fact.name] = self._word(fact.name, fact.text, language) or fact.text
        if promises:
            values["promises"] = (";" if language is Language.ZH else "; ").join(promises)
        return values

    def _promise(self, told: str, due: datetime | None, language: Language) -> str:
        if due is None:
            return f"{told}: {self._word('unknown_due', 'due', language) or '?'}"
        if language is Language.ZH:
            return f"{told}{told_instant(due, language)}前"
        return f"{told} by {told_instant(due, language)}"

    def _word(self, table: str, code: str, language: Language) -> str | None:
        word = self.words.get(table, {}).get(code)
        return None if word is None else word[language]


def told_instant(instant: datetime, language: Language) -> str:
    """An instant as people say it, in Shanghai: the end of a day is its 24:00, not the next's 0:00.

    Seconds are left off, so that nobody is told a later time than was promised.
    """
    local = instant.astimezone(SHANGHAI)
    clock = f"{local:%H:%M}"
    if clock == "00:00":
        local -= timedelta(days=1)
        clock = "24:00"
    if language is Language.ZH:
        return f"{local.month}月{local.day}日{clock}"
    return f"{local.day} {_MONTHS[local.month - 1]} {clock}"


def _stretch(line: str | Line) -> _Stretch:
    text, when = (line.text, {line.when}) if isinstance(line, Line) else (line, set())
    pieces = _SLOT.split(text)
    parts = tuple((bool(index % 2), piece) for index, piece in enumerate(pieces) if piece)
    return _Stretch(frozenset(when | {piece for is_slot, piece in parts if is_slot}), parts)


def _wrong(line: str | Line, knows: Knows) -> Iterator[tuple[str, str]]:
    """What a line names that its notice does not know; a stray brace would be told as it is."""
    stretch = _stretch(line)
    for name in sorted(stretch.needs - knows.all):
        yield "unknown", f"this notice does not know `{name}`: {_near(name, knows.all)}"
    for is_slot, part in stretch.parts:
        if not is_slot and ("{" in part or "}" in part):
            yield (
                "unsound",
                f"{part.strip()[:40]!r} has a stray brace: a fact is named `{{receipt}}`",
            )


def _near(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"


def read_texts(policy: Mapping[str, Any]) -> Texts:
    """The templates of a policy file; raises ValueError naming what is wrong with them."""
    return Texts.model_validate(policy.get("content", policy))
