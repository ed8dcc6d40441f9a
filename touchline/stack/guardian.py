"""Start a command so that it never outlives us: a guardian process holds a socket to us and stops the command at its end.

The kernel closes our end however we end, kill -9 included; nothing that must run in this process is relied on. The
guardian and the command each have a session of their own, so that a Ctrl-C or a kill of our process group reaches
neither, and what stops them, in which order, stays ours to say. See `guardian_process` for the protocol.
"""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from streams.errors import StackError
from touchline.stack import guardian_process

STOP_SECONDS = 20.0
"""How long an orderly stop may take before SIGKILL: a broker takes about 2, a loaded one more."""


class User(NamedTuple):
    """Whom to run a command as, when we are root and it must not be."""

    user_id: int
    group_id: int


class Guarded:
    """A running command. `pid` is the command's own process, not its guardian's."""

    def __init__(self, guardian: subprocess.Popen[bytes], control: socket.socket, pid: int, name: str) -> None:
        self.pid = pid
        self._guardian = guardian
        self._control = control
        self._name = name

    def poll(self) -> int | None:
        """The command's exit code, 128 + n after signal n; None while it runs."""
        code = self._guardian.poll()
        return None if code is None else _exit_code(code)

    def wait(self, timeout_seconds: float | None = None) -> int:
        """Wait for the command's end and return its exit code. Raises TimeoutError."""
        try:
            return _exit_code(self._guardian.wait(timeout_seconds))
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{self._name} still runs after {timeout_seconds} s") from error

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> int:
        """Stop the command: its stop signal, and SIGKILL to all its process group after `timeout_seconds`.

        Returns the exit code, at once when it has ended already. Raises StackError when it survives even that.
        """
        try:
            self._control.sendall(f"{timeout_seconds}".encode())
            self._control.shutdown(socket.SHUT_RDWR)
        except OSError:  # it ended on its own, or was stopped before
            pass
        self._control.close()
        try:
            return _exit_code(self._guardian.wait(timeout_seconds + 10))
        except subprocess.TimeoutExpired as error:
            raise StackError(f"{self._name} (process {self.pid}) does not end; kill it by hand") from error


def start_guarded(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    log_path: Path,
    stop_signal: signal.Signals = signal.SIGTERM,
    user: User | None = None,
    held: Sequence[int] = (),
) -> Guarded:
    """Start `command` with exactly this environment; what it prints is appended to `log_path`.

    The guardian inherits the open files `held` and closes them when the command has ended: a lock among them is let go
    no sooner. Raises StackError when it cannot be started.
    """
    words = [str(word) for word in command]
    ours, theirs = socket.socketpair()
    order = {
        "command": words,
        "control": theirs.fileno(),
        "held": list(held),
        "stop_signal": int(stop_signal),
        "user": None if user is None else user.user_id,
        "group": 0 if user is None else user.group_id,
    }
    try:
        with log_path.open("ab") as log:
            guardian = subprocess.Popen(
                [sys.executable, "-I", "-S", guardian_process.__file__, json.dumps(order)],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno(), *held],
                start_new_session=True,
            )
    except OSError as error:
        ours.close()
        raise StackError(f"could not start {words[0]}: {error}") from error
    finally:
        theirs.close()
    with ours.makefile("rb") as said:
        pid = said.readline()
    if not pid:
        ours.close()
        raise StackError(f"could not start {words[0]}; see {log_path}")
    return Guarded(guardian, ours, int(pid), Path(words[0]).name)


def _exit_code(code: int) -> int:
    """A guardian leaves with its command's code. One that was killed itself took the command with it, by the same signal."""
    return code if code >= 0 else 128 - code
