"""Where a complaint stands, in both languages: told to customers, and with every refusal."""

from typing import Protocol

from contracts.housekeeping import ErasureMode
from contracts.values import Names
from libs.decider import Standing
from services.intake.domain.state import Complaint

STATES = {
    "being_registered": Names("登记中", "being registered"),
    "registered": Names("已登记,待核实", "registered, being checked"),
    "in_handling": Names("处理中", "in handling"),
    "answered": Names("已答复", "answered"),
    "asked": Names("已答复,待评价", "answered, we asked you about it"),
    "rejected": Names("不予受理", "not taken up"),
    "withdrawn": Names("已撤回", "withdrawn"),
    "merged": Names("已并入另一投诉", "merged into another complaint"),
    "closed": Names("已结案", "closed"),
}
"""What a customer is told about where the complaint stands (DOMAIN rule 2)."""


def state_of(complaint: Complaint) -> str:
    """Where the complaint stands: a key of STATES."""
    if complaint.closed is not None:
        return "closed"
    if complaint.merged_into is not None:
        return "merged"
    if complaint.withdrawn:
        return "withdrawn"
    if complaint.rejected:
        return "rejected"
    if complaint.answer is not None:
        return "asked" if complaint.answer.ask else "answered"
    return "registered" if complaint.valid is None else "in_handling"


def stands(complaint: Complaint) -> Standing:
    """The same in words."""
    state = state_of(complaint)
    return Standing(state, STATES[state].zh, STATES[state].en)


PERSON = {
    "open": Names("未封存", "neither locked nor erased"),
    "locked": Names("已封存", "locked to storage"),
    "destroyed": Names("已销毁", "destroyed"),
}
"""Where a person's data stands."""


class _Erasable(Protocol):
    @property
    def erased(self) -> ErasureMode | None: ...


def person_stands(person: _Erasable) -> Standing:
    """Whether a person's data can still be read."""
    code = "open" if person.erased is None else person.erased.value
    return Standing(code, PERSON[code].zh, PERSON[code].en)
