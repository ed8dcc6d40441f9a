"""A stage at work: takes batches, judges them, and sees each through sending, remembering and the ack (steps 3 to 6)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from streams.engine.batch import Batch, is_current
from streams.engine.settling import Settling
from streams.engine.work import Work
from streams.engine.writer import Writer
from streams.topics import Topic

Judge = Callable[[Batch], Work]


class Stage:
    """Runs one judge over the batches of one topic. Within a partition, effects keep the order of batches."""

    def __init__(
        self, topic: Topic, writer: Writer, judge: Judge, counts: Counter[str], ready: Callable[[], Awaitable[None]]
    ) -> None:
        self.topic = topic
        self._ready = ready
        self._writer = writer
        self._judge = judge
        self._counts = counts
        self._settling: dict[int, Settling] = {}

    async def run(self, stream: Any) -> None:
        """The Faust agent: one batch after the other; none waits for an earlier one's acks."""
        events: AsyncIterator[Any] = stream.noack().events()
        async for event in events:
            await self._take(event)

    async def drain(self) -> None:
        """Return when every batch begun is acked."""
        await asyncio.gather(*[settling.drain() for settling in self._settling.values()])

    async def _take(self, event: Any) -> None:
        batch: Batch = event.message.value
        settling = self._settling.get(batch.partition)
        if settling is None:
            settling = self._settling[batch.partition] = Settling(self.topic.name, self._writer, self._counts)
        await settling.room()
        await self._ready()
        if not is_current(event):
            return  # its partition may have gone while it waited; whoever owns it now reads it again
        work = self._judge(batch)
        settling.enter(event, self._writer.send(work.outputs), work)
