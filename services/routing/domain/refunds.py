"""What a proven fault is worth (DOMAIN rule 9), by the refund table: exact, half up to 0.01."""

from calendar import monthrange
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext

from services.routing.domain.policy import SHANGHAI, Refunds, RentWaiver

FEN = Decimal("0.01")


def refund(overcharged: Decimal, table: Refunds) -> Decimal:
    """So many times the overcharged amount in all, in CNY (001 双倍返还): 186.50 -> 373.00."""
    return (overcharged * table.overcharge_times).quantize(FEN)


def rent_waiver(
    monthly_rent: Decimal, outage_from: datetime, outage_to: datetime, table: RentWaiver
) -> Decimal:
    """The rent of an outage in CNY, by begun periods, half up to 0.01 (`REG`).

    A period of 24 h costs a day's share of the month in which it begins, in Shanghai: 88.00 over
    73 h 30 min of October is 88.00 / 31 x 4 = 11.35. Rounded once, at the end; 0.00 for no outage.
    """
    period = timedelta(hours=table.period_hours)
    begun: dict[int, int] = {}
    """Days of the month -> periods that began in such a month."""
    start = outage_from
    while start < outage_to:
        days = _days(start, table)
        begun[days] = begun.get(days, 0) + 1
        start += period
    with localcontext() as context:
        context.prec = 40
        total = sum(
            (
                monthly_rent * count * table.period_hours / (24 * days)
                for days, count in begun.items()
            ),
            Decimal(0),
        )
        return total.quantize(FEN, ROUND_HALF_UP)


def _days(start: datetime, table: RentWaiver) -> int:
    if table.month_days != "actual":
        return table.month_days
    local = start.astimezone(SHANGHAI)
    return monthrange(local.year, local.month)[1]
