"""The words of DOMAIN's first pages, taken from it by hand: each has a code and two names."""

import re
from collections.abc import Mapping
from datetime import time
from pathlib import Path

import pytest
import yaml

from contracts.categories import CATEGORY_NAMES, Category, Names
from contracts.messages import ChannelWords
from contracts.policy_words import NAMES, SORTS
from contracts.values import (
    CHANNELS,
    PROVINCES,
    ChannelKind,
    CustomerClass,
    DistrictType,
    Kind,
    Urgency,
    ValueTier,
)
from libs.web.access import load_access_table
from services.routing.domain.policy import Teams

ROOT = Path(__file__).parents[2]


def content_of(path: str) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    return found


WORDS = content_of("services/audit/policy/words.v1.yaml")["values"]
TEAMS = Teams.model_validate(content_of("services/routing/policy/teams.v1.yaml")["content"])
ROLES = load_access_table(ROOT / "infra" / "access.v1.yaml").about


def word(code: str) -> tuple[str, str]:
    """How the timeline calls a code, in Chinese and English."""
    assert isinstance(WORDS, dict)
    return WORDS[code]["zh"], WORDS[code]["en"]


# --- parties (DOMAIN, Who talks to us) ------------------------------------------------------------

STAFF = {
    "upstream channel": ("channel", "渠道接入"),
    "handling team": ("agent", "处理班组"),
    "customer-service manager": ("manager", "客服部经理"),
    "10015 escalation desk": ("desk", "10015升级专席(省)"),
    "10015 escalation desk of headquarters": ("headquarters", "10015升级专席(总部)"),
    "partner": ("partner", "合作方"),
    "auditor": ("auditor", "审计员"),
    "administrator": ("admin", "管理员"),
}
"""Who logs on: the role, and how its Chinese description begins."""

OUTSIDE = {
    "customer": ("by.customer", "用户", "the customer"),
    "representative": ("by.representative", "代理人", "a representative"),
    "regulator": ("reason.regulator", "监管部门", "the regulator"),
}
"""Who does not: how the timeline calls them."""


@pytest.mark.parametrize("party", STAFF)
def test_who_works_with_it_has_a_role_with_two_names(party: str) -> None:
    role, begins = STAFF[party]
    assert ROLES[role].zh.startswith(begins)
    assert re.search("[a-z]", ROLES[role].en)


@pytest.mark.parametrize("party", OUTSIDE)
def test_who_is_outside_has_two_names(party: str) -> None:
    code, zh, en = OUTSIDE[party]
    assert word(code) == (zh, en)


def test_there_is_no_other_role_but_our_own_services_and_who_answers_for_persons_data() -> None:
    assert set(ROLES) == {role for role, _ in STAFF.values()} | {"service", "privacy"}


# --- channels (DOMAIN, Hotlines; Other channels) --------------------------------------------------

CHANNELS_OF_DOMAIN = {
    "10010 main line": "hotline_10010",
    "10011 bills and recharge": "hotline_10011",
    "10012 recharge": "hotline_10012",
    "10015 escalated-complaint line": "hotline_10015",
    "10016 telephone business hall": "hotline_10016",
    "10018 customer club": "hotline_10018",
    "13010199999 roaming abroad": "hotline_roaming",
    "SMS": "sms",
    "colour messages": "colour_message",
    "WeChat": "wechat",
    "app": "app",
    "web site": "web",
    "online chat": "chat",
    "mobile payment": "mobile_payment",
    "online business hall": "online_hall",
    "mobile business hall": "mobile_hall",
    "physical business hall": "hall",
    "self-service terminals": "terminal",
    "cooperative and agency halls": "agency_hall",
    "account managers": "account_manager",
    "grid managers": "grid_manager",
    "fax": "fax",
    "letter": "letter",
    "e-mail": "email",
    "social media": "social",
    "complaint desk": "complaint_desk",
    "suggestion box": "suggestion_box",
    "partner ticket system": "partner",
}
OURS = {"regulator", "desk"}
"""Beside them: the regulator's referrals, and what a desk of ours enters."""


def test_every_channel_of_domain_has_a_code_and_no_other() -> None:
    assert {kind.value for kind in ChannelKind} == set(CHANNELS_OF_DOMAIN.values()) | OURS


