"""Who is informed of every step of a complaint, and how far they have looked.

The owner of record is informed of every step and is accountable (DOMAIN rule 1); the home province
of a complaint that another one handles is informed as well (rule 5). Each finds the steps not yet
seen in an inbox (`views.inbox`) and says how far they have been seen, which is on record; how many
of a team look does not matter, for a team is informed as one.
"""

from contracts.routing import Informed, SeenUpTo, WorkSeen
from libs.decider import Context, Event, Refused
from services.routing.domain.commands import See
from services.routing.domain.policy import Rules
from services.routing.domain.staffing import Seated, known, on_owners_desk, unconcerned
from services.routing.domain.state import Work


class NotInformed(Refused):
    """Only the owner's desk, or the home province of a complaint handled elsewhere, says this."""

    rule = "not-informed"
    zh = "仅首问责任班组或归属省可确认已阅"


class NotHappened(Refused):
    """No such step has been heard of; take the numbers from the inbox, unchanged."""

    rule = "not-happened"
    zh = "没有该步骤,请使用收件箱中的编号"


def see(work: Work | None, command: See, context: Context) -> list[Event]:
    """The steps up to these have been seen; what was seen before stays seen."""
    work = known(work)
    rules = Rules.at(context.policies, command.at)
    who = unconcerned(work, command.by, rules)
    if not _is_informed(work, who, command.informed):
        raise NotInformed
    for source, sequence in command.upto.items():
        if sequence > command.happened.get(source, 0):
            raise NotHappened(f"The last step of {source} is {command.happened.get(source, 0)}.")
    before = work.seen.get(command.informed, {})
    moved = tuple(
        SeenUpTo(source=source, sequence=sequence)
        for source, sequence in sorted(command.upto.items())
        if sequence > before.get(source, 0)
    )
    if not moved:
        return []
    return [WorkSeen(cycle=work.cycle, informed=command.informed, by=who.ref, upto=moved)]


def _is_informed(work: Work, who: Seated, informed: Informed) -> bool:
    if informed is Informed.OWNER:
        return on_owners_desk(work, who)
    return work.informed_home is not None and who.team.province == work.informed_home
