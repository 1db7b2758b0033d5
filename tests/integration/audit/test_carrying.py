"""Checkpoints carried off a running audit to a webhook and to an authority that stamps them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.timekeeping.clock import SteppedClock
from services.audit.main import build
from tests.integration.audit.tellers import START, Playing, playing, settings
from tests.integration.audit.test_checkpoints import ONE, TWO, notes, seal_twice, sealing, until
from tests.integration.audit.test_timestamps import make_authority, not_listening, openssl, stamping
from tests.serving import serving
from tests.stack import Room, room


class Receiver(BaseHTTPRequestHandler):
    """Takes what is posted; refuses as often as it was told to."""

    def do_POST(self) -> None:
        body = self._body()
        server: Any = self.server
        server.asked.append((self.headers["idempotency-key"], body.decode()))
        refused = server.refusals > 0
        server.refusals -= refused
        self.send_response(503 if refused else 204)
        self.end_headers()

    def _body(self) -> bytes:
        if "content-length" in self.headers:
            return self.rfile.read(int(self.headers["content-length"]))
        body = b""
        while length := int(self.rfile.readline(), 16):
            body += self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@contextmanager
def receiving(refusals: int) -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Receiver)
    server.asked, server.refusals = [], refusals
    with serving(server):
        yield server


async def told_of(play: Playing, target: str) -> dict[str, float]:
    """What an operator's metrics say of a target: what it failed, took, and covers."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        text = (await client.get(f"{play.audit.health_url}/metrics")).text
    told = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    names = {
        "failed": f'bihuan_checkpoint_exports_total{{fate="failed",target="{target}"}}',
        "carried": f'bihuan_checkpoint_exports_total{{fate="carried",target="{target}"}}',
        "covers": f'bihuan_checkpoint_exported_events{{target="{target}"}}',
    }
    return {one: float(told.get(name, 0)) for one, name in names.items()}


def test_who_refuses_or_is_down_holds_nobody_up_and_gets_every_checkpoint_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.audit.export.RETRY_SECONDS_FIRST", 0.05)
    monkeypatch.setattr("services.audit.export.RETRY_SECONDS_MAX", 0.5)
    authority, drop = tmp_path / "authority", tmp_path / "drop"
    make_authority(authority, "ours")

    async def stamped_later(play: Playing, tsa: HTTPServer) -> None:
        """Down, each checkpoint was made and carried to the others; up, each is stamped."""
        assert list(drop.glob("*.tsr")) == []
        down = await told_of(play, "timestamps")
        assert down["failed"] >= 1
        assert (down["carried"], down["covers"]) == (0, 0)
        with stamping(authority, at=tsa) as server:
            await until(lambda: len(list(drop.glob("*.tsr"))) == 2)
            assert server.asked == 2
        for note in drop.glob("*.checkpoint"):
            stamp = ("-in", str(note.with_suffix(".tsr")), "-CAfile", "root.pem")
            openssl(authority, "ts", "-verify", "-data", str(note), *stamp)

        async def counted() -> bool:
            up = await told_of(play, "timestamps")
            return (up["carried"], up["covers"]) == (2, TWO)

        for _ in range(100):
            if await counted():
                return
            await asyncio.sleep(0.05)
        raise AssertionError("its metrics never said that it has both")

    async def play(where: Room) -> None:
        with receiving(refusals=3) as server, not_listening() as tsa:
            # As an operator sets them, by the names that docs/operations.md has.
            monkeypatch.setenv("BIHUAN_CHECKPOINT_TSA", f"http://127.0.0.1:{tsa.server_port}/")
            monkeypatch.setenv("BIHUAN_CHECKPOINT_TSA_ROOTS", str(authority / "root.pem"))
            url = f"http://127.0.0.1:{server.server_address[1]}/told"
            more = sealing(tmp_path, checkpoint_webhook=url)
            async with playing(where, tmp_path, **more) as play:
                await seal_twice(play)
                await until(lambda: len(server.asked) == 7)
                await stamped_later(play, tsa)
            assert [key for key, _ in server.asked] == [
                *[f"leaves-{ONE}"] * 4,
                f"checkpoint-{ONE}",
                f"leaves-{TWO}",
                f"checkpoint-{TWO}",
            ]
            bodies = [body for _, body in server.asked[3:]]
            assert bodies[1::2] == notes(drop)
            lists = sorted(drop.glob("*.leaves"))
            assert bodies[::2] == [path.read_text("utf-8") for path in lists]
            nowhere = settings(where, tmp_path, checkpoint_key_file=tmp_path / "checkpoint.key")
            with pytest.raises(ValueError, match="BIHUAN_CHECKPOINT_TSA needs"):
                build(nowhere, SteppedClock(START))

    with room(("intake", "routing", "audit")) as where:
        asyncio.run(play(where))