def test_every_channel_has_two_names_of_its_own() -> None:
    two_names_each({kind.value: channel.names for kind, channel in CHANNELS.items()})
    assert set(CHANNELS) == set(ChannelKind)


# --- kinds, urgencies and customers (DOMAIN rules 3 and 4) ----------------------------------------

ENUMERATED = {
    Kind: {
        "complaint": ("投诉", "complaint"),
        "suggestion": ("建议", "suggestion"),
        "praise": ("表扬", "praise"),
        "consultation": ("咨询", "consultation"),
    },
    Urgency: {
        "urgent": ("紧急", "urgent"),
        "ordinary": ("普通", "ordinary"),
        "complex": ("复杂", "complex"),
    },
    CustomerClass: {
        "personal": ("个人", "personal"),
        "family": ("家庭", "family"),
        "enterprise": ("政企", "enterprise"),
    },
    ValueTier: {
        "important": ("重要", "important (VIP)"),
        "ordinary": ("普通", "ordinary"),
        "potential": ("潜在", "potential"),
        "lapsed": ("离网", "lapsed"),
    },
    DistrictType: {"urban": ("城区", "urban"), "rural": ("郊县", "rural")},
}
PREFIX = {ValueTier: "value_tier.", DistrictType: "district_type."}


@pytest.mark.parametrize("kind", ENUMERATED, ids=lambda kind: kind.__name__)
def test_every_kind_urgency_class_and_tier_has_two_names(kind: type) -> None:
    named = {code.value: word(PREFIX.get(kind, "") + code.value) for code in kind}
    assert named == ENUMERATED[kind]


@pytest.mark.parametrize(
    "sort", ["kind", "urgency", "customer_class", "value_tier", "district_type"]
)
def test_who_writes_a_policy_calls_them_as_the_timeline_does(sort: str) -> None:
    assert isinstance(WORDS, dict)
    called = {code: WORDS.get(f"{sort}.{code}", WORDS.get(code)) for code in NAMES[sort]}
    assert {code: names._asdict() for code, names in NAMES[sort].items()} == called


def test_every_word_that_a_policy_may_say_is_listed() -> None:
    kinds = (Kind, Urgency, CustomerClass, ValueTier, DistrictType, Category, ChannelKind)
    listed = [set(codes) for codes in NAMES.values()]
    assert all({one.value for one in kind} in listed for kind in kinds)
    assert set(NAMES) == set(SORTS)


# --- categories (DOMAIN rule 4) -------------------------------------------------------------------

CATEGORIES_OF_DOMAIN: dict[str, tuple[str | None, str, str]] = {
    "mobile": (None, "移动网络", "Mobile network"),
    "mobile.coverage": ("mobile", "网络覆盖", "Coverage"),
    "mobile.noncoverage": ("mobile", "非网络覆盖", "Non-coverage"),
    "mobile.noncoverage.call_quality": ("mobile.noncoverage", "通话质量", "Call quality"),
    "mobile.noncoverage.data_speed": ("mobile.noncoverage", "上网速度", "Data speed"),
    "mobile.noncoverage.sms": ("mobile.noncoverage", "短信收发", "SMS"),
    "broadband": (None, "宽带", "Broadband"),
    "broadband.fault": ("broadband", "宽带故障", "Broadband fault"),
    "broadband.install": ("broadband", "宽带装移机", "Broadband install or move"),
    "fixed_line": (None, "固定电话", "Fixed line"),
    "fixed_line.fault": ("fixed_line", "固话故障", "Fixed line fault"),
    "interconnection": (None, "互联互通", "Interconnection"),
    "billing": (None, "费用争议", "Billing dispute"),
    "billing.overcharge": ("billing", "多收费", "Overcharge"),
    "billing.unknown_deduction": ("billing", "不明扣费", "Unknown deduction"),
    "billing.arrears": ("billing", "欠费争议", "Arrears"),
    "roaming": (None, "漫游", "Roaming"),
    "roaming.domestic": ("roaming", "国内漫游", "Domestic roaming"),
    "roaming.international": ("roaming", "国际漫游", "International roaming"),
    "roaming.international.emergency": (
        "roaming.international",
        "境外紧急求助",
        "Emergency abroad",
    ),
    "value_added": (None, "增值业务", "Value-added service"),
    "value_added.cancel_one": ("value_added", "退订单项增值业务", "Cancel one service"),
    "value_added.cancel_all": ("value_added", "退订全部增值业务", "Cancel all services"),
    "product": (None, "产品与资费", "Product or tariff"),
    "service": (None, "服务", "Service"),
    "service.attitude": ("service", "服务态度", "Service attitude"),
    "service.quality": ("service", "服务质量", "Service quality"),
    "privacy": (None, "隐私与骚扰", "Privacy and harassment"),
    "privacy.harassment": ("privacy", "骚扰信息", "Harassment"),
    "account": (None, "号码与合约", "Number and contract"),
    "account.number": ("account", "号码", "Number"),
    "account.contract": ("account", "合约", "Contract"),
    "unclassified": (None, "未分类", "Unclassified"),
}


