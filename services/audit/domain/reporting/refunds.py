"""Money given back: each grant, and sums by month and ground; exact decimals (rules 9 and 12)."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby

from libs.sheets import Cell, Column, Sheet
from services.audit.domain.reporting.facts import REFUND, Facts
from services.audit.domain.reporting.period import Period
from services.audit.domain.reporting.wording import AUTHORITIES, CATEGORIES, GROUNDS, ROLES

COLUMNS = (
    Column("granted_at", "批准时间", "granted at"),
    Column("receipt", "受理编号", "receipt"),
    Column("category", "类别", "category", CATEGORIES),
    Column("basis", "依据", "basis", GROUNDS),
    Column("finding", "核查结论号", "finding"),
    Column("supplement_to", "补差对应", "supplement to"),
    Column("amount", "金额(元)", "amount (CNY)"),
    Column("total", "累计(元)", "total of the complaint (CNY)"),
    Column("under", "权限", "under", AUTHORITIES),
    Column("role", "批准角色", "role", ROLES),
)


def refunds(facts: Facts, period: Period) -> Sheet:
    """Every grant of the period, a supplement by itself; a grant stands, whatever came after."""
    found = facts.with_complaint(REFUND, "granted_on", period, "granted_at", "complaint", "granted")
    rows: Iterator[tuple[Cell, ...]] = (
        (
            *(one["granted_at"], told["receipt"], told["category"], one["basis"]),
            *(one["finding"], one["supplement_to"], one["amount"], one["total"]),
            *(one["under"], one["role"]),
        )
        for one, told in found
    )
    return Sheet("refunds", "退费明细表", "Refunds", (("period", str(period)),), COLUMNS, rows)


SUM_COLUMNS = (
    Column("month", "月份", "month"),
    Column("basis", "依据", "basis", GROUNDS),
    Column("grants", "笔数", "grants"),
    Column("complaints", "投诉数", "complaints"),
    Column("amount", "金额合计(元)", "amount (CNY)"),
)


def refund_sums(facts: Facts, period: Period) -> Sheet:
    """The same, summed by month and ground; the last line of a month is all of it."""
    sums: dict[tuple[str, bool, str], tuple[int, int, Decimal]] = {}
    in_order = facts.with_complaint(REFUND, "granted_on", period, "complaint")
    for _, found in groupby(in_order, key=lambda one: one[0]["complaint"]):
        granted: dict[tuple[str, bool, str], list[Decimal]] = {}
        for one, _ in found:
            month = f"{one['granted_on']:%Y-%m}"
            for key in ((month, False, one["basis"]), (month, True, "all")):
                granted.setdefault(key, []).append(one["amount"])
        for key, amounts in granted.items():
            grants, complaints, amount = sums.get(key, (0, 0, Decimal("0.00")))
            sums[key] = (grants + len(amounts), complaints + 1, amount + sum(amounts))
    rows: list[tuple[Cell, ...]] = [
        (month, basis, *summed) for (month, _, basis), summed in sorted(sums.items())
    ]
    about = (("period", str(period)),)
    return Sheet("refund-sums", "退费汇总表", "Sums of refunds", about, SUM_COLUMNS, rows)
