"""The table of verbs against the modules it names: nothing is missing, and each line is true."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command, get_group

from cli.main import app
from cli.verbs import VERBS, shell

ROOT = Path(__file__).parents[3]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "cli").rglob("*.py")
    if "\ndef register(" in path.read_text("utf-8")
)


@pytest.mark.parametrize("module", MODULES)
def test_what_a_module_adds_is_in_the_table(module: str) -> None:
    own = shell()
    import_module(module).register(own)
    for name, command in get_group(own).commands.items():
        verb = VERBS[name]
        assert (verb.module, verb.hidden) == (module, command.hidden)
        first = (command.help or "").split("\n\n")[0]
        assert verb.line == " ".join(first.split()), "`bihuan --help` says something else"


def test_each_verb_is_there_when_it_is_called() -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    for name, verb in VERBS.items():
        command = group.get_command(None, name)  # type: ignore[arg-type] # it looks at none
        assert command is not None
        assert command.name == name
        assert verb.module in MODULES


def test_the_list_of_verbs_imports_none_of_them() -> None:
    asked = "import sys; from cli.main import app; app(['--help'], standalone_mode=False);"
    asked += "print([name for name in sys.modules if name.startswith(('services', 'fastapi'))])"
    said = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "what-if" in said.stdout
    assert said.stdout.splitlines()[-1] == "[]"
