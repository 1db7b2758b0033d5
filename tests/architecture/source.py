"""The project's own source, read once for all the checks of one worker."""

import ast
import gc
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


@cache
def parsed(path: str) -> ast.Module:
    """The syntax tree of a file, by its path from the root. Raises OSError: no such file."""
    text = (ROOT / path).read_text(encoding="utf-8")
    gc.disable()  # millions of nodes that all stay: looking for garbage takes four times as long
    try:
        return ast.parse(text)
    finally:
        gc.enable()


@cache
def defined_in(path: str) -> frozenset[str]:
    """The functions and classes at a module's top; none when there is no such file."""
    if not (ROOT / path).is_file():
        return frozenset()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(one.name for one in parsed(path).body if isinstance(one, kinds))
