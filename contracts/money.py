"""What a proven fault is worth (DOMAIN rule 9), to who proposes it and who supplements it."""

from calendar import monthrange
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
PERIOD = timedelta(hours=24)
FEN = Decimal("0.01")


def double_refund(overcharged: Decimal) -> Decimal:
    """Twice the overcharged amount in all, in CNY (001 双倍返还): 186.50 -> 373.00."""
    return (overcharged * 2).quantize(FEN)


def rent_waiver(monthly_rent: Decimal, outage_from: datetime, outage_to: datetime) -> Decimal:
    """The rent of an outage in CNY, by begun periods of 24 h, half up to 0.01 (`REG`).

    A period costs a day's share of the month in which it begins, in Shanghai: 88.00 over
    73 h 30 min of October is 88.00 / 31 x 4 = 11.35. Rounded once, at the end; 0.00 for no outage.
    """
    days_begun: dict[int, int] = {}
    start = outage_from
    while start < outage_to:
        local = start.astimezone(SHANGHAI)
        length_days = monthrange(local.year, local.month)[1]
        days_begun[length_days] = days_begun.get(length_days, 0) + 1
        start += PERIOD
    with localcontext() as context:
        context.prec = 40
        total = sum(
            (monthly_rent * count / length for length, count in days_begun.items()), Decimal(0)
        )
        return total.quantize(FEN, ROUND_HALF_UP)
