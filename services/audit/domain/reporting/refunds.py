"""Money given back: each grant, and sums by month and ground; exact decimals (rules 9 and 12)."""

from decimal import Decimal

from libs.sheets import Cell, Column, Sheet
from services.audit.domain.reporting.facts import REFUND, Facts
from services.audit.domain.reporting.period import Period

COLUMNS = (
    Column("granted_at", "批准时间", "granted at"),
    Column("receipt", "受理编号", "receipt"),
    Column("category", "类别", "category"),
    Column("basis", "依据", "basis"),
    Column("finding", "核查结论号", "finding"),
    Column("supplement_to", "补差对应", "supplement to"),
    Column("amount", "金额(元)", "amount (CNY)"),
    Column("total", "累计(元)", "total of the complaint (CNY)"),
    Column("under", "权限", "under"),
    Column("role", "批准角色", "role"),
)


def refunds(facts: Facts, period: Period) -> Sheet:
    """Every grant of the period, a supplement by itself; a grant stands, whatever came after."""
    found = sorted(
        facts.with_complaint(REFUND, "granted_on", period),
        key=lambda one: (one[0]["granted_at"], one[0]["complaint"], one[0]["granted"]),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            *(one["granted_at"], told["receipt"], told["category"], one["basis"]),
            *(one["finding"], one["supplement_to"], one["amount"], one["total"]),
            *(one["under"], one["role"]),
        )
        for one, told in found
    ]
    return Sheet("refunds", "退费明细表", "Refunds", (("period", str(period)),), COLUMNS, rows)


SUM_COLUMNS = (
    Column("month", "月份", "month"),
    Column("basis", "依据", "basis"),
    Column("grants", "笔数", "grants"),
    Column("complaints", "投诉数", "complaints"),
    Column("amount", "金额合计(元)", "amount (CNY)"),
)


def refund_sums(facts: Facts, period: Period) -> Sheet:
    """The same, summed by month and ground; the last line of a month is all of it."""
    sums: dict[tuple[str, bool, str], list[tuple[object, Decimal]]] = {}
    for one, _ in facts.with_complaint(REFUND, "granted_on", period):
        month = f"{one['granted_on']:%Y-%m}"
        for key in ((month, False, one["basis"]), (month, True, "all")):
            sums.setdefault(key, []).append((one["complaint"], one["amount"]))
    rows: list[tuple[Cell, ...]] = [
        (
            *(month, basis, len(grants), len({complaint for complaint, _ in grants})),
            sum((amount for _, amount in grants), Decimal("0.00")),
        )
        for (month, _, basis), grants in sorted(sums.items())
    ]
    about = (("period", str(period)),)
    return Sheet("refund-sums", "退费汇总表", "Sums of refunds", about, SUM_COLUMNS, rows)
