"""The house rules of docs/architecture.md and CONTRIBUTING, read from the source itself."""

import ast
import re
import subprocess
from collections.abc import Iterator

import pytest

from cli.places import SERVICES
from contracts.catalogue import DECODE
from tests.architecture.source import ROOT, parsed

OURS = ("libs", "contracts", "services", "replay", "cli", "infra")
LINES_MAX = 70
ROOMS = ("reactions.py", "views.py", "api.py", "config.py", "main.py")
NOW = {"datetime.now", "datetime.utcnow", "date.today", "time.time"}
IRREGULAR = {"met", "seen", "sought", "made", "held", "done", "taken", "withdrawn"}
UNEXPLAINED = (
    re.compile(r"#\s*noqa(?!:)|#\s*noqa: [A-Z0-9, ]+\s*$"),
    re.compile(r"#\s*type: ignore(\[[a-z, -]+\])?\s*$"),
)
MACHINE = (
    re.compile(r"(?<![\w.])/(work/(main|wt|shared|\.library|\.mirror)|root|home/\w+)/"),
    re.compile(
        r"--(extra-)?index-url|https?://[\w.-]*(pypi|pythonhosted|repo\.maven|repo1\.maven)[\w.-]*/"
    ),
)
HERE = "tests/architecture/"


def modules(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            yield path, parsed(path)


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Its own lines: a function that registers routes is not as long as all of them."""
    assert node.end_lineno is not None
    inner = [
        one
        for one in node.body
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.end_lineno is not None
    ]
    nested = sum(one.end_lineno - one.lineno + 1 for one in inner if one.end_lineno is not None)
    return node.end_lineno - node.lineno + 1 - nested


def too_long(tree: ast.Module) -> list[str]:
    return [
        f"{node.name} has {lines_of(node)} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines_of(node) > LINES_MAX
    ]


def clocks_read(tree: ast.Module) -> list[str]:
    return [
        ast.unparse(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in NOW
    ]


def prints(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        for node in ast.walk(tree)
    )


def is_past(kind: str) -> bool:
    """`complaint.contact_linked.v1`: something that happened."""
    verb = kind.split(".")[1]
    return verb in IRREGULAR or any(part.endswith("ed") for part in verb.split("_"))


def unexplained(line: str) -> bool:
    return any(pattern.search(line) for pattern in UNEXPLAINED)


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_rooms(service: str) -> None:
    folder = ROOT / "services" / service
    missing = [room for room in ROOMS if not (folder / room).exists()]
    assert missing == []
    assert (folder / "domain.py").exists() or (folder / "domain").is_dir()


def test_every_module_opens_with_a_sentence_that_says_what_it_is_for() -> None:
    bare = [
        path
        for path, tree in modules(*OURS, "tests")
        if not (ast.get_docstring(tree) or "").split("\n\n")[0].rstrip().endswith((".", ":"))
        and not path.endswith("__init__.py")
    ]
    assert bare == []


def test_no_function_outgrows_a_screen() -> None:
    assert {path: found for path, tree in modules(*OURS) if (found := too_long(tree))} == {}


def test_no_service_and_no_contract_reads_the_machines_clock() -> None:
    """Time is a port given to `build` (DESIGN, Time)."""
    read = {
        path: found
        for path, tree in modules("services", "contracts")
        if (found := clocks_read(tree))
    }
    assert read == {}


def test_nothing_prints_but_the_command_line() -> None:
    assert [path for path, tree in modules("libs", "contracts", "services") if prints(tree)] == []


def test_events_are_frozen_and_say_what_happened() -> None:
    assert [kind for kind in DECODE if not is_past(kind)] == []
    assert [kind for kind, event in DECODE.items() if not event.model_config.get("frozen")] == []


def test_whoever_ignores_a_warning_says_why_beside_it() -> None:
    silent = [
        f"{path}:{number}"
        for path, _ in modules(*OURS)
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1)
        if unexplained(line)
    ]
    assert silent == []


def test_no_file_names_this_machine_or_a_registry() -> None:
    try:
        listed = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git here: which files are ours is not known")
    found = []
    for path in listed:
        if path.startswith(HERE) or not (ROOT / path).is_file():
            continue
        text = (ROOT / path).read_bytes().decode("utf-8", "replace")
        found += [f"{path}: {hit[0]}" for pattern in MACHINE if (hit := pattern.search(text))]
    assert found == []


def test_each_of_these_checks_can_fail() -> None:
    bad = ast.parse("def long():\n" + "    x = 1\n" * LINES_MAX + "print(datetime.now())\n")
    assert too_long(bad)
    assert clocks_read(bad) == ["datetime.now"]
    assert prints(bad)
    assert not is_past("complaint.register.v1")
    assert unexplained("x = 1  # noqa: S101")
    assert unexplained("x = y  # type: ignore[arg-type]")
    assert not unexplained("x = 1  # noqa: S101 - because")
    assert MACHINE[0].search("see /root/x")
    assert MACHINE[1].search("--index-url https://pypi.org/simple")
