"""Topics for one test, and what reads and writes them from outside."""

import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from connectors.kafka.topics import create_topics, delete_topics
from streams.settings import Settings
from streams.topics import CROSSINGS, EVENTS, Topic
from tests.integration.engine.toy import Answer, Toy, decode_answer

PARTITIONS = 4


@pytest.fixture
async def settings(kafka_bootstrap_servers: str, tmp_path: Path) -> AsyncIterator[Settings]:
    """An installation with topics, and no more."""
    settings = Settings(
        kafka_bootstrap_servers=kafka_bootstrap_servers,
        topic_prefix=f"test-{uuid.uuid4().hex[:12]}.",
        partitions=PARTITIONS,
        store_directory=tmp_path / "store",
    )
    await create_topics(settings)
    yield settings
    await delete_topics(settings)


@pytest.fixture(params=["memory", "rocksdb"])
def stored(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """The installation, once with each store."""
    return settings.model_copy(update={"store": request.param})


StartToy = Callable[..., Coroutine[Any, Any, Toy]]


@pytest.fixture
async def start_toy(settings: Settings) -> AsyncIterator[StartToy]:
    """Starts a worker in this process, with these settings or the installation's; stopped at the end if it still runs."""
    toys: list[Toy] = []

    async def start(given: Settings = settings) -> Toy:
        toys.append(Toy(given))
        await toys[-1].start()
        return toys[-1]

    yield start
    for toy in toys:
        if toy.running:
            await toy.stop()


class Feed:
    """Writes to `events`, round and round over 50 keys, and remembers what it wrote."""

    def __init__(self, settings: Settings) -> None:
        self._topic = EVENTS.full_name(settings)
        self.producer = AIOKafkaProducer(**settings.kafka_client(), acks="all", linger_ms=5)
        self.written: dict[int, int] = defaultdict(int)

    async def write(self, records: int, partitions: int = PARTITIONS) -> None:
        """This many more records, and wait for the acks."""
        batches = []
        for number in range(records):
            partition = number % partitions
            key = f"key-{number % 50}-{partition}".encode()
            batches.append(await self.producer.send(self._topic, b"{}", key=key, partition=partition))
            self.written[partition] += 1
        await self.producer.flush()
        for batch in batches:
            await batch


@pytest.fixture
async def feed(settings: Settings) -> AsyncIterator[Feed]:
    """A feed of the test's own."""
    feed = Feed(settings)
    await feed.producer.start()
    yield feed
    await feed.producer.stop()


class Broker:
    """The broker as the tests look at it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._answered = 0
        self._reader = AIOKafkaConsumer(**settings.kafka_client(), group_id=settings.group, enable_auto_commit=False)

    async def start(self) -> None:
        """Connect."""
        await self._reader.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._reader.stop()

    def partitions(self, topic: Topic = EVENTS) -> list[TopicPartition]:
        """A topic's partitions."""
        return [TopicPartition(topic.full_name(self._settings), number) for number in range(PARTITIONS)]

    async def ends(self, topic: Topic = EVENTS) -> dict[int, int]:
        """Each partition's end offset."""
        found: dict[TopicPartition, int] = await self._reader.end_offsets(self.partitions(topic))
        return {tp.partition: end for tp, end in found.items()}

    async def changelog_ends(self) -> dict[int, int]:
        """The end offsets of the toy's changelog."""
        return await self.ends(Topic("touchline-edges-changelog"))

    async def committed(self) -> dict[int, int]:
        """What the workers' group has committed, by partition; 0 for nothing."""
        return {tp.partition: await self._reader.committed(tp) or 0 for tp in self.partitions()}

    async def has_answers(self) -> bool:
        """Whether the toys have said something since the last call."""
        before, self._answered = self._answered, sum((await self.ends(CROSSINGS)).values())
        return self._answered > before

    async def all_committed(self) -> bool:
        """Whether the group has committed everything there is."""
        return await self.committed() == await self.ends()

    async def records(self, topic: str) -> list[Any]:
        """Everything on a topic, in order within a partition."""
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        self._reader.assign(partitions)
        await self._reader.seek_to_beginning(*partitions)
        ends = await self._reader.end_offsets(partitions)
        found: list[Any] = []
        while any([await self._reader.position(tp) < ends[tp] for tp in partitions]):
            for batch in (await self._reader.getmany(timeout_ms=200)).values():
                found += batch
        return found

    async def answers(self) -> list[tuple[bytes, Answer]]:
        """All that the toys said."""
        records = await self.records(CROSSINGS.full_name(self._settings))
        return [(record.key, decode_answer(record.value)) for record in records]

    async def check_answers(self) -> None:
        """Every record of `events` has an answer; all answers to it agree; within a key they count without a gap."""
        answers = await self.answers()
        by_record: dict[tuple[int, int], set[int]] = defaultdict(set)
        for _, answer in answers:
            by_record[answer.partition, answer.offset].add(answer.count)
        events = await self.records(EVENTS.full_name(self._settings))
        lost = {(event.partition, event.offset) for event in events} - by_record.keys()
        assert not lost, f"{len(lost)} of {len(events)} lost: {sorted(lost)[:5]}"
        torn = {place: counts for place, counts in by_record.items() if len(counts) > 1}
        assert not torn, f"{len(torn)} judged twice, from different states: {dict(list(torn.items())[:5])}"
        numbers: dict[bytes, int] = defaultdict(int)
        for event in events:
            numbers[event.key] += 1
            assert by_record[event.partition, event.offset] == {numbers[event.key]}, (event.key, event.offset)


@pytest.fixture
async def broker(settings: Settings) -> AsyncIterator[Broker]:
    """The broker, seen from outside."""
    broker = Broker(settings)
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client."""
    admin = AIOKafkaAdminClient(**settings.kafka_client())
    await admin.start()
    yield admin
    await admin.close()
