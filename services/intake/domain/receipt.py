"""The receipt number: twelve speakable digits, the last of which finds mistakes in the others.

`3921-0583-7164` is what a customer hears, writes down and quotes (DOMAIN rule 2). It follows from
the complaint's id alone, so a repeated message gets the same number again. The check digit is
Damm's: it finds every single wrong digit and every pair of neighbours said in the wrong order.
"""

from collections.abc import Callable
from hashlib import blake2b
from unicodedata import normalize
from uuid import UUID

from libs.decider import Conflict, Refused

PAYLOAD_DIGITS = 11
"""So many that numbers in use are rare among those possible: guessing finds next to nothing."""

GROUP_DIGITS = 4
ATTEMPTS_MAX = 16
"""Numbers tried for one complaint; sixteen taken ones in a row would mean a broken store."""

# H. M. Damm, "Total anti-symmetrische Quasigruppen" (Marburg 2004), the quasigroup of order 10.
_DAMM = tuple(
    tuple(int(digit) for digit in row)
    for row in (
        "0317598642",
        "7092154863",
        "4206871359",
        "1750983426",
        "6123045978",
        "3674209581",
        "5869720134",
        "8945362017",
        "9438617205",
        "2581436790",
    )
)

_FIRST = 10 ** (PAYLOAD_DIGITS - 1)
_COUNT = 9 * _FIRST


class ReceiptUnreadable(Refused):
    """A receipt number has 12 digits; please read it out again."""

    rule = "receipt-unreadable"
    zh = "受理编号应为12位数字,请核对后重新输入"


class ReceiptMistyped(Refused):
    """One of these digits is wrong or two stand in the wrong order; please read it out again."""

    rule = "receipt-mistyped"
    zh = "受理编号有误(校验位不符),请核对后重新输入"


class ReceiptsExhausted(Conflict):
    """Every receipt number tried for this complaint belongs to another one."""

    rule = "receipts-exhausted"
    zh = "暂时无法生成受理编号"


def damm(digits: str) -> int:
    """Damm's check digit of a string of digits; 0 for a string that ends with its own."""
    interim = 0
    for digit in digits:
        interim = _DAMM[interim][ord(digit) - 48]
    return interim


def receipt_of(complaint: UUID, attempt: int = 0) -> str:
    """The number of a complaint, e.g. `3921-0583-7164`; `attempt` > 0 names the next choices.

    Never starts with 0, which spreadsheets and people drop.
    """
    seed = blake2b(complaint.bytes + bytes((attempt,)), digest_size=8).digest()
    payload = str(_FIRST + int.from_bytes(seed, "big") % _COUNT)
    digits = f"{payload}{damm(payload)}"
    return f"{digits[:4]}-{digits[4:8]}-{digits[8:]}"


def free_receipt(complaint: UUID, taken: Callable[[str], bool]) -> str:
    """The first number of this complaint that no other complaint has.

    `taken(receipt)` says whether another complaint has it. Raises ReceiptsExhausted.
    """
    for attempt in range(ATTEMPTS_MAX):
        receipt = receipt_of(complaint, attempt)
        if not taken(receipt):
            return receipt
    raise ReceiptsExhausted


def read_receipt(text: str) -> str:
    """The number as we write it, from what somebody typed: blanks, dashes, full-width digits.

    Raises ReceiptUnreadable when it does not have 12 digits, ReceiptMistyped when they do not
    belong together.
    """
    digits = "".join(
        sign for sign in normalize("NFKC", text) if not (sign.isspace() or sign in "-_.‐‑‒–—−")
    )
    if len(digits) != PAYLOAD_DIGITS + 1 or not (digits.isascii() and digits.isdigit()):
        raise ReceiptUnreadable
    if digits[0] == "0" or damm(digits) != 0:
        raise ReceiptMistyped
    return f"{digits[:4]}-{digits[4:8]}-{digits[8:]}"
