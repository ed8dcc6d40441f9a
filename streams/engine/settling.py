"""Settling: a batch whose outputs are acked gets its states remembered, and is acked itself (steps 5 and 6).

A partition has one such write under way at a time, and all batches that became ready meanwhile, or within `PAUSE_SECONDS`,
settle together in the next, as if they had been one: each changed key once. So the slower the broker, the fewer the writes,
and nothing queues up behind them. Nobody waits for a state to be written: what a batch leads to is out before that.
"""

import asyncio
import os
from collections import Counter, deque
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

import structlog

from streams.engine.batch import Batch
from streams.engine.table import StateTable
from streams.engine.work import Work
from streams.engine.writer import Writer, Written
from streams.state import State

log = structlog.get_logger()

BYTES_IN_FLIGHT = 8 * 1024 * 1024
"""Bytes of one partition's records that are judged and not yet acked, with which no more are judged: eight of the largest
fetches. The acks of a few overlap; more would only hold memory."""
PAUSE_SECONDS = 0.05
"""From one write of a partition's states to its next, so that of a hundred events a second, each in a batch of its own, not
every one has changelog writes of its own. A worker that is killed repeats the outputs of so much more."""
OVERHEAD_BYTES = 512
"""What a record or a batch takes beside what was fetched of it."""

Changed = dict[StateTable[Any], dict[bytes, State | None]]


class Begun(NamedTuple):
    """A batch that is judged: Faust's event, the futures of its outputs, and the rest of what it leads to."""

    event: Any
    sent: "list[asyncio.Future[Written]]"
    work: Work
    size_bytes: int


class Settling:
    """One partition's batches between step 4 and step 6, in their order."""

    def __init__(self, topic: str, writer: Writer, counts: Counter[str]) -> None:
        self._topic = topic
        self._writer = writer
        self._counts = counts
        self._begun: deque[Begun] = deque()
        self._size_bytes = 0
        self._room = asyncio.Event()
        self._hurried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def room(self) -> None:
        """Return when another batch may be judged."""
        while self._size_bytes >= BYTES_IN_FLIGHT:
            self._room.clear()
            await self._room.wait()

    def enter(self, event: Any, sent: "list[asyncio.Future[Written]]", work: Work) -> None:
        """See this batch through. Every batch before it is settled before it, or together with it."""
        begun = Begun(event, sent, work, _size_bytes(event.message.value))
        self._begun.append(begun)
        self._size_bytes += begun.size_bytes
        if self._task is None:
            self._task = asyncio.create_task(self._settle_all(), name=f"settling-{self._topic}")

    async def drain(self) -> None:
        """Return when every batch entered is acked."""
        self._hurried.set()
        while self._task is not None:
            await asyncio.wait([self._task])
        self._hurried.clear()

    async def _settle_all(self) -> None:
        try:
            while self._begun:
                await asyncio.gather(*self._begun[0].sent)
                await self._settle([self._begun[0], *self._ready_behind()])
                if self._size_bytes < BYTES_IN_FLIGHT // 4:
                    await self._pause()
        except Exception:
            batch: Batch = self._begun[0].event.message.value
            log.exception("stage_stopped", topic=self._topic, partition=batch.partition)
            os._exit(70)  # EX_SOFTWARE: never go on past a hole; whoever restarts us reads these records again
        self._task = None

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PAUSE_SECONDS):
                await self._hurried.wait()

    def _ready_behind(self) -> list[Begun]:
        ready = []
        for begun in islice(self._begun, 1, None):
            if not all(future.done() for future in begun.sent):
                break
            for future in begun.sent:
                future.result()  # raises what kept it from being sent
            ready.append(begun)
        return ready

    async def _settle(self, ready: list[Begun]) -> None:
        batch: Batch = ready[0].event.message.value
        changed = _merge([begun.work.changed for begun in ready])
        # One table after the other, in the order they were made: what a later one holds may rest on an earlier one's.
        for table in sorted(changed, key=lambda one: one.rank):
            # A key reaches the store only here: with its changelog record acked, and before that its outputs.
            await table.remember(self._writer, batch.partition, changed[table])
        for begun in ready:
            self._counts.update(begun.work.counts)
            begun.event.ack()
            self._begun.popleft()
            self._size_bytes -= begun.size_bytes
        self._room.set()


def _merge(changes: list[Changed]) -> Changed:
    """Each key's last state, in the order in which they were last changed: that is how a table knows their age."""
    merged = changes[0]
    for changed in changes[1:]:
        for table, states in changed.items():
            before = merged.setdefault(table, states)
            if before is not states:
                for key in states:
                    before.pop(key, None)
                before.update(states)
    return merged


def _size_bytes(batch: Batch) -> int:
    return batch.size_bytes + OVERHEAD_BYTES * (1 + batch.records)
