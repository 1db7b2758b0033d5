"""`bihuan policy check` and `diff`: each bad file with its line and what to do."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from cli.main import app
from cli.policy_check import check
from libs.eventlog.policy_files import BYTES_MAX, read_policy_file

SERVICES = Path(__file__).parents[3] / "services"
SEEDS = sorted(SERVICES.glob("*/policy/*.yaml"))
CLOCKS = SERVICES / "sla_watch/policy/clocks.v1.yaml"
WORKING_DAYS = SERVICES / "sla_watch/policy/working_days.v1.yaml"
ESCALATION = SERVICES / "escalation/policy/escalation.v1.yaml"
TEXTS = SERVICES / "feedback_survey/policy/texts.v1.yaml"
KEYWORDS = SERVICES / "intake/policy/keywords.v1.yaml"
ROUTING = SERVICES / "routing/policy/routing.v1.yaml"
ACCESS = SERVICES.parent / "infra/access.v1.yaml"
TEAMS = SERVICES / "routing/policy/teams.v1.yaml"
FEEDBACK = SERVICES / "feedback_survey/policy/feedback.v1.yaml"
CONTACTS = SERVICES / "intake/policy/contacts.v1.yaml"
REOPENING = SERVICES / "intake/policy/reopening.v1.yaml"
VERIFICATION = SERVICES / "intake/policy/verification.v1.yaml"
WORDS = SERVICES / "audit/policy/words.v1.yaml"
RETENTION = SERVICES / "audit/policy/retention.v1.yaml"

NEXT = {
    'version: "1"': 'version: "2"',
    "version: v1": "version: v2",
    "from: 2004-01-01": "from: 2026-12-07",
    '"2004-01-01"': '"2026-12-07"',
}
QINGHAI = """
  - code: repair.broadband.rural.qinghai
    purpose: repair
    title: {zh: 宽带修障(青海郊县), en: "Broadband repair, rural Qinghai"}
    limit: 30 hours
    promised: 100/100
    counts_in: 7x24
    when:
      - upon: [registered, reopened_rework]
        kinds: [complaint]
        categories: [broadband.fault]
        districts: [rural]
        provinces: [qinghai]
    met_by: [answered, final_response]
    once_per: cycle
    pausable: true
    source: CFG
"""
ELSEWHERE = "districts: [rural]\n        except_provinces: [qinghai]\n    met_by"


def bihuan(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["policy", *map(str, words)])


def changed(seed: Path, folder: Path, *changes: tuple[str, str], name: str = "new.yaml") -> Path:
    """A next version of a policy that came with us, with these words replaced, each once."""
    text = seed.read_text(encoding="utf-8")
    for old, new in (*NEXT.items(), *changes):
        text = text.replace(old, new, 1)
    for _, new in changes:
        assert new in text, f"{new!r} did not come about"
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def line_of(path: Path, words: str) -> int:
    """The line, from 1, on which these words stand."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if words in line)


def for_qinghai(folder: Path) -> Path:
    return changed(
        CLOCKS,
        folder,
        ("districts: [rural]\n    met_by", ELSEWHERE),
        ("\n  - code: install.broadband", f"{QINGHAI}\n  - code: install.broadband"),
    )


