"""One service in a process of its own, until it is told to stop."""

import asyncio
import os
import signal
import sys

import uvloop

from cli.system import service_modules
from libs.telemetry.logs import configure_logs
from libs.timekeeping.clock import SystemClock


def serve(name: str) -> None:
    """Runs a service with its settings from the environment; SIGTERM and Ctrl-C stop it."""
    configure_logs(name)
    build, settings_class = service_modules(name)

    async def run() -> None:
        app = build(settings_class(), SystemClock())
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        if os.environ.get("BIHUAN_LEASHED"):
            # Nobody writes there: it can be read once whoever started us is gone, even by SIGKILL.
            loop.add_reader(sys.stdin.fileno(), _owner_gone, loop, stopping)
        await app.start()
        try:
            await stopping.wait()
        finally:
            await app.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def _owner_gone(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    loop.remove_reader(sys.stdin.fileno())
    stopping.set()
