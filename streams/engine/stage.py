"""A stage at work: takes batches, judges them, and sees each through sending, remembering and the ack (steps 3 to 6)."""

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog

from streams.engine.batch import Batch, is_current
from streams.engine.table import StateTable
from streams.engine.writer import Outputs, Writer
from streams.state import State

log = structlog.get_logger()

BATCHES_IN_FLIGHT = 8
"""Batches of one partition judged and not yet acked. The acks of a few overlap; more would only hold memory."""


class Work:
    """What judging one batch leads to: outputs, the state keys that changed, and what happened to how many records."""

    __slots__ = ("changed", "counts", "outputs")

    def __init__(self) -> None:
        self.outputs = Outputs()
        self.changed: dict[StateTable[Any], dict[bytes, State | None]] = {}
        self.counts: Counter[str] = Counter()

    def remember(self, table: StateTable[Any], key: bytes, state: State | None) -> None:
        """This key's state as it now is (None: forgotten), an object that stays as it is. Only a batch's last is written."""
        self.changed.setdefault(table, {})[key] = state


Judge = Callable[[Batch], Work]


class Stage:
    """Runs one judge over batches. Partitions never wait for one another; within one, effects keep the order of batches."""

    def __init__(
        self, name: str, writer: Writer, judge: Judge, counts: Counter[str], ready: Callable[[], Awaitable[None]]
    ) -> None:
        self.name = name
        self._ready = ready
        self._writer = writer
        self._judge = judge
        self._counts = counts
        self._tails: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._flying: dict[tuple[str, int], int] = defaultdict(int)
        self._landed = asyncio.Condition()

    async def run(self, stream: Any) -> None:
        """The Faust agent: one batch after the other, each landed by a task of its own."""
        events: AsyncIterator[Any] = stream.noack().events()
        async for event in events:
            await self._take(event)

    async def drain(self) -> None:
        """Return when every batch begun has landed."""
        async with self._landed:
            await self._landed.wait_for(lambda: not any(self._flying.values()))

    async def _take(self, event: Any) -> None:
        batch: Batch = event.message.value
        place = batch.topic, batch.partition
        if self._flying[place] >= BATCHES_IN_FLIGHT:
            async with self._landed:
                await self._landed.wait_for(lambda: self._flying[place] < BATCHES_IN_FLIGHT)
        await self._ready()
        if not is_current(event):
            return  # its partition may have gone while it waited; whoever owns it now reads it again
        work = self._judge(batch)
        sent = self._writer.send(work.outputs)
        self._flying[place] += 1
        before = self._tails.get(place)
        self._tails[place] = asyncio.create_task(self._land(before, sent, work, event), name=f"{self.name}-{place}")

    async def _land(self, before: "asyncio.Task[None] | None", sent: list[Any], work: Work, event: Any) -> None:
        batch: Batch = event.message.value
        place = batch.topic, batch.partition
        try:
            if sent:
                await asyncio.gather(*sent)
            if before is not None:
                await before  # its state first: the changelog keeps the order of the input
            # One table after the other, in the order they were made: what a later one holds may rest on an earlier one's.
            for table in sorted(work.changed, key=lambda changed: changed.rank):
                # A key reaches the store only here: with its changelog record acked, and before that its outputs.
                await table.remember(self._writer, batch.partition, work.changed[table])
        except Exception:
            log.exception("stage_stopped", stage=self.name, topic=batch.topic, partition=batch.partition)
            os._exit(70)  # EX_SOFTWARE: never go on past a hole; whoever restarts us reads these records again
        self._counts.update(work.counts)
        event.ack()
        if self._tails.get(place) is asyncio.current_task():
            del self._tails[place]
        async with self._landed:
            self._flying[place] -= 1
            self._landed.notify_all()