BAD: list[tuple[str, Path, tuple[str, str], str, str, str]] = [
    # what is bad, the policy, (words, bad words), its kind, words on its line, what to do
    (
        *("an unknown category", CLOCKS, ("[broadband.install]", "[broadband.instal]")),
        *("unknown", "[broadband.instal]", "did you mean broadband.install?"),
    ),
    (
        *("days that may be fewer than six months", RETENTION, ("{years: 2}", "{days: 183}")),
        *("floor", "{days: 183}", "say at least 184 days"),
    ),
    (
        *("an unknown category of a word", KEYWORDS, ("category: value_added,", "category: adds,")),
        *("unknown", "category: adds", "known are"),
    ),
    (
        *("an unknown province", CLOCKS, ("[rural]", "[rural]\n        provinces: [quinghai]")),
        *("unknown", "quinghai", "did you mean qinghai?"),
    ),
    (
        *(
            "a word nobody knows",
            CLOCKS,
            ("once_per: cycle", "once_per: cycle\n    grace: 1 hours"),
        ),
        *("unknown", "grace:", "take it out or spell it right"),
    ),
    (
        *("a negative limit", CLOCKS, ("limit: 24 hours", "limit: -24 hours")),
        *("limit", "limit: -24 hours", "greater than or equal to 1"),
    ),
    (
        *("nothing refunded", ROUTING, ("overcharge_times: 2", "overcharge_times: 0")),
        *("limit", "overcharge_times: 0", "greater than or equal to 1"),
    ),
    (
        *("nobody above", ESCALATION, ("headquarters, limit: null", 'headquarters, limit: "9.00"')),
        *("gap", 'limit: "9.00"', "nobody could approve"),
    ),
    (
        *("a tier without a desk", ESCALATION, ('    "4": [headquarters]\n', "")),
        *("gap", "desks:", "name the roles"),
    ),
    (
        *("a negative amount", ESCALATION, ('limit: "200.00"', 'limit: "-200.00"')),
        *("unsound", 'limit: "-200.00"', "`limit` is '-200.00'"),
    ),
    (
        *("no wait at all", ROUTING, ("accept_within_min: 30", "accept_within_min: -30")),
        *("limit", "accept_within_min: -30", "greater than or equal to 1"),
    ),
    (
        *("no English", CLOCKS, (", en: Legal answer}", "}")),
        *("missing", "title: {zh: 法定答复}", "the English is missing"),
    ),
    (
        *("no Chinese", CLOCKS, ("{zh: 法定答复, ", "{")),
        *("missing", "title: {en: Legal answer}", "the Chinese is missing"),
    ),
    (
        *("an empty word", TEXTS, ("en: first contact}", 'en: ""}')),
        *("missing", 'en: ""}', "the English is missing"),
    ),
    (
        "a template in one language",
        TEXTS,
        ("    reminder:\n      zh:", "    reminder:\n      xx:"),
        *("unknown", "xx:", "known are zh, en"),
    ),
    (
        "a fact that this notice never has",
        TEXTS,
        ("补偿已批准:{amount}元", "补偿已批准:{amont}元"),
        *("unknown", "{amont}", "did you mean amount?"),
    ),
    (
        *("a brace too many", TEXTS, ("关于受理编号{receipt},", "关于受理编号{{receipt}},")),
        *("unsound", "{{receipt}}", "stray brace"),
    ),
    (
        *("a template nobody uses", TEXTS, ("    reminder:", "    remainder:")),
        *("unknown", "remainder:", "did you mean reminder?"),
    ),
    (
        *("a gap", CLOCKS, ("[broadband.install]", "[interconnection]")),
        *("gap", "clocks:", "add a row for it, or widen one"),
    ),
    (
        *("a gap in the priorities", ROUTING, ("urgency: {urgent: 300, ", "urgency: {")),
        *("gap", "urgency: {", "says nothing of"),
    ),
    (
        *("an overlap", CLOCKS, ("[broadband.install]", "[broadband]")),
        *("overlap", "code: install", "promise the same thing twice"),
    ),
    (
        "an overlap: the province is not taken out of the row for all",
        CLOCKS,
        ("\n  - code: install.broadband", f"{QINGHAI}\n  - code: install.broadband"),
        *("overlap", "code: repair.broadband.rural.qinghai", "except_provinces"),
    ),
    (
        *(
            "the same key twice",
            CLOCKS,
            ("limit: 72 hours", "limit: 72 hours\n    limit: 99 hours"),
        ),
        *("overlap", "limit: 99 hours", "written twice: keep one"),
    ),
    (
        *("no YAML", CLOCKS, ("limit: 72 hours", "limit: [72 hours")),
        *("unreadable", "promised: 100/100", "it is not YAML"),
    ),
    (
        *("another policy's name", CLOCKS, ("name: clocks", "name: clock")),
        *("unknown", "name: clock", "unknown policy 'clock'"),
    ),
    (
        *("a date that is none", CLOCKS, ('"2026-12-07"', '"2026-02-30"')),
        *("unsound", "effective_from:", "is no instant"),
    ),
    (
        *("less than the law: days", CLOCKS, ("limit: 15 days", "limit: 16 days")),
        *("floor", "limit: 16 days", "promise 15 days or less"),
    ),
    (
        *(
            "less than the law: repair",
            CLOCKS,
            (
                "limit: 48 hours\n    promised: 100/100\n    "
                "counts_in: 7x24\n    when:\n      - upon: [registered]",
                "limit: 49 hours\n    promised: "
                "100/100\n    counts_in: 7x24\n    when:\n      - upon: [registered]",
            ),
        ),
        *("floor", "limit: 49 hours", "promise 48 hours or less"),
    ),
    (
        *("a repair promise later than the law", CLOCKS, ("limit: 36 hours", "limit: 73 hours")),
        *("floor", "limit: 73 hours", "promise 72 hours or less"),
    ),
]

