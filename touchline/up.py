"""`touchline up`: the whole installation in the foreground, from Kafka and Postgres to the reference hub.

Starting, in this order: hold the data directory; Kafka and Postgres at the same time, unless `KAFKA_BOOTSTRAP_SERVERS`
or `DATABASE_URL` replace them; the schema and the topics; hub, connect, workers, ingest; then wait until `GET /health`
answers 200, register the hub, and write `addresses.json`. Stopping goes the other way round, so that what was accepted
is still carried on, and the broker and the database outlive all that use them.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from streams.errors import InvalidInput
from streams.settings import Settings
from touchline.data_directory import held
from touchline.demo import run as demo
from touchline.installation import Installation

INTERRUPTED = 128 + signal.SIGINT
"""The exit code of a demo that was ended before it could tell whether the sums balance, as shells give it."""


def run(
    settings: Settings, data_directory: Path, port: int, workers: int, brokers: int = 1, *, ask_for_keys: bool = False
) -> None:
    """Run everything until Ctrl-C or SIGTERM. Raises StackError when it cannot be started.

    Callers need keys when that is asked for, or TOUCHLINE_AUTHENTICATION says so; all listens on loopback alone.
    """
    asked = ask_for_keys or ("authentication" in settings.model_fields_set and settings.authentication == "keys")
    with (
        stopped_by_signals(),
        running(
            settings, data_directory, port, workers, _say, brokers, authentication="keys" if asked else "none"
        ) as installation,
    ):
        _say(_welcome(installation, data_directory))
        threading.Event().wait()


def run_demo(settings: Settings, data_directory: Path, speed: float | None) -> int:
    """Run the demo on an installation of its own, with one worker and a free port; the demo's exit code.

    The data directory is kept, so that a second run starts sooner; runs do not meet, since each has an id of its own.
    """
    with stopped_by_signals(), running(settings, data_directory, 0, 1, _say) as installation:
        return asyncio.run(demo.run(installation.addresses, settings, speed))
    return INTERRUPTED


@contextmanager
def running(
    settings: Settings,
    data_directory: Path,
    port: int,
    workers: int,
    say: Callable[[str], None],
    brokers: int = 1,
    authentication: Literal["keys", "none"] = "none",
) -> Iterator[Installation]:
    """An installation that is ready; all of it is stopped at the end, however that comes. Raises StackError."""
    if brokers > 1 and "kafka_bootstrap_servers" in settings.model_fields_set:
        raise InvalidInput("--brokers", "KAFKA_BOOTSTRAP_SERVERS names a Kafka; unset it, or leave the option out")
    settings = settings.model_copy(update={"authentication": authentication})
    with held(data_directory):
        installation = Installation(settings, data_directory, port, workers, say, brokers)
        try:
            installation.start()
            yield installation
        finally:
            _leave_at_once_when_asked_again()
            installation.stop()


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """End the block at Ctrl-C or SIGTERM, as something that was asked for."""
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell that starts us in the background has it ignored
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        return


def _leave_at_once_when_asked_again() -> None:
    """A second Ctrl-C ends this process at once; the guardians then stop all that is left."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os._exit(128 + number))


def _say(line: str) -> None:
    """One line to the foreground, at once, also when that is a file or a pipe."""
    print(line, flush=True)


def _welcome(installation: Installation, data_directory: Path) -> str:
    addresses = installation.addresses
    if installation.asks_for_keys:
        callers = f"The API asks for keys: touchline keys create --data-dir {data_directory} --help"
    else:
        callers = "The API asks for no key: whoever is on this machine may do everything; --keys changes that."
    return f"""
  API       {addresses.api}
  Kafka     {addresses.kafka}
  Database  {addresses.database}
  Hub       {addresses.hub}, registered as "{addresses.hub_id}"

{callers}
Logs are in {data_directory / "logs"}. Ctrl-C stops everything."""
