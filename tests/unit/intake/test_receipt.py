"""A receipt number survives being spoken, typed and mistyped (DOMAIN rule 2)."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain.receipt import (
    ATTEMPTS_MAX,
    ReceiptMistyped,
    ReceiptsExhausted,
    ReceiptUnreadable,
    damm,
    free_receipt,
    read_receipt,
    receipt_of,
)

ids = st.uuids()
WRONG = (ReceiptMistyped, ReceiptUnreadable)


def test_damms_own_published_example() -> None:
    assert damm("572") == 4
    assert damm("5724") == 0


def test_the_quasigroup_is_a_latin_square_with_zeros_on_its_diagonal() -> None:
    for row in range(10):
        prefix = next(f"{n}" for n in range(1000) if damm(f"{n}") == row)
        assert sorted(damm(f"{prefix}{digit}") for digit in range(10)) == list(range(10))
        assert damm(f"{prefix}{row}") == 0


@given(ids)
def test_a_receipt_reads_back_as_itself(complaint: UUID) -> None:
    receipt = receipt_of(complaint)
    assert read_receipt(receipt) == receipt
    assert len(receipt) == 14
    assert receipt[0] != "0"


@given(ids)
def test_the_same_complaint_gets_the_same_number_again(complaint: UUID) -> None:
    assert receipt_of(complaint) == receipt_of(UUID(str(complaint)))


@given(ids, st.integers(0, 11), st.integers(1, 9))
def test_every_single_wrong_digit_is_found(complaint: UUID, place: int, shift: int) -> None:
    digits = list(receipt_of(complaint).replace("-", ""))
    digits[place] = str((int(digits[place]) + shift) % 10)
    with pytest.raises(WRONG):
        read_receipt("".join(digits))


@given(ids, st.integers(0, 10))
def test_every_swap_of_neighbours_is_found(complaint: UUID, place: int) -> None:
    digits = list(receipt_of(complaint).replace("-", ""))
    if digits[place] == digits[place + 1]:
        return
    digits[place], digits[place + 1] = digits[place + 1], digits[place]
    with pytest.raises(WRONG):
        read_receipt("".join(digits))


@pytest.mark.parametrize("separator", ["", " ", "-", "  ", "–", "."])
def test_blanks_and_dashes_do_not_matter(separator: str) -> None:
    receipt = receipt_of(UUID(int=7))
    assert read_receipt(receipt.replace("-", separator)) == receipt


def test_full_width_digits_are_digits() -> None:
    receipt = receipt_of(UUID(int=7))
    wide = "".join(chr(ord(sign) + 0xFEE0) if sign.isdigit() else sign for sign in receipt)
    assert read_receipt(wide) == receipt


@pytest.mark.parametrize("text", ["", "12", "abcd-efgh-ijkl", "1234-5678-901", "①" * 13, "٣" * 12])
def test_what_has_not_twelve_digits_is_unreadable(text: str) -> None:
    with pytest.raises(ReceiptUnreadable):
        read_receipt(text)


def test_a_number_that_another_complaint_has_is_passed_over() -> None:
    complaint = UUID(int=7)
    first = receipt_of(complaint)
    second = free_receipt(complaint, lambda receipt: receipt == first)
    assert second == receipt_of(complaint, 1)
    assert second != first


def test_trying_has_an_end() -> None:
    tried: list[str] = []

    def taken(receipt: str) -> bool:
        tried.append(receipt)
        return True

    with pytest.raises(ReceiptsExhausted):
        free_receipt(UUID(int=7), taken)
    assert len(set(tried)) == ATTEMPTS_MAX


def test_ten_thousand_complaints_hardly_ever_meet() -> None:
    numbers = {receipt_of(UUID(int=n)) for n in range(10_000)}
    assert len(numbers) == 10_000
