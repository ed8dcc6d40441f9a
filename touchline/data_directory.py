"""The directory one installation keeps everything in: data, logs, its signing key, and the lock that makes it the only one."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.errors import StackError

KEY_BYTES = 32
"""Length of a new signing key: that of the hash it is used with (HMAC-SHA256; RFC 2104, section 3)."""


@contextmanager
def held(data_directory: Path) -> Iterator[None]:
    """Make the directory if need be, and hold it alone until the end. Raises StackError when another process holds it.

    The lock is the kernel's (flock(2)), so it ends with its holder, however that ends.
    """
    try:
        data_directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(data_directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StackError(f"{data_directory} cannot be used as a data directory: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode() or "unknown"
            raise StackError(
                f"{data_directory} is in use by another touchline (process {holder}); stop it, or choose another --data-dir"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def signing_key(data_directory: Path) -> str:
    """This directory's signing key, made at the first call and readable by its owner alone."""
    path = data_directory / "signing.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(KEY_BYTES))
    return path.read_text()


def log_path(data_directory: Path, name: str) -> Path:
    """Where the process of that name writes its log."""
    directory = data_directory / "logs"
    directory.mkdir(exist_ok=True)
    return directory / f"{name}.log"
