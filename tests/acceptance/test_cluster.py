"""`touchline up --brokers 3`: a broker is killed under load and stays away for a while, and nothing notices but the clock."""

# aiokafka's functions have no types:
# mypy: allow-untyped-calls

import asyncio
import fcntl
import itertools
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from streams.settings import Settings
from tests.acceptance.installation import Client, Command
from tests.acceptance.receiver import Receiver
from tests.waiting import eventually

EVENTS_PER_SECOND = 50
SOURCES = 16
"""Sources, each with a trigger: enough that every broker leads some partition they use, at every stage."""
EVENTS_EACH = 20
"""Events of each source that are delivered while the broker is dead: 6 s worth, and twice as many as wait for its partitions'
new leaders."""
PAUSE_SECONDS = 30
"""How long an event may wait for its 202: 2.5 s were measured, 4.3 when the controllers' leader dies, 10.6 with
two other test runs beside it. That it goes on while the broker is dead is asked by what is heard meanwhile."""
BACK_SECONDS = 60


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """`touchline up` with three brokers and two workers, ready."""
    directory = tmp_path_factory.mktemp("cluster") / "data"
    command = Command("up", directory, "--port", "0", "--brokers", "3", "--workers", "2", environment={})
    try:
        asyncio.run(command.ready())
        yield command
    finally:
        command.stop()


async def test_up_names_every_broker(cluster: Command) -> None:
    """Each is a process of its own, and clients are told all three."""
    addresses = cluster.addresses
    assert len(addresses.kafka.split(",")) == 3
    assert {name for name in addresses.pids if name.startswith("kafka")} == {"kafka-1", "kafka-2", "kafka-3"}
    assert addresses.kafka in cluster.output


@pytest.mark.parametrize("role", ["coordinator", "controller"])
async def test_a_killed_broker_loses_nothing_and_accepting_goes_on(cluster: Command, role: str) -> None:
    """Every event with a 202 is delivered, under one key; new ones are while the broker is dead; then it comes back.

    Like each of the three it leads partitions of every stage; besides, it coordinates the workers' group, or leads the
    controllers.
    """
    addresses, victim = cluster.addresses, await broker_of(cluster, role)
    with Client(addresses.api) as client, Receiver() as receiver:
        client.register_hub(hub_id := f"hub-{uuid.uuid4().hex[:8]}", receiver.base_url)
        sources = [f"feed_{uuid.uuid4().hex[:8]}" for _ in range(SOURCES)]
        for source in sources:
            client.create_trigger("tick", f"{source}:tick", hub_id, agent_instance_id=source)
        async with feeding(addresses.api, sources) as feed:
            await eventually(lambda: all_heard(receiver, sources, 0.0, 1), 30, "events of all sources are delivered")
            async with kept_dead(cluster, victim):
                died = time.time()
                await eventually(lambda: all_heard(receiver, sources, died, EVENTS_EACH), 60, "it goes on without the broker")
                assert cluster.addresses.pids.get(f"kafka-{victim}") == addresses.pids[f"kafka-{victim}"], "it stayed dead"
            await eventually(
                lambda: cluster.addresses.pids[f"kafka-{victim}"] != addresses.pids[f"kafka-{victim}"], BACK_SECONDS
            )
            await in_sync(cluster)
        await eventually(lambda: keys_heard(receiver).keys() == feed.waited_seconds.keys(), 60, "all accepted is delivered")
        assert {event: len(keys) for event, keys in keys_heard(receiver).items() if len(keys) > 1} == {}
        await eventually(lambda: client.health() == 200, 60, "every stage works")
    assert max(feed.waited_seconds.values()) < PAUSE_SECONDS


