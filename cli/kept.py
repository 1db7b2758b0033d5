"""Reads a checkpoint that somebody kept, and the list beside it."""

from pathlib import Path

from cli.telling import MISUSED, fail
from services.audit.domain.checkpoint import NotACheckpoint, read_note


def read_kept(kept: Path, as_json: bool) -> tuple[str, str | None]:
    """A kept checkpoint, and the list beside it (`.leaves`); ends where it is none."""
    try:
        note = kept.read_text("utf-8")
        read_note(note)
    except (NotACheckpoint, UnicodeDecodeError) as error:
        fail(f"{kept.name}: {error}", code=MISUSED, as_json=as_json)
    beside = kept.with_suffix(".leaves")
    return note, beside.read_text("utf-8") if beside.exists() else None
