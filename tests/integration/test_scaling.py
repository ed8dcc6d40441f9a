"""Workers that come and go under a stream of events, as they do when operators scale them."""

import asyncio
import threading
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import msgspec
from aiokafka import AIOKafkaProducer

from streams.execution import decode_dispatch, decode_firing
from streams.heartbeat import decode
from streams.settings import Settings
from streams.topics import DISPATCHES, EVENTS, FIRINGS, HEARTBEATS, partition_of
from streams.trigger import Trigger
from tests.acceptance.receiver import COMPLETED, Answer, Received, Receiver
from tests.benchmarks.triggers import write_rows
from tests.integration.api import records
from tests.integration.dispatching import Line
from tests.integration.working import worker
from tests.waiting import eventually

EVERY_SECONDS = 0.02
EVENTS_AT_ONCE = 5


async def send_on(line: Line, ended: asyncio.Event) -> list[str]:
    """Dispatch to ten instances in turn until `ended`; the executions' ids."""
    sent: list[str] = []
    while not ended.is_set():
        sent.append(await line.send("hub", f"desk-{len(sent) % 10}", len(sent)))
    return sent


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
    """Return when so many workers hold all partitions of `dispatches` between them, by what each said last."""

    async def shared() -> bool:
        said = {record.key: record.value for record in await records(settings, HEARTBEATS)}
        shares = [decode(value).stages.get("dispatch", []) for value in said.values() if value]
        return all(shares) and [len(shares), sum(map(len, shares))] == [workers, settings.partitions]

    await eventually(shared, 60, f"{workers} workers share the partitions")


@asynccontextmanager
async def successor(settings: Settings, first: Process) -> AsyncIterator[None]:
    """A worker that joins the first one, which then stops in good order; it has everything, until the block ends."""
    async with worker(settings):
        await share_the_work(settings, 2)
        first.terminate()
        assert await first.wait() == 0
        await share_the_work(settings, 1)
        yield


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
        async with successor(installation, first):
            ended.set()
            written = await feeding

            async def all_dispatched() -> bool:
                return len(await dispatched(installation)) == len(written)

            await eventually(all_dispatched, 60, "every event has a dispatch")
    firings = Counter(decode_firing(record.value).event.id for record in await records(installation, FIRINGS))
    assert firings == Counter(written)
    assert set((await dispatched(installation)).values()) == {1}


async def test_workers_that_join_and_leave_in_good_order_call_no_hub_twice(installation: Settings) -> None:
    """A hub that takes 50 ms hears each execution once, though calls are under way whenever partitions go."""

    def answer(_: Received) -> Answer:
        time.sleep(0.05)
        return COMPLETED

    ended = asyncio.Event()
    with Receiver(answer=answer) as hub:
        async with Line(installation) as line, worker(installation) as first:
            await line.register("hub", hub.base_url)
            await share_the_work(installation, 1)
            sending = asyncio.create_task(send_on(line, ended))
            await eventually(lambda: hub.received, what="it is at work")
            async with successor(installation, first):
                ended.set()
                sent = await sending
                await eventually(lambda: len(hub.received) >= len(sent), 60, "the hub has heard of all")
                heard = Counter(received.headers["idempotency-key"] for received in hub.received)
    assert heard == Counter(sent)


async def test_only_a_call_that_takes_too_long_is_made_again_when_a_worker_stops(installation: Settings) -> None:
    """Of one batch the first was answered, the second not, the third waits behind it: the successor begins at the second."""
    hangs, go_on = threading.Event(), threading.Event()

    def answer(received: Received) -> Answer:
        if received.body["event"]["payload"]["number"] == 1 and not hangs.is_set():
            hangs.set()
            go_on.wait()
        return COMPLETED

    with Receiver(answer=answer) as hub:
        async with Line(installation) as line:
            await line.register("hub", hub.base_url)
            sent = [await line.send("hub", "desk", number) for number in range(3)]
            async with worker(installation) as first:
                await eventually(hangs.is_set, 60, "the second call is under way")
                first.terminate()
                assert await first.wait() == 0
            assert await line.committed() == 3
            assert len(await line.parked()) == 2
            async with worker(installation):
                await eventually(lambda: len(hub.received) >= 4, 60, "its successor has called")

                async def told() -> bool:
                    return await line.statuses(*sent) == [["RUNNING", "COMPLETED"]] * 3

                await eventually(told, 30, "all are told of, once")
        go_on.set()
    assert [received.body["event"]["payload"]["number"] for received in hub.received] == [0, 1, 1, 2]
