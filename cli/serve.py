"""One service in a process of its own, until it is told to stop: `python -m cli.serve intake`.

It imports that service and nothing else of ours: neither the other five nor the command line,
which would more than double what a process needs until it is up.
"""

import argparse
import asyncio
import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import uvloop

from cli.places import SERVICES
from libs.eventlog.schema import CannotStart
from libs.telemetry.logs import configure_logs
from libs.timekeeping.clock import Clock, SystemClock

if TYPE_CHECKING:  # `serve` imports the runtime itself, with the service
    from libs.messaging.app import App


def service_modules(name: str) -> "tuple[Callable[[Any, Clock], App], type[Any]]":
    """A service's `build` and its settings class."""
    main = importlib.import_module(f"services.{name}.main")
    config = importlib.import_module(f"services.{name}.config")
    return main.build, config.Settings


def serve(name: str) -> None:
    """Runs a service with its settings from the environment; SIGTERM and Ctrl-C stop it.

    Ends with 1 and a line that says what to do where its database must be seen to first.
    """
    configure_logs(name)
    # What is imported stays: it is not looked through for garbage, neither meanwhile nor later.
    gc.disable()
    build, settings_class = service_modules(name)
    gc.freeze()
    gc.enable()

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
        try:
            runner.run(run())
        except CannotStart as error:
            sys.exit(f"{name} does not start: {error}")


def _owner_gone(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    loop.remove_reader(sys.stdin.fileno())
    stopping.set()


if __name__ == "__main__":
    asked = argparse.ArgumentParser(prog="python -m cli.serve", description=__doc__)
    asked.add_argument(
        "service", choices=SERVICES, help="its settings come from BIHUAN_* variables"
    )
    serve(asked.parse_args().service)
