"""The supervisor, with real processes: what dies runs again, and what is stopped stays stopped, in order."""

import os
import signal
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from streams.errors import StackError
from tests.waiting import eventually
from touchline.stack.guardian import start_guarded
from touchline.supervisor import Part, Process, Supervisor

ENDS_IN_ORDER = """
import pathlib, signal, sys
def end(*_):
    with pathlib.Path(sys.argv[1]).open("a") as log:
        print(sys.argv[2], file=log)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
with pathlib.Path(sys.argv[1]).open("a") as log:
    print("ready", file=log)
signal.pause()
"""


class Foreground:
    """What the supervisor said, and how often it told of a restart."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.restarts = 0

    def count(self) -> None:
        """One more restart."""
        self.restarts += 1


@pytest.fixture
def foreground() -> Foreground:
    """What is said."""
    return Foreground()


@pytest.fixture
def supervisor(foreground: Foreground) -> Iterator[Supervisor]:
    """A supervisor whose processes end with the test."""
    supervisor = Supervisor(foreground.lines.append, foreground.count)
    try:
        yield supervisor
    finally:
        supervisor.stop()


def python(name: str, tmp_path: Path, code: str, *arguments: str) -> Part:
    """A part that runs this code."""

    def start() -> Process:
        command = [sys.executable, "-c", code, *arguments]
        return start_guarded(command, environment=os.environ, log_path=tmp_path / f"{name}.log")

    return Part(name, start, tmp_path / f"{name}.log")


async def test_a_killed_process_runs_again_under_another_id(
    supervisor: Supervisor, foreground: Foreground, tmp_path: Path
) -> None:
    """Its death is told with the signal and where its log is."""
    supervisor.start([python("sleeper", tmp_path, "import signal; signal.pause()")])
    before = supervisor.pids()["sleeper"]
    psutil.Process(before).kill()
    await eventually(lambda: foreground.restarts == 1, 10, "it runs again")
    assert supervisor.pids()["sleeper"] != before
    assert foreground.lines[0] == f"sleeper was ended by SIGKILL, its log is {tmp_path / 'sleeper.log'}; starting it again"
    assert not psutil.pid_exists(before)


async def test_a_process_that_keeps_dying_is_started_more_and_more_seldom(
    supervisor: Supervisor, foreground: Foreground, tmp_path: Path
) -> None:
    """Each restart follows its death by twice the pause of the one before."""
    code = "import pathlib, sys, time; print(time.time(), file=pathlib.Path(sys.argv[1]).open('a')); sys.exit(3)"
    supervisor.start([python("dying", tmp_path, code, str(tmp_path / "starts"))])

    def starts() -> list[float]:
        return [float(line) for line in (tmp_path / "starts").read_text().splitlines()] if foreground.restarts else []

    await eventually(lambda: len(starts()) >= 4, 15, "three restarts")
    pauses = [later - earlier for earlier, later in pairwise(starts()[:4])]
    assert pauses[0] < pauses[1] < pauses[2]
    assert "ended with exit code 3" in foreground.lines[0]


async def test_stop_ends_the_groups_in_reverse_order_and_starts_nothing_again(
    supervisor: Supervisor, foreground: Foreground, tmp_path: Path
) -> None:
    """What others use outlives those who use it."""
    log = tmp_path / "order"
    for name in ("broker", "worker", "ingest"):
        supervisor.start([python(name, tmp_path, ENDS_IN_ORDER, str(log), name)])

    def ready() -> bool:
        return log.exists() and log.read_text().count("ready") == len(supervisor.pids())

    await eventually(ready, 10, "all are ready")
    pids = supervisor.pids().values()
    supervisor.stop()
    assert log.read_text().split()[3:] == ["ingest", "worker", "broker"]
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert foreground.lines == []


def test_a_part_that_cannot_be_started_is_the_callers_error(
    supervisor: Supervisor, foreground: Foreground, tmp_path: Path
) -> None:
    """It is raised as it is, and not tried again."""

    def start() -> Process:
        raise StackError("no room")

    with pytest.raises(StackError, match="no room"):
        supervisor.start([Part("broken", start)])
    assert foreground.lines == []


async def test_a_part_that_cannot_be_started_again_yet_is_tried_until_it_can(
    supervisor: Supervisor, foreground: Foreground, tmp_path: Path
) -> None:
    """A broker whose port is still taken comes back when it is free."""
    sleeper = python("sleeper", tmp_path, "import signal; signal.pause()")
    answers: list[StackError | None] = [None, StackError("port taken"), None]

    def start() -> Process:
        if (error := answers.pop(0)) is not None:
            raise error
        return sleeper.start()

    supervisor.start([Part("sleeper", start)])
    os.kill(supervisor.pids()["sleeper"], signal.SIGKILL)
    await eventually(lambda: foreground.restarts == 1, 10, "it runs again")
    assert "could not be started, trying again" in foreground.lines[1]
    assert "port taken" in foreground.lines[1]


async def test_a_renewed_part_starts_again_and_the_others_go_on(
    supervisor: Supervisor, foreground: Foreground, tmp_path: Path
) -> None:
    """What a process was told at its start can change under it: it is started anew, and told again."""
    supervisor.start([python(name, tmp_path, "import signal; signal.pause()") for name in ("told", "other")])
    before = supervisor.pids()
    supervisor.renew(["told"])
    await eventually(lambda: foreground.restarts == 1, 10, "it runs again")
    assert supervisor.pids()["told"] != before["told"]
    assert supervisor.pids()["other"] == before["other"]
