"""The services' own OpenAPI documents: `python -m tests.contracts.openapi [--check]`.

The contracts may not know the services, so this stands outside: it builds each service as its
composition root does, without starting anything, and hands `openapi()` to the writer.
"""

import argparse
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from contracts.catalogue import SERVICES
from contracts.generate import OPENAPI, ROOT, left_over, openapi_files, stale, write_openapi
from contracts.json_schema import Json
from libs.timekeeping.clock import SystemClock
from libs.web.auth import make_signing_key

UNUSED = "postgresql://nobody@127.0.0.1:1/nothing"
SECRET_HEX = "00" * 32


def built() -> list[str]:
    """The services that can be built: those with a composition root and the rooms it needs."""
    rooms = ("main.py", "api.py", "config.py")
    return [
        name
        for name in SERVICES
        if all((ROOT / "services" / name / room).exists() for room in rooms)
    ]


def documents() -> dict[str, Json]:
    """{service: its OpenAPI document} of every service that can be built."""
    with TemporaryDirectory() as folder:
        keys = Path(folder)
        make_signing_key(keys)
        return {name: document_of(name, keys) for name in built()}


def document_of(service: str, keys: Path) -> Json:
    """One service's document, from an instance that is never started."""
    main = importlib.import_module(f"services.{service}.main")
    config = importlib.import_module(f"services.{service}.config")
    # a store reaches for its database when it is made; a description needs none
    with patch("libs.messaging.app.Store", autospec=True):
        app = main.build(config.Settings(**settings(config.Settings, keys)), SystemClock())
        document: Json = app.api.openapi()
    for close in app.closing:
        close()
    return document


def settings(model: Any, keys: Path) -> Mapping[str, Any]:
    """Values for what the settings demand; nothing listens behind any of them."""
    vault_key = keys / "vault.key"
    vault_key.write_text(SECRET_HEX)
    vault_key.chmod(0o600)
    known = {
        "postgres_dsn": UNUSED,
        "vault_dsn": UNUSED,
        "kafka_bootstrap": "127.0.0.1:1",
        "jwks": str(keys / "jwks.json"),
        "vault_key_file": vault_key,
    }
    missing = [
        name
        for name, field in model.model_fields.items()
        if field.is_required() and name not in known
    ]
    assert not missing, f"{model.__module__} demands {missing}: give a value in {__name__}"
    return {name: value for name, value in known.items() if name in model.model_fields}


def main() -> int:
    """0 when all is written or was up to date, 1 when --check found stale files."""
    parser = argparse.ArgumentParser(prog="python -m tests.contracts.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when stale")
    check = parser.parse_args().check
    told = documents()
    over = left_over(openapi_files(told), OPENAPI)
    found = [*(stale(openapi_files(told)) if check else write_openapi(told)), *over]
    if not check:
        for path in over:
            (ROOT / path).unlink()
    word = "stale" if check else "wrote"
    sys.stdout.write("".join(f"{word}: {path}\n" for path in found) or "up to date\n")
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main())
