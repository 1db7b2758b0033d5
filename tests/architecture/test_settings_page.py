"""docs/operations.md names every setting there is, and none that is not."""

import importlib
import re
from pathlib import Path

from cli.places import SERVICES

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def settings() -> set[str]:
    """The environment variable of every field of every service's settings."""
    return {
        f"BIHUAN_{field.upper()}"
        for service in SERVICES
        for field in importlib.import_module(f"services.{service}.config").Settings.model_fields
    }


def test_the_page_of_settings_is_whole_and_true() -> None:
    table = PAGE.read_text(encoding="utf-8").split("## Settings")[1].split("The command line")[0]
    assert set(re.findall(r"`(BIHUAN_[A-Z_]+)`", table)) == settings()
