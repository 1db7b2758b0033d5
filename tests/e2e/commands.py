"""The `bihuan` command as a person types it, against a running system."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from cli.main import app

ROOT = Path(__file__).parents[2]


async def bihuan(data: Path, *words: str, said: str = "") -> tuple[int, str, str]:
    """Exit code, standard output, standard error; in this process, which saves a second each.

    `said` is what stands on standard input.
    """
    env = {name: None for name in os.environ if name[:7] == "BIHUAN_"}
    ran = await asyncio.to_thread(
        CliRunner().invoke, app, words, said, env={**env, "BIHUAN_DATA": str(data)}
    )
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.exit_code, ran.stdout, ran.stderr


async def told(data: Path, *words: str) -> tuple[int, Any]:
    """Exit code and the one JSON document on standard output."""
    code, out, err = await bihuan(data, *words, "--json")
    assert out, err
    return code, json.loads(out)


async def bihuan_process(data: Path, *words: str) -> tuple[int, str, str]:
    """The same in a process of its own, with nothing of this one's settings."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", *words),
        env={
            **{name: value for name, value in os.environ.items() if name[:7] != "BIHUAN_"},
            "BIHUAN_DATA": str(data),
        },
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
