"""A whole installation to measure: `touchline up`, a hub that answers at once, and how much of the cores each process uses."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
from aiohttp import ClientSession, TCPConnector, web

from tests.acceptance.installation import Command
from touchline.addresses import Addresses

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
        app = web.Application()
        app.router.add_post("/api/hub-control/{hub_id}/{route}", self._inject)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}"
        try:
            yield
        finally:
            await runner.cleanup()

    async def _inject(self, request: web.Request) -> web.Response:
        body = await request.read()
        now = time.monotonic()
        self.received += 1
        self.received_at.setdefault(self._decode(body).event.payload.number, now)
        return web.json_response({"status": "completed"})


class Whole:
    """A running installation, and a client for it."""

    def __init__(self, addresses: Addresses, http: ClientSession) -> None:
        self.addresses = addresses
        self._http = http

    async def post(self, path: str, body: Any, status: int) -> Any:
        """POST JSON, or bytes as NDJSON. Raises AssertionError for another status."""
        told = (
            {"data": body, "headers": {"content-type": "application/x-ndjson"}} if isinstance(body, bytes) else {"json": body}
        )
        async with self._http.post(self.addresses.api + path, **told) as answer:
            assert answer.status == status, f"POST {path}: {answer.status} {await answer.text()}"
            return await answer.json()

    async def status_of(self, path: str, body: dict[str, object]) -> int:
        """POST JSON; the answer's status."""
        async with self._http.post(self.addresses.api + path, json=body) as answer:
            await answer.read()
            return answer.status

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
        async with ClientSession(connector=TCPConnector(limit=0)) as http:
            yield Whole(addresses, http)
    finally:
        command.stop()


def percentile(values: list[float], share: float) -> float:
    """The value that this share of them does not exceed (nearest rank), rounded to 0.1."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1) if ordered else 0.0
