"""What a release had in its files."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def files_at(revision: str, folder: Path) -> list[str]:
    """The files below `folder` at that revision, as paths from the root."""
    return _git("ls-tree", "-r", "--name-only", revision, "--", str(folder)).decode().splitlines()


def content_at(revision: str, path: str) -> bytes:
    """A file's bytes at that revision."""
    return _git("show", f"{revision}:{path}")


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout
