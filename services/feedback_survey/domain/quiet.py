"""When a message may leave: never in the quiet hours (DOMAIN rule 11)."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


def after_quiet_hours(moment: datetime, begin: time, end: time) -> datetime:
    """`moment` itself, or the end of the quiet hours it lies in, Asia/Shanghai.

    The first instant still belongs to the day: what is due at 21:00:00 leaves at 21:00:00 (S2:
    "last moment 21:00"), and what is due at 09:00:00 leaves then.
    """
    local = moment.astimezone(SHANGHAI)
    now = local.time()
    over_midnight = begin > end
    quiet = (now > begin or now < end) if over_midnight else begin < now < end
    if not quiet:
        return moment
    day = local.date() if now < end else local.date() + timedelta(days=1)
    return datetime.combine(day, end, SHANGHAI)
