"""A worker built from the engine alone, whose one stage counts each key's records.

Every record of `events` becomes one output on `crossings`, which says where the record lay and its number among its
key's. So the outputs tell everything: a record that was lost has none; one that was judged twice from another state
has two that differ.

`python -m tests.integration.engine.toy` runs it as a process, for those tests that kill it.
"""

import asyncio
import os
import signal
from collections import Counter

import msgspec

from streams.app import build_app
from streams.engine.batch import Batch, BatchSchema
from streams.engine.stage import Stage
from streams.engine.store import choose_store
from streams.engine.table import StateTable
from streams.engine.work import Work
from streams.engine.writer import Outputs, Writer, Written
from streams.settings import Settings
from streams.state import State
from streams.topics import CROSSINGS, EVENTS


class Tally(State):
    """How many records of a key there have been."""

    count: int = 0


class Answer(msgspec.Struct, frozen=True):
    """What the toy says of one record: where it lay, and its number among its key's."""

    partition: int
    offset: int
    count: int


POISON = b"poison"
"""A record's value at which the toy fails."""
encode = msgspec.json.Encoder().encode
decode_answer = msgspec.json.Decoder(Answer).decode


class HeldWriter(Writer):
    """A writer whose acks can be held back: what was sent is with the broker, and nobody hears of it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._released = asyncio.Event()
        self._released.set()
        self._held: tuple[int, ...] = ()

    def hold(self, *partitions: int) -> None:
        """From now on hold the acks of these partitions, or of all."""
        self._held = partitions or tuple(range(self._settings.partitions))
        self._released.clear()

    def release(self) -> None:
        """Let them go."""
        self._released.set()

    def send(self, outputs: Outputs) -> "list[asyncio.Future[Written]]":
        """As ever, except that held partitions' futures wait for `release`."""
        futures = super().send(outputs)
        places = list(outputs.records)
        return [
            asyncio.ensure_future(self._hold(future)) if partition in self._held else future
            for future, (_, partition) in zip(futures, places, strict=True)
        ]

    async def _hold(self, future: "asyncio.Future[Written]") -> Written:
        written = await future
        await self._released.wait()
        return written


class Toy:
    """The worker. `judged` counts batches, by partition."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self.judged: Counter[int] = Counter()
        self.writer = HeldWriter(settings)
        self.stage = Stage(EVENTS, self.writer, self.judge, self.counts, self.ready)
        self.app = build_app(settings, self.stage.drain)
        self.table: StateTable[Tally] = StateTable(
            self.app, "edges", settings.partitions, Tally, choose_store(settings), by_age=True
        )
        topic = self.app.topic(EVENTS.full_name(settings), schema=BatchSchema())
        self.app.agent(topic, name="toy")(self.stage.run)
        self._answers = CROSSINGS.full_name(settings)
        self.running = False

    async def ready(self) -> None:
        """At once: the toy has no lease."""

    def judge(self, batch: Batch) -> Work:
        """Count."""
        self.judged[batch.partition] += 1
        work = Work()
        tallies = self.table.partition(batch.partition)
        for record in batch:
            if record.value == POISON:
                raise ValueError("this record was to fail")
            key = record.key or b""
            before = tallies.get(key)
            if before is not None and record.offset <= before.offset:
                work.counts["skipped"] += 1
                continue
            tally = Tally(record.offset, before.count + 1 if before is not None else 1)
            tallies[key] = tally
            work.remember(self.table, key, tally)
            answer = Answer(batch.partition, record.offset, tally.count)
            work.outputs.add(self._answers, batch.partition, key, encode(answer))
        work.counts["read"] += batch.records
        return work

    async def start(self) -> None:
        """Join the group; returns before partitions are assigned."""
        self.running = True
        await self.writer.start()
        await self.app.start()

    async def stop(self) -> None:
        """Leave in good order."""
        self.running = False
        self.writer.release()
        await self.app.stop()
        await self.writer.stop()

    @property
    def settled(self) -> bool:
        """Whether the group has given it its part of the work, which may be to follow others or to stand by idle."""
        return self.app.consumer_generation_id > 0 and not self.app.rebalancing

    @property
    def partitions(self) -> set[int]:
        """The source partitions this worker has, once it is settled; until then none."""
        if not self.settled:
            return set()
        return {tp.partition for tp in self.app.consumer.assignment() if tp.topic == EVENTS.full_name(self.settings)}

    @property
    def restored(self) -> Counter[int]:
        """The changelog's records that were applied, by partition."""
        return self.table.restored

    def states(self) -> dict[bytes, Tally]:
        """All that the table holds here."""
        found: dict[bytes, Tally] = {}
        for number in list(self.table.data.partitions):
            partition = self.table.partition(number)
            found |= {key: partition[key] for key in partition}
        return found


class Report(msgspec.Struct):
    """What a process says when it is ready: its partitions, what it restored of each, and how many keys it holds."""

    partitions: list[int]
    restored: dict[int, int]
    held: int


async def main() -> None:
    """Run until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    toy = Toy(Settings())
    await toy.start()
    while not toy.partitions and not stop.is_set():
        await asyncio.sleep(0.02)
    print(encode(Report(sorted(toy.partitions), dict(toy.restored), len(toy.states()))).decode(), flush=True)
    await stop.wait()
    await toy.stop()


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)  # Faust's producer thread does not end by itself
