"""Every event is told in both languages, and nothing sealed is ever told."""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_core import from_json

from contracts.catalogue import DECODE
from services.audit.domain.policy import Words, compile_policy
from services.audit.domain.shape import SHOWN_FOR_SEALED, policies_in, shape_of, show

ROOT = Path(__file__).parents[3]
SAMPLES = {
    envelope["type"]: envelope
    for path in sorted((ROOT / "contracts" / "samples").glob("*.json"))
    if (envelope := from_json(path.read_bytes()))["type"] in DECODE
}
SEED = yaml.safe_load(
    (ROOT / "services" / "audit" / "policy" / "words.v1.yaml").read_text(encoding="utf-8")
)
WORDS: Words = compile_policy("words", SEED)


def changed(**events: Any) -> Mapping[str, Any]:
    content = deepcopy(SEED)
    content["events"] |= {name.replace("__", "."): wordings for name, wordings in events.items()}
    return content


def codes_of(kind: str) -> Iterator[tuple[str, str]]:
    """(field, code) of each closed list of codes that a wording of this event names a field of."""
    schema = DECODE[kind].model_json_schema()

    def flat(node: Any) -> Iterator[Any]:
        yield node
        if "$ref" in node:
            yield from flat(schema["$defs"][node["$ref"].rpartition("/")[2]])
        for inner in (*node.get("anyOf", ()), *([node["items"]] if "items" in node else ())):
            yield from flat(inner)

    def at(node: Any, path: str) -> Iterator[Any]:
        name, _, rest = path.partition(".")
        for one in flat(node):
            if name in one.get("properties", {}):
                inner = one["properties"][name]
                yield from at(inner, rest) if rest else flat(inner)

    for wording in SEED["events"][kind]:
        item = wording.get("item", {})
        inside = (
            [f"{wording['each']}.{path}" for path in re.findall(FIELD, str(item))] if item else []
        )
        for path in (*re.findall(FIELD, wording["zh"] + wording["en"]), *inside):
            for node in at(schema, path):
                for code in node.get("enum", ()):
                    yield path.rpartition(".")[2], code


FIELD = r"\{([a-z_][a-z0-9_.]*)\}"


@pytest.mark.parametrize("kind", sorted(SEED["events"]))
def test_every_code_of_a_closed_list_has_a_name_in_both_languages(kind: str) -> None:
    for field, code in codes_of(kind):
        said = WORDS.name(field, code)
        assert said.zh != code, (field, code)
        assert not re.search(r"[a-z]{3}", said.zh), (field, code, said.zh)


def test_every_event_of_the_contracts_has_words() -> None:
    assert DECODE.keys() == SEED["events"].keys()


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_a_sample_is_told_in_both_languages_without_gaps_or_sealed_words(kind: str) -> None:
    said = WORDS.say(kind, SAMPLES[kind]["data"])
    for sentence in (said.en, said.zh):
        assert not re.search(r"[{}]|v1\.[\w-]{8}", sentence)
    assert said.en.endswith(".")
    assert said.zh.endswith("。")
    assert re.search(r"[\u4e00-\u9fff]", said.zh)
    assert not re.search(r"[\u4e00-\u9fff]", said.en.replace("工信申", ""))  # a number's own


@pytest.mark.parametrize(
    ("kind", "data", "en", "zh"),
    [
        (
            "clock.breached.v1",
            {"purpose": "resolve", "due_at": "2025-10-10T16:00:00.000000Z", "retroactive": False},
            "Promise broken at 2025-10-11 00:00: resolve.",
            "投诉解决于 2025-10-11 00:00 超时。",
        ),
        (
            "complaint.contact_linked.v1",
            {
                "contact": {"kind": "urge", "channel": "wechat"},
                "urge_no": 3,
                "matched_by": "receipt",
            },
            "The customer urges by WeChat; 3 urge(s) stand. Found by its receipt number.",
            "用户通过微信催办,累计 3 次。依据:受理编号。",
        ),
        (
            "work.assigned.v1",
            {"agent": None, "team": "billing-gd-1", "accept_by": "2025-10-11T01:30:15.000000Z"},
            "Offered to team billing-gd-1, to be taken by 2025-10-11 09:30:15.",
            "派给班组 billing-gd-1,须在 2025-10-11 09:30:15 前接单。",
        ),
        (
            "clocks.started.v1",
            {
                "cause": "registered",
                "clocks": [
                    {"clock": "legal.repair.urban", "due": "2025-10-12T02:00:00.000000Z"},
                    {"clock": "legal.answer", "due": "2025-10-24T16:00:00.000000Z"},
                ],
            },
            "Clocks run (registered): legal repair until 2025-10-12 10:00, "
            "legal answer until 2025-10-25 00:00.",
            "开始计时(受理登记):法定修复至 2025-10-12 10:00、法定答复至 2025-10-25 00:00。",
        ),
    ],
)
def test_words_are_chosen_by_what_happened_and_times_are_shanghai_s(
    kind: str, data: Mapping[str, Any], en: str, zh: str
) -> None:
    said = WORDS.say(kind, data)
    assert (said.en, said.zh) == (en, zh)