def test_every_category_has_a_code_a_parent_and_two_names() -> None:
    found = {one.value: (one.parent and one.parent.value, *CATEGORY_NAMES[one]) for one in Category}
    assert found == CATEGORIES_OF_DOMAIN
    two_names_each({one.value: CATEGORY_NAMES[one] for one in Category})


# --- halls, provinces, and whom it concerns -------------------------------------------------------


def test_halls_keep_the_hours_of_their_region() -> None:
    """DOMAIN: "opening hours differ by region: a third kind of service calendar"."""
    halls = {
        team.team: (team.province, hours.opens, hours.closes)
        for team in TEAMS.teams
        if team.team.startswith("hall-") and (hours := TEAMS.calendars[str(team.calendar)])
    }
    assert halls == {
        "hall-kashgar": ("xinjiang", time(10), time(19)),
        "hall-guangzhou": ("guangdong", time(9), time(18)),
    }


def test_the_31_provinces_have_two_names() -> None:
    assert len(PROVINCES) == 31
    two_names_each(PROVINCES)


def test_a_message_can_say_who_is_concerned_and_for_whom_it_speaks() -> None:
    """DOMAIN rules 3, 5 and 6: a representative, another operator's customer, whom it is about."""
    told = ChannelWords.model_validate(
        {
            "kind": "words",
            "channel": "hall",
            "text": "……",
            "representative": True,
            "other_operator": True,
            "about": {"team": "T", "agent": "8812"},
            "taken_by": {"agent": "8201", "team": "hall-kashgar"},
            "home_province": "guangdong",
            "visited_province": "xinjiang",
        }
    )
    assert told.about is not None
    assert (told.about.agent, told.representative, told.other_operator) == ("8812", True, True)


def two_names_each(names: Mapping[str, Names]) -> None:
    """A Chinese and an English name, and no two things called alike."""
    found = list(names.values())
    for one in found:
        assert re.search(r"[\u4e00-\u9fff]", one.zh)
        assert re.fullmatch(r"[A-Za-z0-9 ,'-]+", one.en)
    assert len({one.zh for one in found}) == len({one.en for one in found}) == len(found)


# --- terms (DOMAIN, Terms) ------------------------------------------------------------------------

TERMS = {
    "audit/policy/words.v1.yaml": (
        *("投诉", "受理编号", "工单", "首问责任人", "催办", "改派分类", "转派", "挂起", "处理意见"),
        *("升级", "回访", "满意度", "补偿", "申诉", "留存保全", "整改"),
    ),
    "feedback_survey/policy/texts.v1.yaml": ("受理编号", "申诉"),
    "sla_watch/policy/clocks.v1.yaml": ("异地", "满意度", "申诉"),
    "sla_watch/api.py": ("工作日",),
}
"""Where people read each: timelines, what customers are told, clocks, and what a route answers."""


def test_every_term_of_domain_is_a_word_that_people_read() -> None:
    for path, terms in TERMS.items():
        text = (ROOT / "services" / path).read_text(encoding="utf-8")
        assert [term for term in terms if term not in text] == [], path
    calendar = (ROOT / "cli" / "versions.py").read_text(encoding="utf-8")
    assert "调休上班" in calendar
    assert len({term for terms in TERMS.values() for term in terms} | {"调休上班日"}) == 19
