"""Workers that come and go under a stream of events, as they do when operators scale them."""

import asyncio
from collections import Counter
from itertools import count

import msgspec
from aiokafka import AIOKafkaProducer

from streams.execution import decode_dispatch, decode_firing
from streams.heartbeat import decode
from streams.settings import Settings
from streams.topics import DISPATCHES, EVENTS, FIRINGS, HEARTBEATS, partition_of
from streams.trigger import Trigger
from tests.benchmarks.triggers import write_rows
from tests.integration.api import records
from tests.integration.working import worker
from tests.waiting import eventually

EVERY_SECONDS = 0.02
EVENTS_AT_ONCE = 5


async def feed(settings: Settings, ended: asyncio.Event) -> set[str]:
    """Write events of 50 subjects, some 250 a second, until `ended`; their ids."""
    producer = AIOKafkaProducer(**settings.kafka_client(), acks="all", enable_idempotence=True)
    await producer.start()
    written: set[str] = set()
    for number in count():
        if ended.is_set():
            break
        key = f"stocks/S{number % 50}"
        event = {"id": f"event-{number}", "source": "stocks", "type": "price", "subject": key[7:], "payload": {"price": 1}}
        partition = partition_of(key.encode(), settings.partitions)
        await producer.send(EVENTS.full_name(settings), msgspec.json.encode(event), key=key.encode(), partition=partition)
        written.add(f"event-{number}")
        if number % EVENTS_AT_ONCE == 0:
            await asyncio.sleep(EVERY_SECONDS)
    await producer.stop()
    return written


async def share_the_work(settings: Settings, workers: int) -> None:
    """Return when so many workers hold all partitions of `firings` between them, by what each said last."""

    async def shared() -> bool:
        said = {record.key: record.value for record in await records(settings, HEARTBEATS)}
        shares = [decode(value).stages.get("gate", []) for value in said.values() if value]
        return all(shares) and [len(shares), sum(map(len, shares))] == [workers, settings.partitions]

    await eventually(shared, 60, f"{workers} workers share the partitions")


async def dispatched(settings: Settings) -> Counter[str]:
    """How often each execution is on the dispatches' topic."""
    return Counter(decode_dispatch(record.value).inject.execution_id for record in await records(settings, DISPATCHES))


async def test_workers_that_join_and_leave_in_good_order_make_nothing_fire_twice(installation: Settings) -> None:
    """Each event has one firing and each firing one dispatch on the topics, not only one after duplicates are dropped."""
    await write_rows(installation, [Trigger("every", "every", "stocks:price", "agent", "hub")])
    ended = asyncio.Event()
    async with worker(installation) as first:
        await share_the_work(installation, 1)
        feeding = asyncio.create_task(feed(installation, ended))
        async with worker(installation):
            await share_the_work(installation, 2)
            first.terminate()
            assert await first.wait() == 0
            await share_the_work(installation, 1)
            ended.set()
            written = await feeding

            async def all_dispatched() -> bool:
                return len(await dispatched(installation)) == len(written)

            await eventually(all_dispatched, 60, "every event has a dispatch")
    firings = Counter(decode_firing(record.value).event.id for record in await records(installation, FIRINGS))
    assert firings == Counter(written)
    assert set((await dispatched(installation)).values()) == {1}
