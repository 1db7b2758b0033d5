"""Hands every container of the compose file the secrets it needs, and no others.

Run once before anything else starts, with one volume mounted under `/hand-out` for each container.
Passwords are made here, so that none stands in a file of the project or in an environment; keys and
tokens come from the installation's key folder, which no service sees. What has been handed out
already is kept, but for the services' token, which is renewed.
"""

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

HAND_OUT = Path("/hand-out")
POSTGRES = "postgres"
GATEWAY = "gateway"
"""It opens what it delivers; it has no database of ours and checks nobody's token."""
PURGE_KEY = "purge.key"
PASSWORD_BYTES = 32

ROLES: Mapping[str, Mapping[str, str]] = {
    "intake": {"bihuan_intake": "intake", "bihuan_vault": "vault"},
    "routing": {"bihuan_routing": "routing"},
    "sla_watch": {"bihuan_sla_watch": "sla_watch"},
    "escalation": {"bihuan_escalation": "escalation"},
    "feedback_survey": {"bihuan_feedback_survey": "feedback_survey"},
    "audit": {"bihuan_audit": "audit"},
}
"""Service -> its databases -> the role that connects to each; infra/databases.py makes them."""


def hand_out(keys: Path, to: Path) -> None:
    """From `keys` (jwks.json, service.token, vault.key, purge.key) into a folder per container."""
    passwords = {
        role: _password(to / POSTGRES / f"{role}.password")
        for role in (POSTGRES, *(role for owned in ROLES.values() for role in owned.values()))
    }
    for service, owned in ROLES.items():
        lines = [f"*:*:{base}:{role}:{passwords[role]}\n" for base, role in owned.items()]
        _put(to / service / "pgpass", "".join(lines), mode=0o400)
        for name in ("jwks.json", "service.token"):
            _put(to / service / name, (keys / name).read_text("utf-8"), mode=0o400)
    _put(to / GATEWAY / "service.token", (keys / "service.token").read_text("utf-8"), mode=0o400)
    _put(to / "intake" / "vault.key", (keys / "vault.key").read_text("utf-8"), mode=0o400)
    for name in (PURGE_KEY, f"{PURGE_KEY}.pub"):
        _put(to / "audit" / name, (keys / name).read_text("utf-8"), mode=0o400)
    # Who keeps the databases tells them whose purges they may believe.
    _put(to / POSTGRES / f"{PURGE_KEY}.pub", (keys / f"{PURGE_KEY}.pub").read_text("utf-8"), 0o444)


def _password(path: Path) -> str:
    """Read where PostgreSQL's own user must read it too: that volume is nobody else's."""
    if not path.exists():
        _put(path, secrets.token_hex(PASSWORD_BYTES), mode=0o444)
        path.parent.chmod(0o755)
    return path.read_text("ascii")


def _put(path: Path, text: str, mode: int) -> None:
    """Whole or not at all, and never readable by more than `mode` says."""
    arriving = path.with_name(f".{path.name}.arriving")
    arriving.unlink(missing_ok=True)
    descriptor = os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    arriving.chmod(mode)
    arriving.replace(path)


if __name__ == "__main__":
    hand_out(Path(os.environ["BIHUAN_DATA"]) / "keys", HAND_OUT)
    sys.stdout.write("every container has its secrets\n")