class Feed:
    """Posts events of its sources at a steady rate, each until it is accepted, under the same id.

    `waited_seconds` has the accepted ones. Every post has a connection of its own: a pool would make some wait for others.
    """

    def __init__(self, api: str, sources: list[str]) -> None:
        self.waited_seconds: dict[str, float] = {}
        self._host, self._port = api.removeprefix("http://").split(":")
        self._sources = sources

    async def run(self, stop: asyncio.Event) -> None:
        """Post until `stop`, then until all of it is accepted."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as posts:
            for number in itertools.count():
                await asyncio.sleep(began + number / EVENTS_PER_SECOND - time.monotonic())
                if stop.is_set():
                    return
                posts.create_task(self._post(self._sources[number % SOURCES], number))

    async def _post(self, source: str, number: int) -> None:
        began, event_id = time.monotonic(), f"{source}-{number}"
        event = {"source": source, "type": "tick", "payload": {"posted_at": time.time()}, "id": event_id}
        while (status := await self._request(json.dumps(event).encode())) != 202:
            assert status == 503
        self.waited_seconds[event_id] = time.monotonic() - began

    async def _request(self, body: bytes) -> int:
        reader, writer = await asyncio.open_connection(self._host, int(self._port))
        head = f"POST /api/events/ingest HTTP/1.1\r\nHost: {self._host}\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1])


@asynccontextmanager
async def feeding(api: str, sources: list[str]) -> AsyncIterator[Feed]:
    """A feed that posts during the block; all it posted is accepted at the end."""
    feed, stop = Feed(api, sources), asyncio.Event()
    task = asyncio.create_task(feed.run(stop))
    try:
        yield feed
    finally:
        stop.set()
        await task


@asynccontextmanager
async def kept_dead(cluster: Command, node_id: int) -> AsyncIterator[None]:
    """Kill a broker. During the block it stays dead: it cannot start without its directory's lock, which we hold by then."""
    with (cluster.data_directory / "kafka" / f"kafka-{node_id}" / "lock").open("rb") as lock:
        waiting = threading.Event()

        def take() -> None:
            waiting.set()
            fcntl.flock(lock, fcntl.LOCK_EX)

        taken = asyncio.create_task(asyncio.to_thread(take))
        await asyncio.to_thread(waiting.wait)
        psutil.Process(cluster.addresses.pids[f"kafka-{node_id}"]).kill()
        await taken
        yield


def all_heard(receiver: Receiver, sources: list[str], since: float, events: int) -> bool:
    """Whether the hub was called for so many events of each source that were posted after that Unix time."""
    posted = [received.body["event"] for received in list(receiver.received)]
    counts = Counter(event["source"] for event in posted if event["payload"]["posted_at"] > since)
    return all(counts[source] >= events for source in sources)


def keys_heard(receiver: Receiver) -> dict[str, set[str]]:
    """The idempotency keys that the hub was called with, by event."""
    keys: dict[str, set[str]] = {}
    for received in list(receiver.received):
        keys.setdefault(received.body["event"]["id"], set()).add(received.headers["idempotency-key"])
    return keys


async def in_sync(cluster: Command) -> None:
    """Wait until every partition is in sync on all brokers, so that any of them may die."""
    async with admin_of(cluster) as admin:

        async def whole() -> bool:
            topics: list[dict[str, Any]] = await admin.describe_topics()
            return all(len(partition["isr"]) == 3 for topic in topics for partition in topic["partitions"])

        await eventually(whole, BACK_SECONDS, "every partition is in sync on three brokers")


async def broker_of(cluster: Command, role: str) -> int:
    """The node id of the broker with that role."""
    await in_sync(cluster)
    if role == "controller":  # as the newest state of the quorum on disk has it: no client is told
        states = (cluster.data_directory / "kafka").glob("kafka-*/logs/__cluster_metadata-0/quorum-state")
        newest = max((json.loads(path.read_bytes()) for path in states), key=lambda state: int(state["leaderEpoch"]))
        return int(newest["leaderId"])
    async with admin_of(cluster) as admin:
        return int(await admin.find_coordinator(Settings().group))


@asynccontextmanager
async def admin_of(cluster: Command) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client of the cluster."""
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.addresses.kafka)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
