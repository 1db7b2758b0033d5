"""Every container gets its own secrets and nobody else's."""

import stat
from pathlib import Path

import pytest

from infra.hand_out import ROLES, hand_out

EVERYBODY = {"pgpass", "jwks.json", "service.token"}
PURGE = {"purge.key", "purge.key.pub"}
KEYS = ("jwks.json", "service.token", "vault.key", "signing-key.json", *sorted(PURGE))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    keys, to = tmp_path / "keys", tmp_path / "hand-out"
    for folder in (keys, *(to / name for name in (*ROLES, "postgres", "gateway"))):
        folder.mkdir(parents=True)
    for name in KEYS:
        (keys / name).write_text(f"the {name}")
    return keys, to


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_only_intake_gets_the_vaults_key_only_audit_that_of_purges_nobody_the_signing_key(
    folders: tuple[Path, Path],
) -> None:
    hand_out(*folders)
    to = folders[1]
    assert names(to / "intake") == EVERYBODY | {"vault.key"}
    assert names(to / "audit") == EVERYBODY | PURGE
    for service in ROLES.keys() - {"intake", "audit"}:
        assert names(to / service) == EVERYBODY
    assert names(to / "gateway") == {"service.token"}


def test_a_service_gets_the_passwords_of_its_own_databases(folders: tuple[Path, Path]) -> None:
    hand_out(*folders)
    to = folders[1]
    vault = (to / "postgres" / "vault.password").read_text()
    intake = (to / "postgres" / "intake.password").read_text()
    assert (to / "intake" / "pgpass").read_text() == (
        f"*:*:bihuan_intake:intake:{intake}\n*:*:bihuan_vault:vault:{vault}\n"
    )
    assert vault not in (to / "routing" / "pgpass").read_text()
    passwords = (to / "postgres").glob("*.password")
    assert len({path.read_text() for path in passwords}) == 8


def test_nobody_else_can_read_them(folders: tuple[Path, Path]) -> None:
    hand_out(*folders)
    for service in ROLES:
        for path in (folders[1] / service).iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_handed_out_again_passwords_stay_and_the_token_is_renewed(
    folders: tuple[Path, Path],
) -> None:
    keys, to = folders
    hand_out(keys, to)
    before = (to / "routing" / "pgpass").read_text()
    (keys / "service.token").write_text("a newer token")
    hand_out(keys, to)
    assert (to / "routing" / "pgpass").read_text() == before
    assert (to / "routing" / "service.token").read_text() == "a newer token"