OF_EVERY_POLICY: list[tuple[str, Path, tuple[str, str], str, str, str]] = [
    (
        *("routing, an unknown category", ROUTING, ("categories: [billing]", "categories: [bill]")),
        *("unknown", "categories: [bill]", "did you mean billing?"),
    ),
    (
        *("routing, an unknown queue", ROUTING, ("queue: roaming}", "queue: roming}")),
        *("unknown", "queue: roming}", "did you mean roaming?"),
    ),
    (
        *("routing, a gap: nobody for a cause", ROUTING, ("    billing: billing\n", "")),
        *("gap", "responsible:", "says nothing of"),
    ),
    (
        *("routing, a gap: a queue forgotten", ROUTING, ("queue: privacy}", "queue: product}")),
        *("gap", "{code: privacy, names", "add a rule for it"),
    ),
    (
        *("routing, an overlap: never reached", ROUTING, (", district_types: [rural]", "")),
        *("overlap", "{code: broadband, when", "put the narrower first"),
    ),
    (
        *(
            "routing, an overlap: one name twice",
            ROUTING,
            ("{code: roaming, when", "{code: billing, when"),
        ),
        *("overlap", "categories: [roaming]}", "named twice"),
    ),
    (
        *("routing, a negative amount", ROUTING, ("urge: 50", "urge: -50")),
        *("limit", "urge: -50", "greater than or equal to 0"),
    ),
    (
        *("routing, no English", ROUTING, (", en: Billing}", "}")),
        *("missing", "费用争议}", "the English is missing"),
    ),
    (
        *("teams, unknown hours", TEAMS, ("calendar: hall-kashgar", "calendar: hall-kashga")),
        *("unknown", "calendar: hall-kashga", "known are hall-guangzhou"),
    ),
    (
        *("teams, an overlap: a seat twice", TEAMS, ('agent: "8002",', 'agent:  "8001",')),
        *("overlap", 'agent:  "8001"', "named twice"),
    ),
    (
        *("teams, hours that end before they begin", TEAMS, ('closes: "19:00"', 'closes: "09:00"')),
        *("overlap", 'closes: "09:00"', "write the later time"),
    ),
    (
        *("teams, a negative capacity", TEAMS, ("capacity: 40}", "capacity: -1}")),
        *("limit", "capacity: -1}", "greater than or equal to 0"),
    ),
    (
        *("teams, no Chinese", TEAMS, ("{zh: 10010首问受理台, en", "{en")),
        *("missing", "{en: 10010 front desk}", "the Chinese is missing"),
    ),
    (
        *("escalation, a trigger nobody knows", ESCALATION, ("    media: 2", "    medium: 2")),
        *("unknown", "medium: 2", "media"),
    ),
    (
        *("escalation, a gap: a trigger without a tier", ESCALATION, ("    media: 2\n", "")),
        *("gap", "tiers:", "tiers says nothing about media"),
    ),
    (
        *(
            "escalation, a gap: nobody to pass to",
            ESCALATION,
            ('passes_up:\n    "2": 3', "passes_up: {}"),
        ),
        *("gap", "breach: 2", "add `2` to `passes_up`"),
    ),
    (
        *("escalation, an overlap: limits", ESCALATION, ('"5000.00"', '"100.00"')),
        *("overlap", "authorities:", "put the lowest first"),
    ),
    (
        *("escalation, the regulator elsewhere", ESCALATION, ("regulator: 4", "regulator: 3")),
        *("unsound", "regulator: 3", "tier 4 is the regulator's referral"),
    ),
    (
        *("feedback, nobody satisfied", FEEDBACK, ("up_to: 5", "up_to: 10")),
        *("limit", "up_to: 10", "write less than 10"),
    ),
    (
        *(
            "feedback, an overlap of reminder and end",
            FEEDBACK,
            ("after_hours: 72", "after_hours: 24"),
        ),
        *("overlap", "remind_after_hours: 24", "let it come earlier"),
    ),
    (
        *("feedback, a negative limit", FEEDBACK, ("after_hours: 72", "after_hours: -72")),
        *("limit", "ends_after_hours: -72", "greater than or equal to 1"),
    ),
    (
        *("contacts, a negative window", CONTACTS, ("window_days: 7", "window_days: -7")),
        *("limit", "window_days: -7", "greater than or equal to 0"),
    ),
    (
        *(
            "keywords, words in one language only",
            KEYWORDS,
            ("category: interconnection,", "category: product,"),
        ),
        *("missing", "en-interconnection", "add a rule with `language: zh`"),
    ),
    (
        *("keywords, an overlap: one id twice", KEYWORDS, ("id: en-roaming,", "id: zh-roaming,")),
        *("overlap", "says: [[roaming]]", "give this one another"),
    ),
    (
        *("verification, a gap at the end", VERIFICATION, ("when: {}", "when: {anonymous: false}")),
        *("gap", "id: known-customer", "add one with `when: {}`"),
    ),
    (
        *(
            "verification, an overlap",
            VERIFICATION,
            ("{representative: true}", "{anonymous: true}"),
        ),
        *("overlap", "id: anonymous", "take it out, or put it above"),
    ),
    (
        *(
            "verification, an unknown category",
            VERIFICATION,
            ("{anonymous: true}", "{categories: [bill]}"),
        ),
        *("unknown", "categories: [bill]", "did you mean billing?"),
    ),
    (
        *(
            "reopening, a gap",
            REOPENING,
            ("triggers: [wish, regulator, media]", "triggers: [wish, media]"),
        ),
        *("gap", "triggers_when_withdrawn: [regulator]", "add it there"),
    ),
    (
        *("reopening, a negative limit", REOPENING, ("within_days: 30", "within_days: -30")),
        *("limit", "within_days: -30", "greater than or equal to 0"),
    ),
    (
        *("roles, an unknown action", ACCESS, ("    - routing.accept\n", "    - routing.acept\n")),
        *("unknown", "- routing.acept", "did you mean routing.accept?"),
    ),
    (
        *("roles, a gap: nobody may", ACCESS, ("    - vault.erase\n", "")),
        *("gap", "roles:", "nobody may do vault.erase"),
    ),
    (
        *(
            "roles, an overlap: twice",
            ACCESS,
            ("    - vault.erase\n", '    - vault.erase\n    - "vault.erase"\n'),
        ),
        *("overlap", '- "vault.erase"', "keep one of them"),
    ),
    (
        *("words, an unknown field", WORDS, ("by policy: {checked}", "by policy: {chekced}")),
        *("unknown", "{chekced}", "has no field chekced"),
    ),
    (
        *("words, no English", WORDS, ("{en: complaint, zh: 投诉}", "{zh: 投诉}")),
        *("missing", "complaint: {zh: 投诉}", "the English is missing"),
    ),
]
"""The other policies: each with what DOMAIN's and issue 4's "Bad input" names, where it can be."""

