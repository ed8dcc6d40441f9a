"""A whole installation to measure: `touchline up`, a hub that answers at once, and how much of the cores each process uses."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil

from connectors.hub.connection import Reply
from tests.acceptance.installation import Command
from tests.benchmarks.lean_http import LeanClient, LeanServer, json_answer
from touchline.addresses import Addresses

WARM_UP_SHARE = 0.2
"""How much of a pace warms up, and is not counted."""
NO_QUOTA = {"TOUCHLINE_WORKSPACE_MAX_TRIGGERS": "10000000"}
"""All rows of a benchmark lie in one workspace."""


class _Payload(msgspec.Struct):
    number: int


class _Event(msgspec.Struct):
    payload: _Payload


class _Inject(msgspec.Struct):
    event: _Event


class Hub:
    """Answers every inject with completed, and notes when the event of that number came, and how often."""

    def __init__(self) -> None:
        self.received_at: dict[int, float] = {}
        self.received = 0
        self.base_url = ""
        self._decode = msgspec.json.Decoder(_Inject).decode

    def forget(self) -> None:
        """Begin anew."""
        self.received_at, self.received = {}, 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen on a free port."""
        completed = json_answer(b'{"status":"completed"}')
        server = await asyncio.get_running_loop().create_server(lambda: LeanServer(self._inject, completed), "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        self.base_url = f"http://{host}:{port}"
        try:
            yield
        finally:
            server.close()

    def _inject(self, body: bytes) -> None:
        now = time.monotonic()
        self.received += 1
        self.received_at.setdefault(self._decode(body).event.payload.number, now)


class Whole:
    """A running installation, and a client for it."""

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses
        self.client = LeanClient(addresses.api)

    async def post(self, path: str, body: Any, status: int) -> Any:
        """POST JSON, or bytes as NDJSON. Raises AssertionError for another status."""
        reply = await self._post(path, body)
        assert reply.status_code == status, f"POST {path}: {reply.status_code} {reply.body!r}"
        return msgspec.json.decode(reply.body or b"null")

    async def status_of(self, path: str, body: dict[str, object]) -> int:
        """POST JSON; the answer's status."""
        return (await self._post(path, body)).status_code

    async def _post(self, path: str, body: Any) -> Reply:
        if isinstance(body, bytes):
            return await self.client.post(path, body, "application/x-ndjson")
        return await self.client.post(path, msgspec.json.encode(body), "application/json")

    @contextmanager
    def cores(self) -> Iterator[dict[str, float]]:
        """How much of a core each process uses during the block; the dictionary is filled at its end."""
        used: dict[str, float] = {}
        began, before = time.monotonic(), self._cpu_seconds()
        yield used
        seconds = time.monotonic() - began
        used |= {name: round((cpu - before[name]) / seconds, 2) for name, cpu in self._cpu_seconds().items()}

    def _cpu_seconds(self) -> dict[str, float]:
        own = {name: psutil.Process(pid) for name, pid in self.addresses.pids.items() if name != "up"}
        times = {name: process.cpu_times() for name, process in (own | {"this client": psutil.Process()}).items()}
        return {name: used.user + used.system for name, used in times.items()}


@asynccontextmanager
async def whole_installation(directory: Path) -> AsyncIterator[Whole]:
    """`touchline up` with one worker, on its own Kafka and Postgres, ready; stopped at the end."""
    command = Command("up", directory, "--port", "0", environment=NO_QUOTA)
    try:
        addresses = await command.ready()
        whole = Whole(addresses)
        yield whole
        whole.client.close()
    finally:
        command.stop()


def percentile(values: list[float], share: float) -> float:
    """The value that this share of them does not exceed (nearest rank), rounded to 0.1."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1) if ordered else 0.0
