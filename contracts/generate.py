"""Writes what is generated from the models: `python -m contracts.generate [--check]`."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.asyncapi import document
from contracts.events_page import page
from contracts.json_schema import Json, all_schemas
from contracts.words_page import page as words_page

ROOT = Path(__file__).parent.parent
GENERATED = Path("contracts/generated")
PAGE = Path("docs/events.md")
WORDS = Path("docs/words.md")
OPENAPI = GENERATED / "openapi"
SCHEMAS = GENERATED / "schemas"


def as_json(content: Any) -> str:
    """JSON as we commit it: indented by one, characters as they are, a newline at the end."""
    return f"{json.dumps(content, indent=1, ensure_ascii=False)}\n"


def files() -> dict[Path, str]:
    """Every generated file but the OpenAPI documents: path from the root -> its text."""
    found = {SCHEMAS / f"{name}.json": as_json(schema) for name, schema in all_schemas().items()}
    found[GENERATED / "asyncapi.json"] = as_json(document())
    found[PAGE] = page()
    found[WORDS] = words_page()
    return found


def openapi_files(documents: Mapping[str, Json]) -> dict[Path, str]:
    """The OpenAPI documents' files, from {service: its FastAPI app's `openapi()`}.

    The contracts know no service, so who knows them hands the documents in.
    """
    return {OPENAPI / f"{service}.json": as_json(told) for service, told in documents.items()}


def write(wanted: Mapping[Path, str], root: Path = ROOT) -> list[Path]:
    """Writes what differs, and returns it."""
    changed = stale(wanted, root)
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(wanted[path], "utf-8")
    return changed


def write_openapi(documents: Mapping[str, Json], root: Path = ROOT) -> list[Path]:
    """Writes contracts/generated/openapi/<service>.json and returns what changed."""
    return write(openapi_files(documents), root)


def stale(wanted: Mapping[Path, str], root: Path = ROOT) -> list[Path]:
    """The files that are missing or differ from what they should be."""
    return [path for path, text in wanted.items() if _text(root / path) != text]


def left_over(wanted: Mapping[Path, str], folder: Path, root: Path = ROOT) -> list[Path]:
    """Files in a generated folder that nothing generates any more."""
    return [
        path.relative_to(root)
        for path in sorted((root / folder).glob("*.json"))
        if path.relative_to(root) not in wanted
    ]


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


def main(arguments: list[str] | None = None) -> int:
    """0 when all is written or was up to date, 1 when --check found stale files."""
    parser = argparse.ArgumentParser(prog="python -m contracts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when stale")
    wanted = files()
    over = left_over(wanted, SCHEMAS)
    if parser.parse_args(arguments).check:
        found = [*stale(wanted), *over]
        sys.stdout.write("".join(f"stale: {path}\n" for path in found) or "up to date\n")
        return 1 if found else 0
    for path in over:
        (ROOT / path).unlink()
    written = [*write(wanted), *over]
    sys.stdout.write("".join(f"wrote {path}\n" for path in written) or "up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
