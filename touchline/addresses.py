"""Where each part of a running `touchline up` listens: `addresses.json` in its data directory."""

import os
from pathlib import Path

import msgspec

from streams.errors import StackError

FILE_NAME = "addresses.json"


class Addresses(msgspec.Struct):
    """One installation's addresses. The file exists only while the installation is ready.

    `api` and `hub` are base URLs, the hub is registered as `hub_id`; `kafka` has the bootstrap addresses with commas
    between, `database` is a Postgres URL. `pids` maps each process (`up`, `ingest`, `worker-1`, ..., `connect`, `hub`, and,
    when embedded, `postgres` and `kafka`, or `kafka-1` to `kafka-3`) to its process id.
    """

    api: str
    kafka: str
    database: str
    hub: str
    hub_id: str
    pids: dict[str, int] = {}

    def write(self, data_directory: Path) -> None:
        """Write the file as a whole or not at all: a reader never sees half of it."""
        path = data_directory / FILE_NAME
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)  # a database URL may hold a password
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
        os.replace(fresh, path)  # noqa: PTH105 -- the call that is atomic by POSIX rename(2)


def read_addresses(data_directory: Path) -> Addresses:
    """The addresses of the installation that runs there. Raises StackError when none is ready."""
    try:
        return msgspec.json.decode((data_directory / FILE_NAME).read_bytes(), type=Addresses)
    except FileNotFoundError as error:
        raise StackError(f"nothing is running in {data_directory}; start it with: touchline up") from error


def forget_addresses(data_directory: Path) -> None:
    """Remove the file: what it says is no longer, or not yet, true."""
    (data_directory / FILE_NAME).unlink(missing_ok=True)
