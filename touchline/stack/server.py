"""A server in a data directory, started until it answers: what the embedded Kafka and Postgres have in common."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog

from streams.errors import StackError
from touchline.stack.guardian import Guarded
from touchline.stack.lock import locked

START_DEADLINE_SECONDS = 60.0
"""Either starts within 2 s; this leaves room for a loaded machine, and for the recovery of a long log after kill -9."""
POLL_SECONDS = 0.02
LOG_TAIL_LINES = 20
"""Enough to hold a Java exception's cause, short enough to read in a terminal."""

log = structlog.get_logger()


class Server(ABC):
    """A server whose data, ports and log live in `data_directory`, and survive it."""

    name: str

    def __init__(self, data_directory: Path) -> None:
        self.data_directory = data_directory.absolute()
        self.log_path = self.data_directory / f"{self.name}.log"
        self._process: Guarded | None = None

    @property
    @abstractmethod
    def address(self) -> str:
        """Where clients connect."""

    @property
    def pid(self) -> int:
        """The server's main process. Raises StackError before `start`."""
        if self._process is None:
            raise StackError(f"{self.name} has not been started")
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, 128 + n after signal n, 0 when it was never started; None while it runs."""
        return 0 if self._process is None else self._process.poll()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, also after it died, and return when it answers. Blocks.

        Raises StackError, with the end of its log, when it does not.
        """
        self.stop()
        try:
            self.data_directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StackError(f"{self.name}'s data has no place: {error}. Choose another --data-dir") from error
        with locked(self.data_directory) as lock:
            self._prepare(lock)
            began = time.monotonic()
            self._process = self._launch(lock)
        try:
            self._wait_until_ready(self._process, began + START_DEADLINE_SECONDS)
        except BaseException:
            self.stop()
            raise
        log.info("server_started", server=self.name, address=self.address, seconds=round(time.monotonic() - began, 2))

    def stop(self) -> None:
        """Stop it in good order; nothing of it is left. Harmless when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()

    @abstractmethod
    def _prepare(self, lock: int) -> None:
        """Make what a first start needs, and choose the ports. What is run for it inherits the directory's lock."""

    @abstractmethod
    def _launch(self, lock: int) -> Guarded:
        """Start its process, which inherits the directory's lock."""

    @abstractmethod
    async def _answers(self) -> bool:
        """Whether it serves a client now."""

    def _finish(self, process: Guarded, deadline_seconds: float, what: str) -> None:
        """Wait for a preparation's end. Raises StackError saying what it could not do."""
        try:
            code: int | None = process.wait(deadline_seconds)
        except TimeoutError:
            code = None
        finally:
            process.stop()
        if code != 0:
            raise self._failure(f"could not {what}")

    def _wait_until_ready(self, process: Guarded, deadline: float) -> None:
        while not _awaited(self._answers()):
            if process.poll() is not None:
                raise self._failure("ended while it started")
            if time.monotonic() > deadline:
                raise self._failure(f"did not answer within {START_DEADLINE_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)

    def _failure(self, what: str) -> StackError:
        lines = self.log_path.read_text(errors="replace").splitlines() if self.log_path.exists() else []
        tail = "\n".join(lines[-LOG_TAIL_LINES:])
        return StackError(f"{self.name} {what}. The end of {self.log_path}:\n{tail}")


def _awaited(question: Coroutine[Any, Any, bool]) -> bool:
    """Await `question` on a loop in a thread of its own: whether one runs in the caller's does not matter."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, question).result()
