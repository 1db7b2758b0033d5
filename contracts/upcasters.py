"""From each retired version of an event to the next one: pure functions, followed when reading."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, TypeVar

from libs.decider import Event, Recorded

Old = TypeVar("Old", bound=Event)
New = TypeVar("New", bound=Event)


@dataclass(frozen=True, slots=True)
class Upcasters:
    """One step per retired version; immutable.

    A step takes the old version's model and returns the next version's; it knows nothing but
    what the old event says. Stored bytes are never touched: only what is read of them.
    """

    steps: Mapping[str, tuple[type[Event], type[Event], Callable[[Any], Event]]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def adding(self, old: type[Old], new: type[New], step: Callable[[Old], New]) -> "Upcasters":
        """These and one more step.

        Raises ValueError unless `new` is the version right after `old`, and `old` has no step.
        """
        name, version = split(old.type)
        if split(new.type) != (name, version + 1):
            raise ValueError(f"{new.type} is not the version after {old.type}")
        if old.type in self.steps:
            raise ValueError(f"{old.type} already has a step")
        return Upcasters(MappingProxyType({**self.steps, old.type: (old, new, step)}))

    def newest(self, event_type: str) -> str:
        """The type that an event of this type is read as; itself when it is the newest."""
        while (found := self.steps.get(event_type)) is not None:
            event_type = found[1].type
        return event_type

    def event(self, event: Event) -> Event:
        """The event as its newest version has it; itself when it is the newest."""
        while (found := self.steps.get(event.type)) is not None:
            _, new, step = found
            event = step(event)
            assert type(event) is new, f"a step to {new.type} made {event.type}"
        return event

    def recorded(self, recorded: Recorded[Any]) -> Recorded[Any]:
        """The same record with its body and type as the newest version has them."""
        if recorded.type not in self.steps:
            return recorded
        data = self.event(recorded.data)
        return replace(recorded, data=data, type=data.type)


def split(event_type: str) -> tuple[str, int]:
    """`complaint.registered.v2` -> (`complaint.registered`, 2); raises ValueError."""
    name, mark, version = event_type.rpartition(".v")
    if not (name and mark and version.isdecimal() and version == str(int(version))):
        raise ValueError(f"{event_type!r} does not end with a version")
    return name, int(version)


UPCASTERS = Upcasters()
"""Every step there is; a new version of an event adds its own here."""
