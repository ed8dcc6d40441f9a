"""What the demo shows while it runs and at its end: a live view on a terminal, a line a second anywhere else."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from touchline.demo.balance import Line
from touchline.demo.heard import Latency

LINE_SECONDS = 1.0
"""How often the plain view writes a line."""
BAR_COLUMNS = 60


@dataclass(frozen=True)
class Moment:
    """How things stand. `progress` is 0 to 1, `instant` the recording's own time; counts and lag are by stage."""

    progress: float
    instant: datetime
    counts: dict[str, int]
    lag_records: dict[str, int]
    last_goals: Sequence[dict[str, Any]] = field(default=())


class View(Protocol):
    """Shows moments while it is entered."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave the last moment standing."""

    def show(self, moment: Moment) -> None:
        """Show how things stand now."""


class LiveView:
    """Draws over itself: progress, the last goals, counts and lag."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=10)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()

    def show(self, moment: Moment) -> None:
        """Draw the moment."""
        bar = Table.grid()
        bar.add_row(ProgressBar(total=1, completed=moment.progress, width=BAR_COLUMNS))
        when = Text(f"{moment.instant:%A %d %B %Y %H:%M} UTC, {moment.progress:.0%} of the tournament", style="bold")
        goals = Table(title="Last goals", title_justify="left", box=None, show_header=False)
        for goal in reversed(moment.last_goals):
            goals.add_row(f"{goal['minute']}'", goal_text(goal), goal["scorer"])
        self._live.update(Group(when, bar, _numbers("So far", moment.counts), _numbers("Waiting", moment.lag_records), goals))


class PlainView:
    """Writes a line a second: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last_at_seconds = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def show(self, moment: Moment) -> None:
        """Write the moment, unless one was written less than a second ago."""
        now = time.monotonic()
        if now - self._last_at_seconds >= LINE_SECONDS:
            self._last_at_seconds = now
            print(plain_line(moment), file=self._console.file, flush=True)


def view_on(console: Console) -> View:
    """The live view on a terminal, the plain one anywhere else."""
    return LiveView(console) if console.is_terminal else PlainView(console)


def plain_line(moment: Moment) -> str:
    """One moment as one line. Pure."""
    counts = " ".join(f"{name}={count}" for name, count in moment.counts.items())
    lag = sum(moment.lag_records.values())
    last = f' last="{goal_text(moment.last_goals[-1])}"' if moment.last_goals else ""
    return f"{moment.progress:4.0%} {moment.instant:%Y-%m-%dT%H:%MZ} {counts} lag={lag}{last}"


def goal_text(goal: dict[str, Any]) -> str:
    """A goal's game and score: `Mexico 1-0 South Africa`. `goal` is the event's payload. Pure."""
    score = goal["score"]
    return f"{goal['home_team']} {score['home']}-{score['away']} {goal['away_team']}"


def print_summary(console: Console, lines: Sequence[Line], moment: Moment, latency: Latency) -> None:
    """The sums, the counts, the latency, and in words what does not balance."""
    table = Table(title="The 2026 World Cup through touchline", title_justify="left")
    for heading in ("", "expected", "found", ""):
        table.add_column(heading, justify="left" if heading == "" else "right")
    for line in lines:
        table.add_row(line.what, str(line.expected), str(line.found), "ok" if line.balances else "WRONG")
    table.add_section()
    for name, count in moment.counts.items():
        table.add_row(f"{name}, in all", "", str(count), "")
    table.add_row("accept to inject, measured", "", str(latency.injects), "")
    table.add_row("accept to inject, p50", "", _milliseconds(latency.p50_ms), "")
    table.add_row("accept to inject, p99", "", _milliseconds(latency.p99_ms), "")
    console.print(table)
    faults = [line.fault for line in lines if not line.balances]
    for fault in faults:
        console.print(fault, style="bold red", highlight=False)
    console.print("The sums do not balance." if faults else "The sums balance.", style="bold")


def _numbers(title: str, numbers: dict[str, int]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in numbers:
        table.add_column(name, justify="right")
    table.add_row(*map(str, numbers.values()))
    return table


def _milliseconds(value: float | None) -> str:
    return "nothing arrived" if value is None else f"{value:.1f} ms"
