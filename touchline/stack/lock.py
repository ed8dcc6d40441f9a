"""A data directory has one owner at a time, until all that the owner started has ended."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.errors import StackError

DEADLINE_SECONDS = 40.0
"""How long to wait for a predecessor that is still stopping: twice what that may take."""
POLL_SECONDS = 0.05


@contextmanager
def locked(directory: Path) -> Iterator[int]:
    """Hold the directory's lock, an open file. Whoever inherits the file holds the lock too, for as long as it lives.

    Waits for a predecessor to end, so that a restart never meets one that is still stopping. Raises StackError when it
    does not.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not _taken(descriptor):
            if time.monotonic() > deadline:
                raise StackError(f"another touchline runs in {directory}; stop it, or choose another --data-dir")
            time.sleep(POLL_SECONDS)  # flock(2) has no deadline of its own
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
