"""The shared words: exact money, opaque seals, categories that know their parents."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.categories import CATEGORY_NAMES, Category
from contracts.values import (
    CHANNELS,
    PROVINCES,
    ChannelKind,
    ClearText,
    Correspondent,
    Money,
    Plain,
    Profile,
    Province,
    ReplyTo,
    Sealed,
    SealedText,
    TextSegment,
)

MONEY: TypeAdapter[Decimal] = TypeAdapter(Money)
SEALED: TypeAdapter[str] = TypeAdapter(Sealed)


@pytest.mark.parametrize(
    ("told", "exact", "wire"),
    [
        ("373.00", "373.00", b'"373.00"'),
        ("0.1", "0.10", b'"0.10"'),
        ("0", "0.00", b'"0.00"'),
        ("9999999999.99", "9999999999.99", b'"9999999999.99"'),
        (Decimal("11.35"), "11.35", b'"11.35"'),
        (Decimal("5E+3"), "5000.00", b'"5000.00"'),
    ],
)
def test_money_is_an_exact_decimal_with_two_places(told: Any, exact: str, wire: bytes) -> None:
    amount = MONEY.validate_python(told)
    assert isinstance(amount, Decimal)
    assert str(amount) == exact
    assert MONEY.dump_json(amount) == wire


@pytest.mark.parametrize(
    "told",
    [
        *("186.505", "-1", "+1", "1e3", "NaN", "Infinity", "", " 1", "01", ".5", "1.", "１"),
        *(1, 1.5, True, None, "99999999999"),
        *map(Decimal, ("0.001", "-1", "NaN", "Infinity")),
    ],
)
def test_what_is_no_exact_amount_is_refused(told: Any) -> None:
    """SCENARIOS S5: "186.505", "-1", "1e3", NaN -> 422; no float anywhere."""
    with pytest.raises(ValidationError):
        MONEY.validate_python(told)


@pytest.mark.parametrize("plain", ["18600000000 张三", "多扣了钱", "with blanks", "", "a\nb"])
def test_plain_words_do_not_pass_for_sealed_ones(plain: str) -> None:
    with pytest.raises(ValidationError):
        SEALED.validate_python(plain)


def test_a_piece_of_a_notice_is_clear_or_sealed_and_says_which() -> None:
    segment: TypeAdapter[TextSegment] = TypeAdapter(TextSegment)
    assert segment.validate_json('{"lit":"您好"}') == ClearText(lit="您好")
    assert segment.validate_json('{"sealed":"v1.abc"}') == SealedText(sealed="v1.abc")
    with pytest.raises(ValidationError):
        segment.validate_json('{"lit":"a","sealed":"b"}')


def test_a_category_knows_its_parent_and_its_kin() -> None:
    quality = Category.MOBILE_NONCOVERAGE_CALL_QUALITY
    assert quality.parent is Category.MOBILE_NONCOVERAGE
    assert Category.MOBILE.parent is None
    assert quality.within(Category.MOBILE)
    assert quality.within(quality)
    assert not Category.MOBILE.within(quality)
    assert not Category.MOBILE_COVERAGE.within(Category.MOBILE_NONCOVERAGE)
    assert not Category.UNCLASSIFIED.within(Category.MOBILE)


def test_every_category_has_two_names_and_a_parent_that_exists() -> None:
    assert set(CATEGORY_NAMES) == set(Category)
    assert len({names.zh for names in CATEGORY_NAMES.values()}) == len(Category)
    assert len({names.en for names in CATEGORY_NAMES.values()}) == len(Category)
    for category in Category:
        assert category.parent is None or category.parent in Category


def test_every_channel_has_two_names() -> None:
    assert set(CHANNELS) == set(ChannelKind)
    assert all(channel.names.zh and channel.names.en for channel in CHANNELS.values())


def test_the_operators_31_provinces_have_codes_that_fit() -> None:
    province: TypeAdapter[str] = TypeAdapter(Province)
    assert len(PROVINCES) == 31
    for code in PROVINCES:
        assert province.validate_python(code) == code
    assert province.validate_python("new-jersey") == "new-jersey"


def profile(**parts: Any) -> Profile:
    told = {"kind": "complaint", "category": "mobile", "urgency": "ordinary", "channel": "app"}
    return Profile.model_validate(told | parts)


def test_a_complaint_is_handled_where_its_cause_lies() -> None:
    """DOMAIN rule 5."""
    away = profile(home_province="guangdong", visited_province="xinjiang")
    assert away.cross_region
    assert away.handling_province == "xinjiang"
    home = profile(home_province="guangdong")
    assert not home.cross_region
    assert home.handling_province == "guangdong"
    assert profile().handling_province is None


def test_only_who_left_an_address_can_be_reached() -> None:
    person = UUID("0c9a6a3e-3f39-4f0b-8f0e-6a1d0f6f2b77")
    nowhere = Correspondent(receipt="8KQ4-71TN-5", person=person)
    assert not nowhere.reachable
    hall = nowhere.model_copy(update={"reply_to": ReplyTo(kind=ChannelKind.HALL)})
    assert not hall.reachable
    sms = ReplyTo(kind=ChannelKind.SMS, address="v1.abc")
    assert nowhere.model_copy(update={"reply_to": sms}).reachable


def test_a_systems_sentence_is_one_short_line() -> None:
    plain: TypeAdapter[str] = TypeAdapter(Plain)
    assert plain.validate_python("放行:1.4 版认识它") == "放行:1.4 版认识它"
    for wrong in ("a" * 501, "two\nlines"):
        with pytest.raises(ValidationError):
            plain.validate_python(wrong)
