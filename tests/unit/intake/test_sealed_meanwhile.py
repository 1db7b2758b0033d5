"""A message is sealed before it is decided on: what is locked or destroyed in between.

One of the two comes first, and it is the log that says which (EVENTS race 15; DESIGN, Personal
data). The message first: its complaint keeps the data, the erasure waits. The erasure first: the
message is sealed anew, so that what the person said after it can be read, under whom it finds now.
"""

from collections.abc import Callable
from uuid import UUID

import pytest

from contracts.housekeeping import ErasureMode, PersonErased
from libs.decider import To
from libs.messaging.channel import Outdated
from services.intake.domain.person import Erase, Lock
from services.intake.persons import complaints_of
from tests.unit.intake.world import FakeVault, World, message

MINE = "13800000001"


class Interrupted(FakeVault):
    """A vault in which something happens just after it has sealed, once."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] | None = None

    def seal_many(self, items):  # type: ignore[no-untyped-def]  # as FakeVault's
        tokens = super().seal_many(items)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return tokens


def asked(world: World, kind: type[Lock], person: UUID) -> None:
    own, others = complaints_of(person, world)
    told = kind(at=world.clock.now(), basis="asked", complaints=own, others=others, afresh=True)
    world.apply(To(str(person), told))


def told(world: World, name: str) -> UUID:
    said = message(name, subscriber=MINE, category="mobile.coverage")
    return UUID(str(world.tell(said)[0]["complaint"]))


def of(world: World, complaint: UUID) -> tuple[UUID, str]:
    """The person of a complaint, and the token of its words."""
    registration = world.complaint(complaint).registration
    return registration.correspondent.person, registration.summary


def test_destroyed_between_sealing_and_deciding_the_message_is_sealed_anew() -> None:
    vault = Interrupted()
    world = World(vault=vault)
    (person,) = vault.find_or_make_persons([MINE])
    vault.meanwhile = lambda: asked(world, Erase, person)
    complaint = told(world, "b")
    (gone,) = world.happened(PersonErased)
    assert gone.mode is ErasureMode.DESTROYED
    somebody_new, token = of(world, complaint)
    assert somebody_new != person
    assert vault.opens(token)
    assert complaints_of(person, world) == ((), ())


def test_the_message_first_its_complaint_keeps_the_data_and_the_erasure_waits() -> None:
    world = World(vault=Interrupted())
    complaint = told(world, "b")
    person, token = of(world, complaint)
    asked(world, Erase, person)
    (waits,) = world.happened(PersonErased)
    assert (waits.mode, waits.complaints) == (ErasureMode.LOCKED, (complaint,))
    assert world.state("person", str(person)).keeping == {complaint}
    assert not vault_of(world).destroyed
    assert token in vault_of(world).plaintexts


def vault_of(world: World) -> FakeVault:
    return world.vault


def test_locked_between_sealing_and_deciding_the_message_stays_readable() -> None:
    vault = Interrupted()
    world = World(vault=vault)
    person, old = of(world, told(world, "a"))
    world.clock.jump(world.clock.now())
    vault.meanwhile = lambda: asked(world, Lock, person)
    said = message("b", subscriber=MINE, category="billing.overcharge")
    second = UUID(str(world.tell(said)[0]["complaint"]))
    assert of(world, second)[0] == person
    assert vault.opens(of(world, second)[1])
    assert not vault.opens(old)


def test_destroyed_long_before_the_vault_hears_of_it_the_message_is_sealed_anew() -> None:
    """The vault lags the log by an outage: whom it still finds is gone."""
    vault = Interrupted()
    world = World(vault=vault)
    (person,) = vault.find_or_make_persons([MINE])
    asked(world, Erase, person)
    world.at("2025-10-12 09:00:00")
    somebody_new, token = of(world, told(world, "b"))
    assert somebody_new != person
    assert vault.opens(token)


def test_a_vault_that_never_follows_is_not_asked_for_ever() -> None:
    vault = Interrupted()
    world = World(vault=vault)
    (person,) = vault.find_or_make_persons([MINE])
    asked(world, Erase, person)
    vault.deaf = True
    with pytest.raises(Outdated):
        told(world, "b")
