"""All that the routes stand on, begun and ended together: the producer, the database, the rows, the processes, the pulse.

Each is begun in the background and tried again until it works, so that ingest starts, and says what is missing, on a
machine where nothing else runs yet.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Protocol, TypeVar

import structlog
from aiokafka.errors import KafkaError
from fastapi import Depends, Request

from ingest.database import Database
from ingest.processes import Processes
from ingest.producer import Producer
from streams.errors import Unavailable
from streams.heartbeat import Heartbeat
from streams.pulse import Pulse
from streams.rows import Rows
from streams.settings import Settings

log = structlog.get_logger()

RETRY_SECONDS = 0.5
"""Pause before something that could not begin is tried again."""
LIVE_SECONDS = 5.0
"""How long a write waits until it is live everywhere: a worker that is that late is rebalancing, and the client may go on."""

END_SECONDS = 8.0
"""How long a part may take to stop: longer than an accept may wait, shorter than a supervisor's patience."""


class _Part(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


PartType = TypeVar("PartType", bound=_Part)


class Connections:
    """One process's connections. `producer` and `database` are always there to ask; `rows` only once they are loaded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.producer = Producer(settings)
        self.database = Database(settings)
        self.processes = Processes(settings)
        self._rows: Rows | None = None
        self._pulse: Pulse | None = None
        self._begun: dict[str, _Part] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin with all of them; returns at once."""
        await self.database.start()
        await self.producer.start()
        self._task = asyncio.create_task(self._begin_all(), name="connections")

    async def stop(self) -> None:
        """End them, the pulse first, so that nobody waits for this process any more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for part in (*reversed(self._begun.values()), self.producer, self.database):
            await _end(part)

    @property
    def rows(self) -> Rows:
        """The rows, loaded. Raises Unavailable as long as they are not."""
        if self._rows is None:
            raise Unavailable("the rows have not been read from Kafka yet; nothing was accepted, send it again later")
        return self._rows

    def missing(self) -> list[str]:
        """Which of this process's own parts do not work yet."""
        return [name for name in ("rows", "processes", "pulse") if name not in self._begun]

    async def until_live(self, table: str, key: str, transaction_id: int, roles: tuple[str, ...]) -> bool:
        """Wait until every living process of `roles` has applied the change this transaction made to row `key`.

        False when that took longer than `LIVE_SECONDS`: the row is safe in Postgres, and will be live later.
        """
        deadline_seconds = asyncio.get_running_loop().time() + LIVE_SECONDS
        if self._pulse is None:
            return False
        offset = await self.rows.wait_for(table, key, transaction_id, LIVE_SECONDS)
        if offset is None:
            return False
        reached = offset  # the lambda's own, since `offset` may be None to a type checker
        return await self.processes.until(
            lambda word: word.applied.get(table, 0) > reached, roles, self._pulse.process, deadline_seconds
        )

    def _describe(self, heartbeat: Heartbeat) -> None:
        heartbeat.stages = {"ingest": []}
        heartbeat.applied = dict(self.rows.applied)

    def _on_applied(self) -> None:
        if self._pulse is not None:
            self._pulse.beat()

    async def _begin_all(self) -> None:
        self._rows = await self._begin("rows", lambda: Rows(self.settings, on_applied=self._on_applied))
        await self._begin("processes", lambda: self.processes)
        self._pulse = await self._begin("pulse", lambda: Pulse(self.settings, "ingest", self._describe))

    async def _begin(self, name: str, make: Callable[[], PartType]) -> PartType:
        """Make and start a part, a new one for every attempt, until one works."""
        while True:
            part = make()
            try:
                await part.start()
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("part_not_begun", part=name, error=repr(error), retry_seconds=RETRY_SECONDS)
                await _end(part)
                await asyncio.sleep(RETRY_SECONDS)
            except asyncio.CancelledError:
                await _end(part)
                raise
            else:
                self._begun[name] = part
                log.info("part_begun", part=name)
                return part


async def _end(part: _Part) -> None:
    """Stop one part; whatever is wrong with it must not keep the others from being stopped."""
    try:
        async with asyncio.timeout(END_SECONDS):
            await part.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        log.warning("part_not_ended", part=type(part).__name__, error=repr(error))


async def connections(request: Request) -> Connections:  # a plain function would be sent to a thread at every request
    """The application's connections, for a route to ask for."""
    found: Connections = request.app.state.connections
    return found


Connected = Annotated[Connections, Depends(connections)]
