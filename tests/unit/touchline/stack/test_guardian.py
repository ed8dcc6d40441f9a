"""The guardian, with real processes."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from streams.errors import StackError
from tests.waiting import eventually
from touchline.stack.guardian import Guarded, start_guarded

PATIENT = "import signal, sys; print('ready', flush=True); signal.pause()"
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('ready', flush=True)
while True:
    signal.pause()
"""
PARENT = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]]).wait()"


def _start(tmp_path: Path, *arguments: str, stop_signal: signal.Signals = signal.SIGTERM) -> Guarded:
    command = [sys.executable, "-c", *arguments]
    return start_guarded(command, environment=os.environ, log_path=tmp_path / "log", stop_signal=stop_signal)


async def _ready(tmp_path: Path) -> None:
    await eventually(lambda: "ready" in (tmp_path / "log").read_text(), 10, "the command runs")


async def test_stop_sends_the_signal_that_was_chosen(tmp_path: Path) -> None:
    """Each command has its own signal for an orderly stop; the exit code tells that it was the one received."""
    process = _start(tmp_path, PATIENT, stop_signal=signal.SIGUSR1)
    await _ready(tmp_path)
    assert process.poll() is None
    assert process.stop() == 128 + signal.SIGUSR1
    assert process.poll() == 128 + signal.SIGUSR1


def test_a_stop_that_comes_at_once_is_not_lost(tmp_path: Path) -> None:
    """Between fork and exec a signal could be swallowed, and the stop would take until its deadline."""
    for _ in range(20):
        assert _start(tmp_path, PATIENT).stop(timeout_seconds=60) == 128 + signal.SIGTERM


async def test_a_command_that_does_not_stop_is_killed_after_the_deadline(tmp_path: Path) -> None:
    """The deadline given to stop holds, not the command's will."""
    process = _start(tmp_path, STUBBORN)
    await _ready(tmp_path)
    assert process.stop(timeout_seconds=0.1) == 128 + signal.SIGKILL


async def test_what_the_command_started_is_gone_with_it(tmp_path: Path) -> None:
    """A grandchild that ignores the signal does not outlive the command."""
    process = _start(tmp_path, PARENT, STUBBORN)
    await _ready(tmp_path)
    (grandchild,) = psutil.Process(process.pid).children()
    process.stop()
    await eventually(lambda: not grandchild.is_running(), 5, "the grandchild is gone")


@pytest.mark.skipif(sys.platform != "linux", reason="needs the parent-death signal, which is Linux's")
async def test_a_killed_guardian_takes_its_command_with_it(tmp_path: Path) -> None:
    """Nothing is left unguarded, not even when the guardian itself is killed."""
    process = _start(tmp_path, PATIENT)
    await _ready(tmp_path)
    command = psutil.Process(process.pid)
    command.parent().kill()  # type: ignore[union-attr]  # it has one: the guardian
    await eventually(lambda: not command.is_running() or command.status() == psutil.STATUS_ZOMBIE, 5, "the command is gone")
    assert process.poll() == 128 + signal.SIGKILL


def test_the_exit_code_is_the_commands(tmp_path: Path) -> None:
    """The guardian leaves with the code of the command, and what it printed is in the log."""
    process = _start(tmp_path, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)")
    assert process.wait(10) == 7
    assert process.stop() == 7
    assert sorted((tmp_path / "log").read_text().split()) == ["err", "out"]


def test_a_command_that_does_not_exist_says_so_in_the_log(tmp_path: Path) -> None:
    """The shell's exit code for it, and a line that names it."""
    process = start_guarded(["/nowhere/command"], environment={}, log_path=tmp_path / "log")
    assert process.wait(10) == 127
    assert "/nowhere/command" in (tmp_path / "log").read_text()


def test_a_log_that_cannot_be_written_is_a_stack_error(tmp_path: Path) -> None:
    """Nothing is started without a place for what it prints."""
    with pytest.raises(StackError, match="could not start"):
        start_guarded([sys.executable], environment={}, log_path=tmp_path / "nowhere" / "log")
