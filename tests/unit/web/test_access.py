"""A route that declares nothing keeps the service from starting; roles come from a table."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter
from fastapi.params import Depends

from libs.web import AccessTable, Caller, Router, allow, known_caller, load_access_table, public
from libs.web.access import UndeclaredRoute
from tests.unit.web.sample import build_sample


def built_with(tmp_path: Path, *dependencies: Depends) -> None:
    router = Router()

    @router.get("/silent", dependencies=list(dependencies))
    async def silent() -> None: ...

    build_sample(tmp_path, [router])


def test_a_route_that_declares_nothing_keeps_the_service_from_starting(tmp_path: Path) -> None:
    with pytest.raises(UndeclaredRoute, match="GET /silent"):
        built_with(tmp_path)


def test_an_action_nobody_may_do_keeps_it_from_starting(tmp_path: Path) -> None:
    with pytest.raises(UndeclaredRoute, match=r"GET /silent.*jobs\.burn"):
        built_with(tmp_path, allow("jobs.burn"))


def test_a_route_is_one_action_only(tmp_path: Path) -> None:
    with pytest.raises(UndeclaredRoute, match="exactly one"):
        built_with(tmp_path, allow("jobs.list"), allow("jobs.take"))
    with pytest.raises(UndeclaredRoute, match="exactly one"):
        built_with(tmp_path, allow("jobs.list"), public)


@pytest.mark.parametrize("declaration", [allow("jobs.list"), public, known_caller])
def test_a_declared_route_starts(tmp_path: Path, declaration: Any) -> None:
    built_with(tmp_path, declaration)


def test_only_strict_routes_are_served(tmp_path: Path) -> None:
    router: Any = APIRouter()

    async def lax(_caller: Annotated[Caller, allow("jobs.list")]) -> None: ...

    router.add_api_route("/lax", lax)

    with pytest.raises(UndeclaredRoute, match="GET /lax"):
        build_sample(tmp_path, [router])


def test_two_operations_of_one_name_keep_it_from_starting(tmp_path: Path) -> None:
    router = Router()
    for path in ("/a", "/b"):

        @router.get(path, dependencies=[public])
        async def same() -> None: ...

    with pytest.raises(ValueError, match=r"jobs\.same"):
        build_sample(tmp_path, [router])


def test_a_role_the_table_lacks_may_do_nothing() -> None:
    table = AccessTable.model_validate(
        {"version": "1", "effective_from": "2004-01-01", "roles": {"agent": ["a.read"]}}
    )
    assert table.permits(frozenset({"agent", "cook"}), "a.read")
    assert not table.permits(frozenset({"agent"}), "a.write")
    assert not table.permits(frozenset({"cook"}), "a.read")
    assert not table.permits(frozenset(), "a.read")


@pytest.mark.parametrize("action", ["read", "a.*", "A.read", "a.read.all", ""])
def test_an_action_is_service_and_verb(action: str) -> None:
    document = {"version": "1", "effective_from": "2004-01-01", "roles": {"agent": [action]}}
    with pytest.raises(ValueError, match="agent"):
        AccessTable.model_validate(document)
    with pytest.raises(ValueError, match="<service>"):
        allow(action)


@pytest.mark.parametrize("role", ["Admin", "admin-hq", "", "a" * 33])
def test_a_role_that_no_token_can_carry_is_no_role(role: str) -> None:
    document = {"version": "2", "effective_from": "2004-01-01", "roles": {role: ["a.read"]}}
    with pytest.raises(ValueError, match="cannot be a role"):
        AccessTable.model_validate(document)


def test_the_installations_own_table_knows_the_ten_roles() -> None:
    table = load_access_table(Path(__file__).parents[3] / "infra" / "access.v1.yaml")
    assert set(table.roles) == {
        "channel", "agent", "desk", "headquarters", "manager", "partner", "service", "auditor",
        "admin", "privacy",
    }  # fmt: skip
    assert set(table.about) == set(table.roles)
    # PIPL: who finds, exports and erases persons does nothing else, and nobody else does that
    for action in ("vault.find", "vault.erase"):
        assert {role for role in table.roles if table.permits(frozenset({role}), action)} == {
            "privacy"
        }
    assert not table.permits(frozenset({"privacy"}), "vault.open_locked")
    # SCENARIOS S5: the team's own approval is refused 403, 10015 approves
    assert not table.permits(frozenset({"agent"}), "escalation.approve")
    assert table.permits(frozenset({"desk"}), "escalation.approve")
    # DESIGN, Personal data: others ask the vault through a service, an auditor when locked
    assert not table.permits(frozenset({"agent", "desk", "manager", "admin"}), "vault.open")
    assert not table.permits(frozenset({"service"}), "vault.open_locked")