IN_OTHER_WORDS: list[tuple[str, Path, tuple[str, str], str, str, str]] = [
    (
        *(
            "a province misspelt in routing",
            ROUTING,
            ("district_types: [rural]", "provinces: [qinhai]"),
        ),
        *("unknown", "[qinhai]", "did you mean qinghai? (青海, Qinghai)"),
    ),
    (
        *("a province misspelt in teams", TEAMS, ("province: xinjiang", "province: xingjiang")),
        *("unknown", "province: xingjiang", "did you mean xinjiang?"),
    ),
    (
        *("a province that is none", TEAMS, ("province: xinjiang", "province: atlantis")),
        *("unknown", "province: atlantis", "`bihuan policy words` lists all"),
    ),
    (
        *("a province in capitals", CLOCKS, ("[rural]", "[rural]\n        provinces: [Qinghai]")),
        *("unknown", "[Qinghai]", "write `qinghai` (青海, Qinghai)"),
    ),
    (
        *("a province in Chinese", CLOCKS, ("[rural]", "[rural]\n        provinces: [青海省]")),
        *("unknown", "[青海省]", "write `qinghai` (青海, Qinghai)"),
    ),
    (
        *("a province with a blank", TEAMS, ("province: xinjiang", "province: Inner Mongolia")),
        *("unknown", "Inner Mongolia", "write `inner-mongolia` (内蒙古, Inner Mongolia)"),
    ),
    (
        *("a category in Chinese", CLOCKS, ("[broadband.install]", "[宽带装移机]")),
        *("unknown", "[宽带装移机]", "write `broadband.install`"),
    ),
    (
        *(
            "a category by its English name",
            ROUTING,
            ("[roaming.international.emergency]", "[Emergency abroad]"),
        ),
        *("unknown", "[Emergency abroad]", "write `roaming.international.emergency` (境外紧急求助"),
    ),
    (
        *("a channel in Chinese", VERIFICATION, ("{anonymous: true}", "{channels: [微信]}")),
        *("unknown", "channels: [微信]", "write `wechat` (微信, WeChat)"),
    ),
    (
        *("a channel misspelt", VERIFICATION, ("{anonymous: true}", "{channels: [wechta]}")),
        *("unknown", "channels: [wechta]", "did you mean wechat?"),
    ),
    (
        *("a class misspelt", ROUTING, ("[enterprise]", "[entreprise]")),
        *("unknown", "[entreprise]", "did you mean enterprise? (政企"),
    ),
    (
        *("a district in Chinese", CLOCKS, ("districts: [rural]", "districts: [郊县]")),
        *("unknown", "districts: [郊县]", "write `rural` (郊县, rural)"),
    ),
    (
        *("a limit without a unit", CLOCKS, ("limit: 36 hours", "limit: 30")),
        *("unsound", "limit: 30", "write `30 minutes`, `30 hours` or `30 days`"),
    ),
    (
        *("a limit in short", CLOCKS, ("limit: 36 hours", "limit: 30h")),
        *("unsound", "limit: 30h", "write `30 hours`"),
    ),
    (
        *("a limit in Chinese", CLOCKS, ("limit: 36 hours", "limit: 30小时")),
        *("unsound", "limit: 30小时", "write `30 hours`"),
    ),
    (
        *("working days in Chinese", CLOCKS, ("limit: 5 days", "limit: 3个工作日")),
        *("unsound", "limit: 3个工作日", "write `3 days`"),
    ),
    (
        *("a limit of half an hour more", CLOCKS, ("limit: 36 hours", "limit: 30.5 hours")),
        *("unsound", "limit: 30.5 hours", "write `1830 minutes`"),
    ),
    (
        *(
            "a word for a way of counting",
            CLOCKS,
            ("counts_in: working_days", "counts_in: working days"),
        ),
        *("unknown", "counts_in: working days", "did you mean working_days?"),
    ),
    (
        *("a share in per cent", CLOCKS, ("promised: 98/100", "promised: 98%")),
        *("unsound", "promised: 98%", "write `98/100`"),
    ),
    (
        *("hours in working days", CLOCKS, ("limit: 5 days", "limit: 30 hours")),
        *("unsound", "limit: 30 hours", "write its limit in days, like `5 days`"),
    ),
    (
        *(
            "a key misspelt",
            CLOCKS,
            ("districts: [rural]", "districts: [rural]\n        province: [qinghai]"),
        ),
        *("unknown", "province: [qinghai]", "did you mean `provinces`?"),
    ),
    (
        *("a class by another name", FEEDBACK, ("value_tiers: [important]", "value_tiers: [VIP]")),
        *("unknown", "value_tiers: [VIP]", "write `important` (重要, important (VIP))"),
    ),
    (
        *("a key in Chinese", ROUTING, ("urgency: {urgent: 300", "urgency: {紧急: 300")),
        *("unknown", "紧急: 300", "unknown urgency '紧急': write `urgent`"),
    ),
    (
        *("a list for one word", TEAMS, ("province: xinjiang", "province: [xinjiang]")),
        *("unsound", "province: [xinjiang]", "write `xinjiang` without brackets"),
    ),
    (
        *("a tab", CLOCKS, ("    limit: 36 hours", "\tlimit: 36 hours")),
        *("unreadable", "limit: 36 hours", "there is a tab here: write blanks"),
    ),
    (
        *("a limit that says nothing", CLOCKS, ("limit: 36 hours", "limit: soon")),
        *("unsound", "limit: soon", "like `30 hours`"),
    ),
    (
        *("one word for a list", CLOCKS, ("districts: [rural]", "districts: rural")),
        *("unsound", "districts: rural", "it is a list, so write `[rural]`"),
    ),
    (
        *("a number with its unit", FEEDBACK, ("ends_after_hours: 72", "ends_after_hours: 72h")),
        *("unsound", "ends_after_hours: 72h", "without its unit: `72`"),
    ),
    (
        *("an hour without its nought", TEAMS, ('opens: "09:00"', 'opens: "9:00"')),
        *("unsound", 'opens: "9:00"', 'write hours and minutes in quotes, `"09:00"`'),
    ),
    (
        *("a code in Chinese", ROUTING, ("{code: privacy, names", "{code: 隐私, names")),
        *("unsound", "{code: 隐私, names", "people's words for it go into `names`"),
    ),
    (
        *("neither yes nor no", ROUTING, ("about_staff: true", "about_staff: perhaps")),
        *("unsound", "about_staff: perhaps", "write `true` or `false`"),
    ),
    (
        *(
            "a condition that is no table",
            ROUTING,
            ("when: {about_staff: true}", "when: about_staff"),
        ),
        *("unsound", "when: about_staff", "write each as `name: value`"),
    ),
    (
        *("two clocks of one title", CLOCKS, ("zh: 宽带修障(郊县)", "zh: 宽带修障(城区)")),
        *("overlap", "Broadband repair, rural", "has the title of repair.broadband.urban"),
    ),
    (
        *(
            "two clocks of one title in English",
            CLOCKS,
            ('"Broadband repair, rural"', '"broadband repair,  urban"'),
        ),
        *("overlap", "broadband repair,  urban", "has the title of repair.broadband.urban"),
    ),
    (
        "a clock whose conditions exclude each other",
        CLOCKS,
        (
            "categories: [broadband.install]",
            "categories: [broadband.install]\n        except_categories: [broadband]",
        ),
        *("gap", "code: install.broadband", "no complaint ever starts install.broadband"),
    ),
    (
        "an urgency below one that finds all its words",
        KEYWORDS,
        (
            "[[多次投诉, 反复投诉, ",
            "[[全小区断网, 请立即处理]]}\n  - {id: zh-more, language: zh, "
            "urgency: complex,\n     says: [[多次投诉, 反复投诉, ",
        ),
        *("overlap", "id: zh-complex", "zh-complex never decides"),
    ),
    (
        "a category of low rank whose words a higher one finds",
        KEYWORDS,
        (
            "categories:\n",
            "categories:\n  - {id: zh-vain, language: zh, rank: 1, category: product, "
            "says: [[退订全部增值业务]]}\n",
        ),
        *("overlap", "id: zh-vain", "goes before it, so zh-vain never decides"),
    ),
    (
        "a family above one of its own",
        ROUTING,
        (
            "categories: [broadband, fixed_line], district_types: [rural]}",
            "categories: [mobile.coverage, interconnection]}",
        ),
        *("overlap", "{code: broadband-rural, when", "mobile-network above it holds whenever"),
    ),
    (
        "a narrower rule of verification below a wider one",
        VERIFICATION,
        ("{anonymous: true}", "{representative: true, kinds: [complaint]}"),
        *("overlap", "id: anonymous", "take it out, or put it above"),
    ),
]
"""What somebody writes who knows the rules of the telecom, and neither the codes nor Python."""