def test_no_two_promises_are_told_by_the_same_name() -> None:
    path = ROOT / "services" / "sla_watch" / "policy" / "clocks.v1.yaml"
    clocks = yaml.safe_load(path.read_text(encoding="utf-8"))["clocks"]
    purposes: dict[tuple[str, str], set[str]] = {}
    for row in clocks:
        said = WORDS.say("clocks.paused.v1", {"clocks": [{"clock": row["code"]}]})
        purposes.setdefault((said.en, said.zh), set()).add(row["purpose"])
    assert {said: found for said, found in purposes.items() if len(found) > 1} == {}


def test_a_type_without_words_is_told_by_its_name() -> None:
    assert WORDS.say("moon.landed.v1", {}).en == "moon.landed.v1 was recorded."
    assert WORDS.say("clock.breached.v1", None).zh == "记录了事件 clock.breached.v1。"


@pytest.mark.parametrize(
    ("wording", "reason"),
    [
        ({"en": "{purpos}", "zh": "-"}, "no field purpos"),
        ({"en": "-", "zh": "-", "when": {"nothing": 1}}, "no field nothing"),
        ({"en": "{each}", "zh": "{each}"}, "needs `each`"),
    ],
)
def test_words_that_name_what_an_event_has_not_never_come_into_force(
    wording: Mapping[str, Any], reason: str
) -> None:
    last = {"en": "-", "zh": "-"}
    with pytest.raises(ValueError, match=reason):
        compile_policy("words", changed(clock__breached__v1=[wording, last]))


def test_a_sealed_field_cannot_be_told() -> None:
    told = [{"en": "{explanation}", "zh": "-"}]
    with pytest.raises(ValueError, match="explanation is sealed"):
        compile_policy("words", changed(work__answered__v1=told))
    inside = [{"en": "{registration}", "zh": "-"}]
    with pytest.raises(ValueError, match="registration is sealed"):
        compile_policy("words", changed(complaint__registered__v1=inside))


def test_the_last_wording_is_for_every_case() -> None:
    only = [{"en": "-", "zh": "-", "when": {"retroactive": True}}]
    with pytest.raises(ValueError, match="for every case"):
        compile_policy("words", changed(clock__breached__v1=only))


# -- what is shown --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_what_is_shown_of_a_sample_holds_no_sealed_token(kind: str) -> None:
    data = SAMPLES[kind]["data"]
    shown = show(kind, data)
    assert not any(re.match(r"v1\.[\w-]{20}", text) for text in texts(shown))
    # and nothing else is hidden or lost
    assert {text for text in texts(data) if not re.match(r"v1\.[\w-]{20}", text)} == (
        set(texts(shown)) - {SHOWN_FOR_SEALED}
    )


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


def test_a_notice_s_clear_stretches_stay_and_its_sealed_ones_do_not() -> None:
    text = [{"lit": "您的投诉"}, {"sealed": "v1.x"}]
    assert show("notice.issued.v1", {"text": text})["text"] == [
        {"lit": "您的投诉"},
        {"sealed": SHOWN_FOR_SEALED},
    ]


def test_nothing_is_shown_of_what_no_contract_describes() -> None:
    assert shape_of("moon.landed.v1") is None
    assert show("moon.landed.v1", {"words": "v1.x"}) is None


def test_the_policies_an_event_followed_are_named_once() -> None:
    clocks = {"policy": {"name": "clocks", "version": "2"}}
    data = {"clocks": [clocks, clocks], "policy": {"name": "routing", "version": "1"}}
    assert list(policies_in(data)) == [("clocks", "2"), ("routing", "1")]
    activated = SAMPLES["policy.activated.v1"]["data"]
    assert list(policies_in(activated)) == []
