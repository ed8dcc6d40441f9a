"""The guardian itself: runs one command, and ends it with everything it started when the parent is gone.

Run by its path, isolated and without site-packages, so that it starts in milliseconds; it imports a few built-in
modules and nothing of touchline's. `guardian.start_guarded` is its other half and holds the far end of the control socket.

Protocol. The guardian writes the child's pid and a newline to the control socket. End of file on it, which the kernel
makes when the parent ends for whatever reason, means stop; a number of seconds written before it is the deadline. To
stop: the stop signal to the child, then, past the deadline, SIGKILL to its process group. The guardian leaves with the child's
exit code (128 + n after signal n), and lets go of the files it inherited only then.
"""

import json
import os
import select
import signal
import sys
import time

GRACE_SECONDS = 20.0
"""How long a child may take to stop when the parent died without saying: a broker's orderly stop takes about 2."""

HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)

_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = (
    1,
    8,
    28,
    47,
    2,
)  # linux/prctl.h
_SECBIT_NO_SETUID_FIXUP, _SECBIT_KEEP_CAPS = 1 << 2, 1 << 4  # linux/securebits.h
_CAP_DAC_OVERRIDE = 1  # linux/capability.h
_CAPABILITY_VERSION_3 = 0x20080522


def _become(user: int, group: int) -> None:
    """Leave root for `user`, keeping on Linux the one right to pass through directories that only root may enter.

    The data directory or the virtualenv may lie below such a directory (/root, pytest's 0700), and to open those to
    everybody would be worse. The right is an ambient capability (capabilities(7)), so it outlives exec; where it is
    refused the child runs without it, and says itself what it cannot reach.
    """
    if sys.platform != "linux":
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
        return
    import ctypes  # only here: the import costs more than the rest of this file

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    # Without this access(2), which Postgres asks whether it can read its own files, would disregard the capability.
    libc.prctl(_PR_SET_SECUREBITS, _SECBIT_KEEP_CAPS | _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    bit = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    libc.capset(header, (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0))  # effective, permitted, inheritable
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


def _run(command: list[str], user: int | None, group: int) -> None:
    """In the forked child: a session of its own, the user asked for, then the command. Returns only on failure."""
    try:
        os.setsid()
        for number in (*HANDLED, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        # Blocked since before the fork: a stop that came meanwhile ends us here instead of being lost.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        if user is not None:
            _become(user, group)
        if sys.platform == "linux":
            import ctypes

            # Should the guardian itself be killed. Set after the user changed, which clears it (prctl(2)).
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.execvp(command[0], command)  # noqa: S606 -- no shell is wanted
    except BaseException as error:
        os.write(2, f"could not run {command[0]}: {error!r}\n".encode())
    finally:
        os._exit(127)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
    except PermissionError:  # macOS says so of a group of zombies
        pass


def _watch(child: int, control: int, wakeup: int, stop_signal: int) -> int:
    """Wait for the child's end, stopping it when the control socket ends or SIGTERM comes. Returns its exit code."""
    said = b""
    deadline: float | None = None
    watched = [control, wakeup]
    while True:
        timeout = None if deadline is None else max(deadline - time.monotonic(), 0)
        ready, _, _ = select.select(watched, [], [], timeout)
        stop = False
        if wakeup in ready:
            stop = signal.SIGTERM in os.read(wakeup, 64)
        if control in ready:
            try:
                heard = os.read(control, 64)
            except ConnectionError:
                heard = b""
            said += heard
            if not heard:
                watched.remove(control)
                stop = True
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if stop and deadline is None:
            deadline = time.monotonic() + (float(said) if said else GRACE_SECONDS)
            os.kill(child, stop_signal)
        elif deadline is not None and time.monotonic() >= deadline:
            _kill_group(child)
            deadline = time.monotonic() + 1


def main() -> None:
    """Run what the first argument, a JSON object, asks for: command, control, held, stop_signal, user, group."""
    order = json.loads(sys.argv[1])
    control: int = order["control"]
    for descriptor in [control, *order["held"]]:
        os.set_inheritable(descriptor, False)  # the child must keep neither alive
    wakeup, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    for number in HANDLED:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    child = os.fork()
    if child == 0:
        _run(order["command"], order["user"], order["group"])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
    try:  # noqa: SIM105 -- contextlib is one more import before the command runs
        os.write(control, f"{child}\n".encode())
    except OSError:  # the parent is already gone; the watch below sees the same and stops the child
        pass
    code = _watch(child, control, wakeup, order["stop_signal"])
    _kill_group(child)
    os._exit(code)


if __name__ == "__main__":
    main()