OF_PROGRAMMERS = ("tuple", "instance of", "dictionary", "None", "parse", "Input should", "pattern")
"""What a reader written in Python would say of a value."""

BAD += OF_EVERY_POLICY
BAD += IN_OTHER_WORDS


@pytest.mark.parametrize(
    ("seed", "change", "kind", "words", "todo"),
    [one[1:] for one in BAD],
    ids=[one[0] for one in BAD],
)
def test_a_bad_policy_is_told_with_file_line_and_what_to_do(
    tmp_path: Path, seed: Path, change: tuple[str, str], kind: str, words: str, todo: str
) -> None:
    path = changed(seed, tmp_path, change)
    ran = bihuan("check", path, "--json")
    assert ran.exit_code == 1, ran.output
    faults = [one for one in json.loads(ran.stdout)["faults"] if one["kind"] == kind]
    assert faults, ran.stdout
    place = line_of(path, words)
    if (kind, words) == ("unreadable", "promised: 100/100"):
        place = line_of(path, "limit: [72") + 1
    told = [one for one in faults if one["line"] == place and todo in one["problem"]]
    assert told, (place, faults)
    assert told[0]["file"] == str(path)
    inside = [word for word in OF_PROGRAMMERS for one in faults if word in one["problem"]]
    assert not inside, faults


