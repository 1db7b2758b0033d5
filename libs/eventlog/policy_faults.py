"""What is wrong with a policy, in plain words: each fault, its place and what to do about it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from libs.decider.policy import Fault, Unsound
from libs.eventlog.policy_wordings import PROVINCE, PROVINCES_IN, Names, instead, unknown

LANGUAGES = {"zh": "Chinese", "en": "English"}
Together = Callable[[str, Mapping[str, Any], Mapping[str, Mapping[str, Any]]], Sequence[Fault]]
"""(name, content, others): the faults of a policy beside the others that will count with it."""

Compile = Callable[[str, Mapping[str, Any]], Any]
Vet = Callable[[str, Mapping[str, Any]], Sequence[Fault]]


def faults_of(
    name: str,
    content: Mapping[str, Any],
    compile_policy: Compile,
    vet: Vet,
    names: Names = MappingProxyType({}),
) -> list[Fault]:
    """Everything wrong with this content; what cannot be read at all is not looked at further.

    `names`: what people call the words that policies are written in, for who writes them so.
    """
    places = list(_unknown_provinces(content, names))
    try:
        compile_policy(name, content)
    except ValidationError as error:
        below = ("content",) if "content" in content else ()
        found = [
            fault
            for one in _told_once(error.errors(include_url=False))
            for fault in _faults(one, content, below, names)
        ]
        named = {one.where for one in places}
        return [*places, *(one for one in found if one.where not in named)]
    except Unsound as error:
        return [*places, *(replace(one, where=_known(one.where, content)) for one in error.faults)]
    except ValueError as error:
        return [*places, Fault("unsound", (), str(error))]
    return [*places, *one_language_only(content), *vet(name, content)]


def _unknown_provinces(
    content: Any, names: Names, where: tuple[str | int, ...] = ()
) -> Iterator[Fault]:
    """Every province named anywhere that is none of ours: its rule would hold for nobody."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _unknown_provinces(value, names, (*where, str(key)))
    elif isinstance(content, list | tuple):
        for number, value in enumerate(content):
            yield from _unknown_provinces(value, names, (*where, number))
    elif isinstance(content, str) and (known := names.get(PROVINCE)) and content not in known:
        named_by = next((one for one in reversed(where) if isinstance(one, str)), "")
        if named_by in PROVINCES_IN:
            yield Fault("unknown", where, unknown(PROVINCE, content, known, names))


def _told_once(errors: Sequence[ErrorDetails]) -> Sequence[ErrorDetails]:
    """A word that may be of this sort or of that is unknown once, not once for each.

    Nor is a list too short because of the entries in it that are wrong.
    """
    found: dict[object, ErrorDetails] = {}
    inside = {one["loc"][:depth] for one in errors for depth in range(len(one["loc"]))}
    for number, one in enumerate(errors):
        if one["type"] == "too_short" and one["loc"] in inside:
            continue  # what is in it is wrong, and therefore was not counted
        place = tuple(step for step in one["loc"] if not str(step).startswith("str-enum["))
        key: object = place if one["type"] == "enum" and place != one["loc"] else number
        if key in found:
            expected = f"{found[key]['ctx']['expected']}, {one['ctx']['expected']}"
            found[key] = {**found[key], "ctx": {"expected": expected}}
        else:
            found[key] = {**one, "loc": place}
    return list(found.values())


def one_language_only(content: Any, where: tuple[str | int, ...] = ()) -> Iterator[Fault]:
    """Whatever is said in one language and not in the other."""
    if isinstance(content, Mapping):
        if set(content) & set(LANGUAGES):
            for code, language in LANGUAGES.items():
                if not content.get(code):
                    problem = f"the {language} is missing: write it in `{code}`"
                    yield Fault("missing", (*where, code), problem)
        for key, value in content.items():
            yield from one_language_only(value, (*where, str(key)))
    elif isinstance(content, list | tuple):
        for number, value in enumerate(content):
            yield from one_language_only(value, (*where, number))


def _faults(
    error: ErrorDetails, content: Any, below: tuple[str, ...], names: Names
) -> Sequence[Fault]:
    """A reader that found out more names every place itself."""
    told = error.get("ctx", {}).get("error")
    if not isinstance(told, Unsound):
        return [_fault(error, content, below, names)]
    at = (*below, *(step for step in error["loc"] if isinstance(step, str | int)))
    return [replace(one, where=_known((*at, *one.where), content)) for one in told.faults]


def _fault(error: ErrorDetails, content: Any, below: tuple[str, ...], names: Names) -> Fault:
    where = tuple(step for step in error["loc"] if isinstance(step, str | int))
    if below and not (where and where[0] in content):
        where = (*below, *where)
    where = _known(where, content)
    name = f"`{error['loc'][-1]}`" if error["loc"] else "the policy"
    match error["type"]:
        case "enum" | "literal_error":
            return Fault("unknown", where, _unknown(error, names))
        case "missing":
            language = LANGUAGES.get(str(error["loc"][-1]))
            wanted = (
                f"the {language} is missing: write it in {name}"
                if language
                else (f"{name} is missing: add it")
            )
            return Fault("missing", where, wanted)
        case "extra_forbidden":
            return Fault("unknown", where, f"nobody knows {name}: {_spelling(error, content)}")
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            problem = error["msg"].replace("Input should be", "it must be")
            return Fault("limit", where, f"{name} is {_short(error['input'])}; {problem}")
        case "value_error" | "assertion_error":
            problem = error["msg"].removeprefix("Value error, ")
            one = isinstance(error["input"], str | int | float)
            said = f"{name} is {_short(error['input'])}; {problem}" if one else problem
            return Fault("unsound", where, said)
        case _:
            said = _short(error["input"])
            return Fault("unsound", where, f"{name} is {said}; {instead(error)}")


def _known(where: tuple[str | int, ...], content: Any) -> tuple[str | int, ...]:
    """The path as far as the content goes, and one step more where that step is missing."""
    at, reached = content, []
    for step in where:
        reached.append(step)
        try:
            at = at[step]
        except (KeyError, IndexError, TypeError):
            break
    return tuple(reached)


def _unknown(error: ErrorDetails, names: Names) -> str:
    expected = str(error.get("ctx", {}).get("expected", ""))
    known = [one.strip(" '\"") for one in expected.replace(" or ", ", ").split(",")]
    named = (one for one in reversed(error["loc"]) if isinstance(one, str) and one != "[key]")
    steps = [one for one in named if one != error["input"]]
    place = steps[0] if steps else "value"
    return unknown(place, error["input"], known, names)


def _spelling(error: ErrorDetails, content: Any) -> str:
    """What is written elsewhere in the file and looks like it, but for provinces' own words."""
    said = str(error["loc"][-1])
    known = sorted((_keys(content) | PROVINCES_IN) - {said})
    near = get_close_matches(said, known, n=1, cutoff=0.75)
    if near:
        return f"did you mean `{near[0]}`? else take it out"
    return "take it out or spell it right"


def _keys(content: Any) -> set[str]:
    if isinstance(content, Mapping):
        return {str(key) for key in content}.union(*map(_keys, content.values()))
    return set().union(*map(_keys, content)) if isinstance(content, list | tuple) else set()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
