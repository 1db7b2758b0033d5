"""What the demo shows: a live screen on a terminal, plain lines in a pipe, nothing under --json."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.demo.crowding import Glance
from cli.demo.stage import SHANGHAI
from cli.demo.story import STORY, Beat, Claim

SIDE_WIDTH = 30
NARROW = 100
"""Under so many columns the panels stand below the story."""


class Screen(Protocol):
    """Who is told how the demo goes."""

    def setting_up(self, part: str, line: str) -> None:
        """A server or service makes progress."""

    def begins(self, beat: Beat) -> None:
        """A step of the story begins."""

    def claimed(self, beat: Beat, claims: list[Claim]) -> None:
        """What was claimed of it, and whether it held."""

    def now(self, at: datetime) -> None:
        """The clock was turned."""

    def glanced(self, glance: Glance) -> None:
        """How the whole floor stands."""

    def show(self, thing: RenderableType) -> None:
        """Something to be read at leisure."""

    def close(self) -> None:
        """The story is over; what comes now stays on the screen."""


class Silent:
    """Under --json nobody is told anything on the way."""

    def setting_up(self, part: str, line: str) -> None:
        """Nothing."""

    def begins(self, beat: Beat) -> None:
        """Nothing."""

    def claimed(self, beat: Beat, claims: list[Claim]) -> None:
        """Nothing."""

    def now(self, at: datetime) -> None:
        """Nothing."""

    def glanced(self, glance: Glance) -> None:
        """Nothing."""

    def show(self, thing: RenderableType) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Lines(Silent):
    """One line a step, for pipes and CI."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def setting_up(self, part: str, line: str) -> None:
        """A server or service makes progress."""
        self._console.print(Text(f"{part}: {line}"))

    def begins(self, beat: Beat) -> None:
        """A step of the story begins."""
        self._console.print(Text(f"{beat.at:%a %m-%d %H:%M:%S}  {beat.line}"))

    def claimed(self, _beat: Beat, claims: list[Claim]) -> None:
        """What was claimed of it, and whether it held."""
        for claim in claims:
            self._console.print(Text(f"    {'✓' if claim.held else '✗'} {claim.text}"))

    def show(self, thing: RenderableType) -> None:
        """Something to be read at leisure."""
        self._console.print(thing)


class Wall(Silent):
    """The live screen: the story on the left, the floor on the right."""

    def __init__(self, console: Console, seconds: Callable[[], float] = time.perf_counter) -> None:
        self._console = console
        self._seconds = seconds
        self._at: datetime | None = None
        self._setup: dict[str, str] = {}
        self._told: list[tuple[Beat, list[Claim]]] = []
        self._glance: Glance | None = None
        self._pace = 0.0
        self._seen: tuple[float, int] | None = None
        self._live = Live(
            get_renderable=self.render, console=console, refresh_per_second=6, transient=True
        )
        self._live.start()

    def setting_up(self, part: str, line: str) -> None:
        """A server or service makes progress."""
        self._setup[part] = line

    def begins(self, beat: Beat) -> None:
        """A step of the story begins."""
        self._at = beat.at
        self._told.append((beat, []))

    def claimed(self, beat: Beat, claims: list[Claim]) -> None:
        """What was claimed of it, and whether it held."""
        self._told[-1] = (beat, claims)

    def now(self, at: datetime) -> None:
        """The clock was turned."""
        self._at = at

    def glanced(self, glance: Glance) -> None:
        """How the whole floor stands; events a second of real time between two glances."""
        seconds = self._seconds()
        if self._seen is not None and seconds > self._seen[0]:
            self._pace = (glance.events - self._seen[1]) / (seconds - self._seen[0])
        self._seen = (seconds, glance.events)
        self._glance = glance

    def show(self, thing: RenderableType) -> None:
        """Something to be read at leisure."""
        self._console.print(thing)

    def close(self) -> None:
        """The story is over: it stays on the screen in full, what comes now below it."""
        if not self._live.is_started:
            return
        self._live.stop()
        if self._told:
            self._console.print(self.render(whole=True))

    # -- drawing ---------------------------------------------------------------------------------

    def render(self, *, whole: bool = False) -> RenderableType:
        """The screen as it is now."""
        if self._at is None:
            return self._starting()
        wide = self._console.width >= NARROW
        room = 10_000 if whole else self._console.height - (5 if wide else 19)
        story = Panel(
            self._story(room, whole=whole), title="闭环 one complaint", border_style="cyan"
        )
        if self._glance is None:
            return Group(self._head(), story)
        if not wide:
            return Group(self._head(), story, self._floor(self._glance, narrow=True))
        both = Table.grid(padding=(0, 1), expand=True)
        both.add_column(ratio=1)
        both.add_column(width=SIDE_WIDTH)
        both.add_row(story, self._floor(self._glance, narrow=False))
        return Group(self._head(), both)

    def _starting(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for part, line in self._setup.items():
            table.add_row(Text(part, style="bold"), Text(line, style="dim"))
        return Panel(table, title="闭环 Bihuan is starting", border_style="cyan")

    def _head(self) -> RenderableType:
        assert self._at is not None
        line = Table.grid(expand=True, padding=(0, 1))
        line.add_column(no_wrap=True)
        line.add_column(ratio=1)
        line.add_column(no_wrap=True)
        line.add_row(
            Text(f"{self._at.astimezone(SHANGHAI):%a %Y-%m-%d %H:%M:%S}", style="bold"),
            ProgressBar(total=len(STORY), completed=len(self._told)),
            Text(f"{self._pace:,.0f} events/s", style="dim"),
        )
        return line

    def _story(self, room: int, *, whole: bool) -> RenderableType:
        """The last lines of the story; while it is live each takes one line, cut where it ends."""
        lines: list[Text] = []
        for beat, claims in self._told:
            lines.append(Text.assemble((f"{beat.at:%a %H:%M:%S} ", "dim"), (beat.line, "bold")))
            for claim in claims:
                mark = ("  ✓ ", "green") if claim.held else ("  ✗ ", "bold red")
                lines.append(Text.assemble(mark, claim.text))
        if not whole:
            for line in lines:
                line.no_wrap, line.overflow = True, "ellipsis"
        return Group(*lines[-max(3, room) :])

    def _floor(self, glance: Glance, *, narrow: bool) -> RenderableType:
        panels = [
            _panel("complaints 投诉", ("told", glance.told), ("closed", glance.closed)),
            _panel(
                "clocks 时限",
                ("kept", glance.met),
                ("broken", glance.breached, "red" if glance.breached else ""),
                ("at 10015", glance.desk),
            ),
            _panel("queues 队列", *glance.loads),
            _panel(
                "satisfaction 满意度",
                ("asked and ended", glance.concluded),
                ("satisfied", f"{glance.satisfied} of {glance.answered}"),
            ),
        ]
        return Columns(panels, equal=True) if narrow else Group(*panels)


def _panel(title: str, *rows: tuple[str, object] | tuple[str, object, str]) -> Panel:
    table = Table.grid(expand=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for row in rows:
        style = row[2] if len(row) == 3 else ""
        table.add_row(Text(row[0]), Text(str(row[1]), style=style or "bold"))
    return Panel(table, title=title, border_style="dim")
