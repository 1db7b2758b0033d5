"""What notices say: templates in both languages, rendered purely to stretches clear and sealed."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from contracts.feedback_survey import NoticeFact
from contracts.values import ClearText, Language, SealedText, TextSegment

SHANGHAI = ZoneInfo("Asia/Shanghai")

FACTS = frozenset(
    {
        "receipt",
        "promises",
        "question",
        "until",
        "old_due",
        "new_due",
        "plan",
        "explanation",
        "decision",
        "compensation",
        "next_steps",
        "note",
        "reasons",
        "final",
        "amount",
        "action",
    }
)
"""Everything a template may name."""

PROMISE = "promise."
"""`promise.resolve`: facts of this prefix are promised times, told together as `promises`."""

TEMPLATES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "receipt": frozenset({"receipt"}),
        "question": frozenset({"receipt", "until"}),
        "delay": frozenset({"receipt", "new_due"}),
        "overdue_repair": frozenset({"receipt", "old_due"}),
        "answer": frozenset({"receipt", "explanation", "decision"}),
        "rejected": frozenset({"receipt"}),
        "survey": frozenset({"receipt"}),
        "reminder": frozenset({"receipt"}),
        "decision": frozenset({"receipt", "decision", "reasons"}),
        "declined": frozenset({"receipt"}),
        "compensation": frozenset({"receipt", "amount"}),
    }
)
"""Every template, and the facts it can count on: with these alone it must say something."""

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
        for name, counted_on in TEMPLATES.items():
            for language in Language:
                if language not in self.templates.get(name, {}):
                    raise ValueError(f"template {name} is missing in {language.value}")
                compiled = tuple(map(_compile, self.templates[name][language]))
                if not any(one.needs <= counted_on for one in compiled):
                    raise ValueError(f"template {name} ({language.value}) may come out empty")
                self._compiled[(name, language)] = compiled
        for table in self.words.values():
            for code, word in table.items():
                if set(word) != set(Language):
                    raise ValueError(f"the word for {code} is not told in every language")
        return self

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


def _compile(line: str | Line) -> _Stretch:
    text, when = (line.text, {line.when}) if isinstance(line, Line) else (line, set())
    pieces = _SLOT.split(text)
    parts = tuple((bool(index % 2), piece) for index, piece in enumerate(pieces) if piece)
    needs = frozenset(when | {piece for is_slot, piece in parts if is_slot})
    unknown = needs - FACTS
    if unknown:
        raise ValueError(f"no notice knows {', '.join(sorted(unknown))}")
    return _Stretch(needs, parts)


def read_texts(policy: Mapping[str, Any]) -> Texts:
    """The templates of a policy file; raises ValueError naming what is wrong with them."""
    return Texts.model_validate(policy.get("content", policy))
