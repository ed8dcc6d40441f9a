"""Keeps processes running: starts them in groups, starts again what dies, and stops the groups in reverse order.

Each process has one thread that starts it and watches it. A process that dies is started again after a back-off,
which doubles while it keeps dying. A process that cannot be started the first time is the caller's error.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from streams.errors import StackError

POLL_SECONDS = 0.05
"""How soon a death is noticed; polling one process is a single waitpid(2)."""
FIRST_BACK_OFF_SECONDS = 0.2
"""Before the first restart: at once, as far as a person can tell, but not a busy loop."""
LONGEST_BACK_OFF_SECONDS = 15.0
"""Before each restart of a process that keeps dying: seldom enough to read its log in between."""
STEADY_SECONDS = 30.0
"""A process that ran this long starts anew with the first back-off."""

PATIENCE_SECONDS = 5.0
"""How long `stop` waits for a part that is just being started; its guardian ends it with us if it starts after that."""


class Process(Protocol):
    """A running process, as the supervisor needs it: a `Guarded`, or an embedded server."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def poll(self) -> int | None:
        """Its exit code, 128 + n after signal n; None while it runs."""

    def stop(self) -> object:
        """End it in good order, by force when that takes too long. Harmless when it has ended."""


@dataclass
class Part:
    """Something to keep running. `start` returns once the process runs; it is called again after each death."""

    name: str
    start: Callable[[], Process]
    log_path: Path | None = None


@dataclass
class _Watched:
    part: Part
    started: Future[Process] = field(default_factory=Future)
    process: Process | None = None
    thread: threading.Thread | None = None


class Supervisor:
    """Keeps parts running. `say` is told in plain words what died and runs again; `on_restart` is called after that."""

    def __init__(self, say: Callable[[str], None], on_restart: Callable[[], None] = lambda: None) -> None:
        self._say = say
        self._on_restart = on_restart
        self._groups: list[list[_Watched]] = []
        self._stopping = threading.Event()

    def start(self, parts: Sequence[Part]) -> None:
        """Start these parts at the same time, and return once all run. Raises what the first of them to fail raised."""
        group = [_Watched(part) for part in parts]
        self._groups.append(group)
        for watched in group:
            watched.thread = threading.Thread(target=self._keep, args=(watched,), name=watched.part.name, daemon=True)
            watched.thread.start()
        for watched in group:
            watched.started.result()

    def pids(self) -> dict[str, int]:
        """The process id of each part that runs."""
        running = [(watched.part.name, watched.process) for group in self._groups for watched in group]
        return {name: process.pid for name, process in running if process is not None}

    def renew(self, names: Iterable[str]) -> None:
        """End these parts; they start again, with what `Part.start` gives them by then."""
        wanted = set(names)
        for group in self._groups:
            for watched in group:
                if watched.part.name in wanted and (process := watched.process) is not None:
                    process.stop()

    def stop(self) -> None:
        """Stop everything, the last group first, and start nothing again."""
        self._stopping.set()
        for group in reversed(self._groups):
            stops = [threading.Thread(target=_stop, args=(watched,), daemon=True) for watched in group]
            for stop in stops:
                stop.start()
            for stop in stops:
                stop.join()

    def _keep(self, watched: _Watched) -> None:
        """One part's thread: start it, wait for its death, start it again; until `stop`."""
        try:
            process = watched.process = watched.part.start()
        except BaseException as error:
            watched.started.set_exception(error)  # `start` raises it where the caller is
            return
        watched.started.set_result(process)
        back_off_seconds, since = FIRST_BACK_OFF_SECONDS, time.monotonic()
        while self._has_died(watched.part, process):
            watched.process = None
            if time.monotonic() - since > STEADY_SECONDS:
                back_off_seconds = FIRST_BACK_OFF_SECONDS
            revived = self._revive(watched.part, back_off_seconds)
            if revived is None:
                return
            process = watched.process = revived
            self._say(f"{watched.part.name} runs again (process {process.pid})")
            self._on_restart()
            back_off_seconds, since = min(2 * back_off_seconds, LONGEST_BACK_OFF_SECONDS), time.monotonic()

    def _has_died(self, part: Part, process: Process) -> bool:
        """Wait for the process's death, and tell of it; False when everything is being stopped instead."""
        while not self._stopping.wait(POLL_SECONDS):
            if (code := process.poll()) is not None:
                log = f", its log is {part.log_path}" if part.log_path else ""
                self._say(f"{part.name} {_end(code)}{log}; starting it again")
                return True
        return False

    def _revive(self, part: Part, back_off_seconds: float) -> Process | None:
        """Start a part until it runs; None when everything is being stopped."""
        while not self._stopping.wait(back_off_seconds):
            try:
                return part.start()
            except StackError as error:
                back_off_seconds = min(2 * back_off_seconds, LONGEST_BACK_OFF_SECONDS)
                self._say(f"{part.name} could not be started, trying again in {back_off_seconds:g} s: {error}")
        return None


def _end(code: int) -> str:
    """How a process ended, in words."""
    with suppress(ValueError):
        return f"was ended by {signal.Signals(code - 128).name}"
    return f"ended with exit code {code}"


def _stop(watched: _Watched) -> None:
    """Stop one part, once its thread has let go of it."""
    if watched.thread is not None:
        watched.thread.join(PATIENCE_SECONDS)
    if watched.process is not None:
        watched.process.stop()
