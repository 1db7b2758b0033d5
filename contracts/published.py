"""What has been published stays as it is: the schema of every event version, under lock.

`contracts/published/<type>.json` is the wire form that readers rely on: structure only, for words
may be put better. `events.lock` has a digest for each and only ever grows. `python -m
contracts.published` publishes versions that are new, and refuses to touch any other; `--anew`
starts afresh, which is possible only as long as no release (a tag `v…`) has gone out.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from contracts.json_schema import Json, all_schemas

FOLDER = Path(__file__).parent / "published"
LOCK = "events.lock"
WORDS = ("description", "title", "examples", "$id")


class PublishedChanged(Exception):
    """A published version is not what it was; make a new version instead."""


def structure(schema: Any) -> Any:
    """A schema without its words: what a reader's program depends on."""
    if isinstance(schema, dict):
        return {
            key: {name: structure(one) for name, one in value.items()}
            if key in ("properties", "$defs") and isinstance(value, dict)
            else structure(value)
            for key, value in schema.items()
            if key not in WORDS
        }
    return [structure(one) for one in schema] if isinstance(schema, list) else schema


def rendered(schema: Json) -> str:
    """A structure as it is kept: sorted, indented JSON."""
    text = json.dumps(structure(schema), indent=1, ensure_ascii=False, sort_keys=True)
    return f"{text}\n"


def digest(text: str) -> str:
    """SHA-256 in hex, as the lock has it."""
    return sha256(text.encode()).hexdigest()


def read_lock(folder: Path) -> dict[str, str]:
    """Type -> digest; raises PublishedChanged for a type named twice."""
    path = folder / LOCK
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    found: dict[str, str] = {}
    for line in lines:
        name, _, sha = line.partition(" ")
        if name in found:
            raise PublishedChanged(f"{name} stands twice in {LOCK}")
        found[name] = sha
    return found


def faults(schemas: Mapping[str, Json], folder: Path) -> list[str]:
    """What is wrong with the published versions, one sentence each; empty: nothing."""
    found = []
    lock = read_lock(folder)
    for name, sha in lock.items():
        path = folder / f"{name}.json"
        if not path.exists():
            found.append(f"{name}: its published schema is gone")
        elif digest(path.read_text("utf-8")) != sha:
            found.append(f"{name}: its published schema was edited")
        if name not in schemas:
            found.append(f"{name}: published, but no model has this version any more")
        elif digest(rendered(schemas[name])) != sha:
            found.append(
                f"{name}: the model differs from its published version; give it a new version "
                "and an upcaster"
            )
    found += [
        f"{path.stem}: lies in {folder.name}/ without a line in {LOCK}"
        for path in sorted(folder.glob("*.json"))
        if path.stem not in lock
    ]
    return found


def unpublished(schemas: Mapping[str, Json], folder: Path) -> list[str]:
    """The versions that are not published yet."""
    lock = read_lock(folder)
    return [name for name in schemas if name not in lock]


def publish(schemas: Mapping[str, Json], folder: Path) -> list[str]:
    """Publishes what is new and returns it; raises PublishedChanged when anything old differs."""
    if wrong := faults(schemas, folder):
        raise PublishedChanged("; ".join(wrong))
    new = unpublished(schemas, folder)
    lines = []
    for name in new:
        text = rendered(schemas[name])
        (folder / f"{name}.json").write_text(text, "utf-8")
        lines.append(f"{name} {digest(text)}\n")
    with (folder / LOCK).open("a", encoding="utf-8") as lock:
        lock.writelines(lines)
    return new


def released() -> str:
    """The newest release's tag; empty when there is none, or no git to ask."""
    try:
        said = subprocess.run(
            ["git", "describe", "--tags", "--abbrev=0", "--match=v*"],  # noqa: S607 - the user's own git
            cwd=FOLDER,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return said.stdout.strip()


def main(arguments: list[str] | None = None) -> int:
    """0 when everything is published, 1 when a published version changed."""
    parser = argparse.ArgumentParser(prog="python -m contracts.published", description=__doc__)
    parser.add_argument("--anew", action="store_true", help="before the first release only")
    if parser.parse_args(arguments).anew:
        if tag := released():
            sys.stderr.write(f"{tag} is released: what it published stays\n")
            return 1
        for path in (*FOLDER.glob("*.json"), FOLDER / LOCK):
            path.unlink(missing_ok=True)
    try:
        new = publish(all_schemas(), FOLDER)
    except PublishedChanged as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"published {name}\n" for name in new) or "nothing new\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