@pytest.mark.parametrize("seed", SEEDS, ids=[one.stem for one in SEEDS])
def test_what_came_with_us_is_sound_and_fits_its_schema(seed: Path) -> None:
    """Every policy file has a schema beside it, and an editor that knows it agrees with `check`."""
    assert bihuan("check", seed).exit_code == 0
    content = read_policy_file(seed).content
    schema = json.loads(seed.with_name(f"{seed.name.split('.')[0]}.schema.json").read_text("utf-8"))
    whole = set(schema["properties"]) >= {"name", "version"}
    told: Any = dict(content) if whole else content["content"]
    jsonschema.validate(told, schema)


def province(folder: Path, own: str, *changes: tuple[str, str]) -> Path:
    """The country side of Qinghai by a row of its own, with these words of it replaced."""
    for old, new in changes:
        assert old in own
        own = own.replace(old, new)
    return changed(
        CLOCKS,
        folder,
        ("districts: [rural]\n    met_by", ELSEWHERE),
        ("\n  - code: install.broadband", f"{own}\n  - code: install.broadband"),
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("limit: 30 hours", "limit: 40 hours", "limit: 40 hours"),
        ("100/100", "99/100", "limit: 30 hours"),
        ("[answered, final_response]", "[contacted, answered, final_response]", "limit: 30 hours"),
        (
            "limit: 30 hours\n    promised: 100/100\n    counts_in: 7x24",
            "limit: 20 hours\n    promised: 100/100\n    counts_in: hours:desk_10015",
            "limit: 20 hours",
        ),
    ],
    ids=["a longer limit", "a smaller share", "met by less", "counted in another way"],
)
def test_no_province_is_promised_less_than_the_rest_of_the_country(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    """DOMAIN rule 5: "National standards apply everywhere alike"."""
    path = province(tmp_path, QINGHAI, (old, new))
    ran = bihuan("check", path, "--json")
    (fault,) = [one for one in json.loads(ran.stdout)["faults"] if one["kind"] == "national"]
    assert fault["line"] == line_of(path, words)
    assert "qinghai is promised" in fault["problem"]
    assert "promise it 36 hours or less" in fault["problem"]


def test_a_province_is_promised_no_fewer_things_either(tmp_path: Path) -> None:
    """A mobile complaint has a reply and a solution promised; without the reply it has no gap."""
    change = (
        "categories: [mobile]",
        "categories: [mobile]\n        except_provinces: [qinghai]",
    )
    path = changed(CLOCKS, tmp_path, change)
    faults = json.loads(bihuan("check", path, "--json").stdout)["faults"]
    told = [one for one in faults if one["kind"] == "national"]
    assert [one["line"] for one in told] == [line_of(path, "code: reply.mobile")]
    assert "qinghai has no reply clock" in told[0]["problem"]


@pytest.mark.parametrize("upon", ["forwarded", "case_requested"])
def test_a_partners_and_a_cases_clock_are_alike_too(tmp_path: Path, upon: str) -> None:
    text = CLOCKS.read_text("utf-8")
    row = next(one for one in text.split("\n  - code: ")[1:] if f"upon: [{upon}]" in one)
    code = row.split("\n", 1)[0]
    start = f"upon: [{upon}]"
    less = row.replace(start, f"{start}\n        except_provinces: [qinghai]", 1)
    path = changed(CLOCKS, tmp_path, (row, less))
    faults = json.loads(bihuan("check", path, "--json").stdout)["faults"]
    told = [one for one in faults if one["kind"] == "national"]
    assert line_of(path, f"- code: {code}") in {one["line"] for one in told}


def test_a_sound_next_version_has_no_fault(tmp_path: Path) -> None:
    ran = bihuan("check", for_qinghai(tmp_path))
    assert (ran.exit_code, ran.stderr) == (0, "")


def test_versions_never_share_a_name_nor_an_instant(tmp_path: Path) -> None:
    taken = changed(CLOCKS, tmp_path, ("limit: 36 hours", "limit: 35 hours"), name="a.yaml")
    text = taken.read_text("utf-8")
    taken.write_text(text.replace('version: "2"', 'version: "1"'), "utf-8")
    ran = bihuan("check", taken)
    assert "a version never changes, name a new one" in ran.stderr
    one = changed(CLOCKS, tmp_path, ("limit: 36 hours", "limit: 35 hours"), name="b.yaml")
    other = changed(CLOCKS, tmp_path, ('version: "2"', 'version: "3"'), name="c.yaml")
    assert bihuan("check", one).exit_code == bihuan("check", other).exit_code == 0
    both = bihuan("check", one, other)
    assert f"{other}:{line_of(other, 'effective_from')}: overlap 重复或重叠: " in both.stderr
    old = changed(CLOCKS, tmp_path, ('"2026-12-07"', '"2003-12-31"'), name="d.yaml")
    assert "choose a later instant" in bihuan("check", old).stderr


def test_a_calendar_year_without_a_holiday_is_a_gap(tmp_path: Path) -> None:
    """DOMAIN, counting 12: never a guess. A year nobody filled in is no year of working days."""
    path = changed(WORKING_DAYS, tmp_path, ('last: "2026-12-31"', 'last: "2027-12-31"'))
    ran = bihuan("check", path)
    assert ran.exit_code == 1
    assert "2027 has no holiday at all" in ran.stderr


REFERENCES = b"a: &a0 [1]\n" + b"".join(
    b"b%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 9)
)
"""Nine lines that stand for 43 million things."""


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "it holds no policy"),
        (b"- a list", "it holds no policy"),
        (b"name: clocks\n\xff\xfe", "it is not UTF-8"),
        (b"name: " + b"x" * BYTES_MAX, "it is larger than"),
        (b"name: clocks\nversion: '2'", "`effective_from` is missing"),
        (b"? [a, b]\n: 1", "found unhashable key"),
        (b"[" * 3000, "cannot be read"),
        (REFERENCES, "write them out"),
        (b"a: &a [*a]", "write them out"),
    ],
    ids=["empty", "list", "bytes", "large", "head", "odd key", "deep", "references", "of itself"],
)
def test_what_is_no_policy_at_all_is_told_too(tmp_path: Path, raw: bytes, problem: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(raw)
    ran = bihuan("check", path)
    assert ran.exit_code == 1, ran.output
    assert problem in ran.stderr


def test_a_file_that_is_not_there_is_a_wrong_use(tmp_path: Path) -> None:
    assert bihuan("check", tmp_path / "none.yaml").exit_code == 2
    assert bihuan("diff", "clocks", tmp_path / "none.yaml").exit_code == 2


def test_a_diff_tells_entries_by_their_code_not_their_place(tmp_path: Path) -> None:
    ran = bihuan("diff", "clocks", for_qinghai(tmp_path), "--json")
    told = json.loads(ran.stdout)
    found = {one["where"]: (one["was"], one["becomes"]) for one in told["differences"]}
    assert set(found) == {
        "version",
        "effective_from",
        "clocks[repair.broadband.rural].when[1].except_provinces",
        "clocks[repair.broadband.rural.qinghai]",
    }
    assert found["version"] == ("1", "2")
    row = yaml.safe_load(QINGHAI)[0]
    assert found["clocks[repair.broadband.rural.qinghai]"] == (None, row)
    assert (told["from"]["version"], told["to"]["version"]) == ("1", "2")
    lines = bihuan("diff", "clocks", for_qinghai(tmp_path)).stdout.splitlines()
    excepted = "+ clocks[repair.broadband.rural].when[1].except_provinces: [qinghai]"
    assert excepted in lines, "as the file says it, and nothing else of the row"
    new = lines.index("+ clocks[repair.broadband.rural.qinghai]:")
    row_told = [line.strip(" -") for line in lines[new + 1 :]]
    assert {"limit: 30 hours", "provinces: [qinghai]", "source: CFG"} <= set(row_told), lines
    assert bihuan("diff", "clocks", CLOCKS).stdout.startswith("no difference")
    assert bihuan("diff", "clocks", ESCALATION).exit_code == 2


def test_roles_are_checked_and_compared_like_any_policy(tmp_path: Path) -> None:
    """DOMAIN rule 13: "who may do what is a table of roles and actions, in data"."""
    assert bihuan("check", ACCESS).exit_code == 0
    more = changed(
        ACCESS, tmp_path, ("  partner:\n    - ", "  partner:\n    - intake.status\n    - ")
    )
    assert bihuan("check", more).exit_code == 0, bihuan("check", more).stderr
    found = json.loads(bihuan("diff", "access", more, "--json").stdout)["differences"]
    assert [one["where"] for one in found] == ["version", "effective_from", "roles.partner"]


def test_a_queue_that_no_team_takes_from_is_told_beside_the_teams(tmp_path: Path) -> None:
    """Issue 4: policies as data; a queue nobody takes from would let complaints wait for ever."""
    table = changed(
        ROUTING,
        tmp_path,
        (
            "    - {code: english, ",
            "    - {code: quantum, names: {zh: 量子, en: Quantum}}\n    - {code: english, ",
        ),
        (
            "    - {code: english-speaker, ",
            "    - {code: quantum, when: {kinds: [praise]}, queue: quantum}\n"
            "    - {code: english-speaker, ",
        ),
        name="routing.yaml",
    )
    alone = bihuan("check", table)
    assert alone.exit_code == 1
    line = line_of(table, "{code: quantum, names")
    assert f"{table}:{line}: gap" in alone.stderr
    assert "no team takes from the queue quantum" in alone.stderr
    more = ("queues: [front-desk, english]", "queues: [front-desk, english, quantum]")
    teams = changed(TEAMS, tmp_path, more, name="teams.yaml")
    assert bihuan("check", teams).exit_code == 0, "first the team, then its queue"
    for files in ((table, teams), (teams, table)):
        assert bihuan("check", *files).exit_code == 0, bihuan("check", *files).stderr
    fewer = changed(TEAMS, tmp_path, ("queues: [emergency, roaming]", "queues: [roaming]"))
    said = bihuan("check", fewer)
    assert (said.exit_code, "the queue emergency" in said.stderr) == (1, True)


def test_a_skill_that_no_seat_has_is_told_beside_the_teams(tmp_path: Path) -> None:
    """Its rule would find nobody for ever, whoever is at work."""
    table = changed(ROUTING, tmp_path, ("skills: [rural]", "skills: [rurl]"))
    said = bihuan("check", table).stderr
    assert f"{table}:{line_of(table, 'skills: [rurl]')}: unknown" in said
    assert "no seat that takes from broadband has the skill rurl: did you mean rural?" in said
    elsewhere = ("queue: billing, skills: [billing]", "queue: billing, skills: [rural]")
    known = changed(ROUTING, tmp_path, elsewhere)
    assert "no seat that takes from billing has the skill rural" in bihuan("check", known).stderr


def test_a_clock_that_escalation_goes_by_is_one_that_there_is(tmp_path: Path) -> None:
    named = ("    clocks: []", "    clocks: [reply.mobil]")
    path = changed(ESCALATION, tmp_path, named, name="escalation.yaml")
    said = bihuan("check", path).stderr
    assert f"{path}:{line_of(path, 'clocks: [reply.mobil]')}: unknown" in said
    assert "the unknown clock 'reply.mobil': did you mean reply.mobile?" in said
    right = ("    clocks: []", "    clocks: [reply.mobile]")
    path = changed(ESCALATION, tmp_path, right, name="escalation.yaml")
    assert bihuan("check", path).exit_code == 0
    other = changed(CLOCKS, tmp_path, ("code: reply.mobile", "code: reply.cellular"))
    assert "the unknown clock 'reply.mobile'" in bihuan("check", path, other).stderr


def test_the_desk_of_a_tier_is_a_role_that_there_is(tmp_path: Path) -> None:
    odd = changed(ESCALATION, tmp_path, ('"2": [desk]', '"2": [dusk]'), name="escalation.yaml")
    said = bihuan("check", odd)
    assert said.exit_code == 1
    assert f"{odd}:{line_of(odd, '[dusk]')}: unknown" in said.stderr
    assert "the role dusk's" in said.stderr
    roles = changed(
        ACCESS,
        tmp_path,
        ("\nroles:\n", "\nroles:\n  dusk: [escalation.read]\n"),
        ("\nabout:\n", "\nabout:\n  dusk: {zh: 晚班, en: the late desk}\n"),
        name="access.yaml",
    )
    for files in ((odd, roles), (roles, odd)):
        assert bihuan("check", *files).exit_code == 0, bihuan("check", *files).stderr


@given(order=st.permutations(range(4)))
@settings(max_examples=12, deadline=None)
def test_the_order_of_the_files_does_not_matter_to_what_is_told(order: list[int]) -> None:
    """Issue 4: "the order of policy files does not matter"."""
    files = [read_policy_file(one) for one in (ROUTING, TEAMS, ESCALATION, ACCESS)]
    next_ones = [
        replace(one, content={**one.content, "version": "9", "effective_from": "2026-12-07"})
        for one in files
    ]
    teams = dict(next_ones[1].content["content"])
    teams["teams"] = [one for one in teams["teams"] if one["team"] != "abroad"]
    next_ones[1] = replace(next_ones[1], content={**next_ones[1].content, "content": teams})
    roles = {**next_ones[3].content["roles"]}
    roles["dusk"] = roles.pop("desk")
    about = {**next_ones[3].content["about"]}
    about["dusk"] = about.pop("desk")
    odd = {**next_ones[3].content, "roles": roles, "about": about}
    next_ones[3] = replace(next_ones[3], content=odd)
    told = sorted((Path(one.file).name, one.kind) for one in check([next_ones[n] for n in order]))
    assert told == [
        ("access.v1.yaml", "unknown"),
        ("escalation.v1.yaml", "unknown"),
        *[("routing.v1.yaml", "gap")] * 2,
        *[("teams.v1.yaml", "gap")] * 2,
    ]


def test_a_list_is_not_too_short_because_of_a_wrong_word_in_it(tmp_path: Path) -> None:
    path = changed(CLOCKS, tmp_path, ("districts: [rural]", "districts: [rural, 城区]"))
    told = json.loads(bihuan("check", path, "--json").stdout)["faults"]
    assert [one["problem"] for one in told] == [
        "unknown districts '城区': write `urban` (城区, urban)"
    ]


def test_hours_that_nobody_put_in_quotes_are_hours(tmp_path: Path) -> None:
    """YAML 1.1 would read 19:00 as 1140, and the hall would close at 00:19."""
    path = changed(
        TEAMS, tmp_path, ('{opens: "10:00", closes: "19:00"}', "{opens: 10:00, closes: 19:00}")
    )
    assert bihuan("check", path).exit_code == 0, bihuan("check", path).stderr
    hours = read_policy_file(path).content["content"]["calendars"]["hall-kashgar"]
    assert hours == {"opens": "10:00", "closes": "19:00"}


def test_every_word_of_a_policy_can_be_looked_up() -> None:
    """31 provinces and 33 categories among them, each with both names."""
    told = json.loads(bihuan("words", "--json").stdout)["words"]
    counted = Counter(one["sort"] for one in told)
    assert (counted["province"], counted["category"]) == (31, 33)
    assert all(one["zh"] and one["en"] for one in told)
    assert {"sort": "province", "code": "qinghai", "zh": "青海", "en": "Qinghai"} in told
    shown = bihuan("words", "category").stdout
    assert "宽带故障" in shown
    assert "青海" not in shown
    assert bihuan("words", "planet").exit_code == 2
