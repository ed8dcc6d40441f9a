"""A producer: a small worker that watches a data source, compares with what it saw last, and emits facts.

An app adds its own by writing `poll` and `diff`; nothing here or below is touched for it.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import httpx
import structlog

from streams.errors import Unavailable
from streams.event import Event

Snapshot = TypeVar("Snapshot")

log = structlog.get_logger()


class Publisher(Protocol):
    """Where facts go."""

    async def publish(self, events: Sequence[Event]) -> None:
        """Return when every event is on disk at the broker; raise Unavailable when that is not known of all."""


class Producer(ABC, Generic[Snapshot]):
    """Watches one data source. What it saw last is remembered only once its facts are published.

    So nothing is lost when publishing fails: the next poll finds the same facts again, with the same ids, which is why
    `diff` must derive them from the fact (`streams.event.derived_id`) and never draw them.
    """

    def __init__(self, publisher: Publisher, interval_seconds: float) -> None:
        self.publisher = publisher
        self.interval_seconds = interval_seconds
        self.seen: Snapshot | None = None

    @abstractmethod
    async def poll(self) -> Snapshot:
        """The source as it is now. Raises Unavailable when it does not answer."""

    @abstractmethod
    def diff(self, before: Snapshot | None, after: Snapshot) -> list[Event]:
        """The facts between two snapshots, oldest first; `before` is None in a new process. Pure."""

    async def step(self) -> int:
        """Poll once, publish what is new, remember it. Returns the number of facts. Raises Unavailable."""
        after = await self.poll()
        facts = self.diff(self.seen, after)
        if facts:
            await self.publisher.publish(facts)
        self.seen = after
        return len(facts)

    async def run(self) -> None:
        """Watch until cancelled: a step each interval. While the source or the broker is away, it tries again."""
        while True:
            try:
                await self.step()
            except Unavailable as error:
                log.warning("producer_waits", producer=type(self).__name__, reason=str(error))
            await asyncio.sleep(self.interval_seconds)


INTERVAL_SECONDS = 1.0
"""How often an endpoint is asked: an agent that is told within a second is told live, and nobody minds one request."""


class WebProducer(Producer[Snapshot]):
    """A producer that polls an HTTP endpoint.

    `edition` tells one showing of the same data from another (a replay that runs twice): it is part of every id.
    """

    def __init__(
        self,
        publisher: Publisher,
        client: httpx.AsyncClient,
        url: str,
        edition: str = "",
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        super().__init__(publisher, interval_seconds)
        self._client = client
        self._url = url
        self._edition = edition
