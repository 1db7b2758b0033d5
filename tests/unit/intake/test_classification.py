"""Category and urgency from customers' words; what no rule can place is never guessed (rule 4)."""

import pytest

from contracts.values import Category, Language, Urgency
from services.intake.domain.classification import Placement, classify, language_of
from services.intake.domain.policy import KeywordsPolicy
from tests.unit.intake.world import SEEDS, TOLD

RULES = SEEDS.in_force("keywords", TOLD).compiled
assert isinstance(RULES, KeywordsPolicy)

ZH = [
    ("家里宽带断网三天了，报修没人来", "broadband.fault", "zh-broadband-fault"),
    ("新装的宽带约了两次都没人来装，一直没开通", "broadband.install", "zh-broadband-install"),
    ("上个月莫名其妙扣了我28块钱", "billing.unknown_deduction", "zh-billing-unknown"),
    ("同一笔月租重复扣费，要求退钱", "billing.overcharge", "zh-billing-overcharge"),
    ("我早就缴清了，为什么还说我欠费停机", "billing.arrears", "zh-billing-arrears"),
    ("话费查询不清楚", "billing", "zh-billing"),
    ("地下车库没信号，打不了", "mobile.coverage", "zh-coverage"),
    ("最近通话断断续续的", "mobile.noncoverage.call_quality", "zh-call-quality"),
    ("5G网速慢得没法看视频", "mobile.noncoverage.data_speed", "zh-data-speed"),
    ("银行的验证码收不到，收不到验证码急死人", "mobile.noncoverage.sms", "zh-sms"),
    ("去日本开了国际漫游，流量贵得离谱", "roaming.international", "zh-roaming-international"),
    (
        "人在国外被困，护照丢了",
        "roaming.international.emergency",
        "zh-emergency-abroad",
    ),
    ("请帮我退订彩铃", "value_added.cancel_one", "zh-value-added-cancel-one"),
    ("请取消我名下所有增值业务", "value_added.cancel_all", "zh-value-added-cancel-all"),
    ("套餐和宣传的不一样", "product", "zh-product"),
    ("营业员态度恶劣，爱理不理", "service.attitude", "zh-attitude"),
    ("打了五次电话都在踢皮球", "service.quality", "zh-service-quality"),
    ("天天接到骚扰电话", "privacy.harassment", "zh-harassment"),
    ("怀疑你们泄露了我的个人信息", "privacy", "zh-privacy"),
    ("办理携号转网被拒绝", "account.number", "zh-number"),
    ("合约期还没到就想换机", "account.contract", "zh-contract"),
    ("座机没声音了", "fixed_line.fault", "zh-fixed-line-fault"),
    ("跨网通话接不通", "interconnection", "zh-interconnection"),
]

EN = [
    ("My internet has been down since Monday", "broadband.fault", "en-broadband-fault"),
    ("Nobody came to install the broadband", "broadband.install", "en-broadband-install"),
    ("I was overcharged again this month!", "billing.overcharge", "en-billing-overcharge"),
    ("unauthorized charges on my account", "billing.unknown_deduction", "en-billing-unknown"),
    ("You sent me to a collection agency", "billing.arrears", "en-billing-arrears"),
    ("question about my BILL", "billing", "en-billing"),
    ("No signal in the whole valley", "mobile.coverage", "en-coverage"),
    ("dropped calls every day", "mobile.noncoverage.call_quality", "en-call-quality"),
    ("4G is so slow it's useless", "mobile.noncoverage.data_speed", "en-data-speed"),
    ("Text messages not arriving", "mobile.noncoverage.sms", "en-sms"),
    ("the data cap is a scam", "product", "en-product"),
    ("your agent was rude and hung up on me", "service.attitude", "en-attitude"),
    ("I am on hold for hours, no call back", "service.quality", "en-service-quality"),
    ("please stop the telemarketers, this is harassment", "privacy.harassment", "en-harassment"),
    ("my landline has no dial tone", "fixed_line.fault", "en-fixed-line-fault"),
    ("locked into a contract I never signed", "account.contract", "en-contract"),
    ("I can't port my number to another operator", "account.number", "en-number"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "category", "rule"), ZH)
def test_chinese_words_are_placed_and_the_rule_is_named(
    text: str, category: str, rule: str
) -> None:
    placed = classify(text, Language.ZH, RULES)
    assert (placed.category.value, placed.rule) == (category, rule)


@pytest.mark.parametrize(("text", "category", "rule"), EN)
def test_english_words_are_placed_and_the_rule_is_named(
    text: str, category: str, rule: str
) -> None:
    placed = classify(text, Language.EN, RULES)
    assert (placed.category.value, placed.rule) == (category, rule)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", Language.ZH),
        ("你好", Language.ZH),
        ("我要投诉", Language.ZH),
        ("😡😡😡", Language.ZH),
        ("hello", Language.EN),
        ("This is unacceptable.", Language.EN),
        ("地下室没信号，营业员态度恶劣", Language.ZH),  # two subjects that have nothing in common
        ("No signal here, and your agent was rude", Language.EN),
    ],
)
def test_what_no_rule_is_sure_of_is_unclassified(text: str, language: Language) -> None:
    assert classify(text, language, RULES) == Placement(Category.UNCLASSIFIED, Urgency.ORDINARY)


def test_two_rules_of_one_subject_agree_on_the_subject() -> None:
    placed = classify("重复扣费，还有不明扣费", Language.ZH, RULES)
    assert placed.category is Category.BILLING
    assert placed.rule == "zh-billing-unknown+zh-billing-overcharge"


def test_a_phrase_that_says_it_outright_beats_a_hint() -> None:
    assert classify("宽带费用多收费了", Language.ZH, RULES).category is Category.BILLING_OVERCHARGE


@pytest.mark.parametrize(
    ("text", "language", "urgency", "rule"),
    [
        ("紧急！全小区断网", Language.ZH, Urgency.URGENT, "zh-urgent"),
        ("电线掉落在路上，有生命危险", Language.ZH, Urgency.URGENT, "zh-urgent-safety"),
        ("已经多次投诉了，准备起诉", Language.ZH, Urgency.COMPLEX, "zh-complex"),
        ("This is urgent, please call", Language.EN, Urgency.URGENT, "en-urgent"),
        ("my lawyer will contact you", Language.EN, Urgency.COMPLEX, "en-complex"),
        ("话费不对", Language.ZH, Urgency.ORDINARY, None),
    ],
)
def test_urgency_from_words(
    text: str, language: Language, urgency: Urgency, rule: str | None
) -> None:
    placed = classify(text, language, RULES)
    assert (placed.urgency, placed.urgency_rule) == (urgency, rule)


def test_english_words_are_whole_words() -> None:
    assert classify("the billiards table", Language.EN, RULES).rule is None
    assert classify("BILL: wrong", Language.EN, RULES).rule == "en-billing"


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    far = "嗯" * RULES.reads_characters_max + "宽带断网"
    assert classify(far, Language.ZH, RULES).rule is None


def test_every_language_has_rules_for_the_main_subjects() -> None:
    for language in Language:
        placed = {str(one.value).split(".")[0] for one in RULES.by_language[language]}
        assert placed >= {
            "mobile", "broadband", "fixed_line", "interconnection", "billing", "roaming",
            "value_added", "product", "service", "privacy", "account",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("我的 WiFi 坏了", Language.ZH),
        ("no internet", Language.EN),
        ("12345", Language.ZH),
        ("", Language.ZH),
    ],
)
def test_the_language_of_a_text_that_came_without_one(text: str, language: Language) -> None:
    assert language_of(text) is language
