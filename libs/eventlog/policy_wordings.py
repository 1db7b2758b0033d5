"""What a policy's reader says of a value, for who knows the rules and not the code.

All that pydantic has to say of a file is put into plain words here, in one place: what is wrong
with what was written, and what to write instead.
"""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

Names = Mapping[str, Mapping[str, tuple[str, str]]]
"""Sort of word -> code -> its Chinese and English name."""

PROVINCE = "province"
PROVINCES_IN = frozenset((PROVINCE, "provinces", "except_provinces"))
"""Where policies name provinces; their schemas know only a code's form."""

KNOWN_MAX = 12
"""How many known values are listed for a word that is none of them."""

_LISTS = frozenset(("tuple_type", "list_type", "set_type", "frozen_set_type"))
_TABLES = frozenset(("model_type", "dict_type", "mapping_type", "model_attributes_type"))
_AREA = re.compile(r"(省|市|(壮族|回族|维吾尔)?自治区)$")
_CODE = "^[A-Za-z0-9][A-Za-z0-9_.:@/+-]*$"


def unknown(place: str, said: Any, known: Iterable[str], names: Names) -> str:
    """What to write instead of a word that is none of those known."""
    codes = list(dict.fromkeys(known))
    called = _called(codes, names)
    text = str(said)
    meant = _as_said(text, codes, called)
    if meant:
        return f"unknown {place} {text!r}: write `{meant}`{_told(meant, called)}"
    if near := _near(text, codes, called):
        return f"unknown {place} {text!r}: did you mean {near}?{_told(near, called)}"
    more = " …; `bihuan policy words` lists all" if len(codes) > KNOWN_MAX else ""
    return f"unknown {place} {text!r}: known are {', '.join(codes[:KNOWN_MAX])}{more}"


def _called(codes: Iterable[str], names: Names) -> Mapping[str, tuple[str, str]]:
    """The names of these codes: of the sorts of word that are all among them."""
    among = frozenset(codes)
    found: dict[str, tuple[str, str]] = {}
    for sort in names.values():
        if among.issuperset(sort):
            found |= sort
    return found


def _as_said(text: str, codes: Iterable[str], called: Mapping[str, tuple[str, str]]) -> str | None:
    """The code that is written a little differently, or has this name in either language."""
    said = _plain(text)
    for code in codes:
        if said in {_plain(part) for one in (code, *called.get(code, ())) for part in _parts(one)}:
            return code
    return None


def _parts(name: str) -> tuple[str, ...]:
    """A name, and what it says in brackets and before them: `important (VIP)`."""
    return (name, *(part for part in re.split(r"[()]", name) if part.strip()))


def _near(text: str, codes: list[str], called: Mapping[str, tuple[str, str]]) -> str | None:
    if near := get_close_matches(text, codes, n=1):
        return near[0]
    by_name = {_plain(name): code for code, both in called.items() for name in both}
    close = get_close_matches(_plain(text), by_name, n=1, cutoff=0.75)
    return by_name[close[0]] if close else None


def _plain(word: str) -> str:
    """As one word whatever its case, blanks and hyphens; 青海省 is 青海."""
    return _AREA.sub("", re.sub(r"[\s_-]+", "-", word.strip()).casefold())


def _told(code: str, called: Mapping[str, tuple[str, str]]) -> str:
    return f" ({', '.join(called[code])})" if code in called else ""


def instead(error: ErrorDetails) -> str:
    """What to write, where a value has not the form it should have."""
    kind, said = error["type"], error["input"]
    if kind in _LISTS:
        wanted = f"[{said}]" if isinstance(said, str | int) else "[one, another]"
        return f"it is a list, so write `{wanted}`, or leave it out"
    if kind in _TABLES:
        return "it has parts of its own: write each as `name: value`, indented below it"
    if kind.startswith("int_"):
        return _whole(said)
    if kind.startswith("bool_"):
        return "write `true` or `false`"
    if kind.startswith("string_"):
        return _text(error)
    if kind.startswith("time_"):
        return f"write hours and minutes in quotes, {_hours(said)}"
    if kind.startswith(("date_", "datetime_")):
        return 'write a date in quotes, `"2026-12-31"`'
    if kind == "too_short":
        return "name at least one"
    return error["msg"].replace("Input should be", "it should be")


def _whole(said: Any) -> str:
    number = re.match(r"\s*(\d+)(?!\d*[.,]\d)", str(said))
    if number:
        return f"write the number alone, without its unit: `{number[1]}`"
    return "write a whole number in digits, like `24`"


def _text(error: ErrorDetails) -> str:
    said, told = error["input"], error.get("ctx", {})
    if error["type"] == "string_type":
        if isinstance(said, list) and len(said) == 1:
            return f"it is one word, so write `{said[0]}` without brackets"
        plain = isinstance(said, str | int | float)
        return f'write it as text, in quotes: `"{said}"`' if plain else "write a text"
    if error["type"] == "string_too_short":
        return "write something"
    if error["type"] == "string_too_long":
        return f"write {told.get('max_length')} characters or fewer"
    pattern = str(told.get("pattern"))
    if pattern == _CODE:
        return (
            "it is a code: write letters a-z, digits and _ . : @ / + - without blanks, "
            "like `front-desk`; people's words for it go into `names`"
        )
    if ":[0-5][0-9]" in pattern:
        return 'write opening hours in quotes, like `"09:00-18:00"`'
    return f"it should have the form {pattern}"


def _hours(said: Any) -> str:
    found = re.fullmatch(r"\s*(\d{1,2})[::.时点]?(\d{2})?分?\s*", str(said))
    if found and int(found[1]) < 24 and int(found[2] or 0) < 60:
        return f'`"{int(found[1]):02}:{int(found[2] or 0):02}"`'
    return 'like `"09:00"`'
