"""Incremental fetches against a real broker."""

from collections import defaultdict
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.protocol.fetch import FetchRequest

from streams.engine.fetch_session import FetchSession, IncrementalRequest, SessionClient
from streams.settings import Settings
from streams.topics import EVENTS
from tests.integration.engine.conftest import PARTITIONS


class Recorded(FetchSession):
    """A session that remembers how many partitions each of its fetches named."""

    def __init__(self) -> None:
        super().__init__()
        self.named: list[int] = []

    def request(self, whole: FetchRequest) -> IncrementalRequest:
        request = super().request(whole)
        self.named.append(sum(len(partitions) for _, partitions in request.topics))
        return request


class Reader:
    """A consumer with sessions, of all partitions of `events`."""

    def __init__(self, settings: Settings) -> None:
        self.partitions = [TopicPartition(EVENTS.full_name(settings), number) for number in range(PARTITIONS)]
        self.consumer = AIOKafkaConsumer(**settings.kafka_client(), fetch_max_wait_ms=25)
        self.read: dict[int, list[bytes | None]] = defaultdict(list)
        self.sessions: dict[int, Recorded] = defaultdict(Recorded)

    async def start(self) -> None:
        """Begin at the beginning."""
        await self.consumer.start()
        fetcher: Fetcher = self.consumer._fetcher
        client = fetcher._client = SessionClient(fetcher._client, fetcher._subscriptions)
        client._sessions = self.sessions
        self.consumer.assign(self.partitions)
        await self.consumer.seek_to_beginning(*self.partitions)

    async def read_until(self, count: int) -> None:
        """Read until there are so many records."""
        while sum(map(len, self.read.values())) < count:
            for partition, records in (await self.consumer.getmany(timeout_ms=1000)).items():
                self.read[partition.partition] += [record.value for record in records]


@pytest.fixture
async def reader(settings: Settings) -> AsyncIterator[Reader]:
    """Started, and stopped at the end."""
    reader = Reader(settings)
    await reader.start()
    yield reader
    await reader.consumer.stop()


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """A plain one."""
    async with AIOKafkaProducer(**settings.kafka_client()) as producer:
        yield producer


async def write(producer: AIOKafkaProducer, partition: TopicPartition, first: int, count: int) -> list[bytes]:
    """Write numbers to a partition, each in a batch of its own."""
    values = [b"%d" % number for number in range(first, first + count)]
    for value in values:
        await producer.send_and_wait(partition.topic, value, partition=partition.partition)
    return values


async def test_every_record_arrives_while_quiet_partitions_are_not_named_again(
    reader: Reader, producer: AIOKafkaProducer
) -> None:
    """One busy partition of four: after the first fetch only it is told, as often as it moves."""
    values: list[bytes | None] = []
    for number in range(20):
        values += await write(producer, reader.partitions[1], number, 1)
        await reader.read_until(number + 1)
    assert reader.read == {1: values}
    (session,) = reader.sessions.values()
    assert session.named[0] == PARTITIONS
    assert max(session.named[2:]) <= 1
    assert all(reader.consumer.highwater(partition) is not None for partition in reader.partitions)


async def test_seeks_pauses_and_lost_sessions_lose_and_repeat_nothing(reader: Reader, producer: AIOKafkaProducer) -> None:
    """Whatever the session is told meanwhile, each partition's records come in order, from where it was sought."""
    expected: dict[int, list[bytes | None]] = defaultdict(list)
    count = 0
    for step in range(12):
        paused = reader.partitions[step % PARTITIONS]
        reader.consumer.pause(paused)
        for partition in reader.partitions:
            values = await write(producer, partition, step * 5, 5)
            expected[partition.partition] += values
            count += len(values) if partition != paused else 0
        for session in reader.sessions.values():
            if step % 3 == 1:
                session.id += 1  # the broker knows none of this id
            if step % 3 == 2:
                session.epoch += 1  # nor where it is
        await reader.read_until(count)
        assert len(reader.read[paused.partition]) == step * 5
        reader.consumer.resume(paused)
        count += 5
        await reader.read_until(count)
    assert reader.read == expected
    reader.consumer.seek(reader.partitions[2], 3)
    reader.read[2].clear()
    await reader.read_until(count - 3)
    assert reader.read == {**expected, 2: expected[2][3:]}


async def test_in_a_new_assignment_every_partition_is_told_of_again(reader: Reader, producer: AIOKafkaProducer) -> None:
    """Its states know nothing, and Faust takes one without a high watermark for one that cannot be read."""
    values: list[bytes | None] = [*await write(producer, reader.partitions[0], 0, 3)]
    await reader.read_until(3)
    reader.consumer.assign(reader.partitions)
    reader.consumer.seek(reader.partitions[0], 3)
    await reader.consumer.seek_to_beginning(*reader.partitions[1:])
    values += await write(producer, reader.partitions[0], 3, 1)
    await reader.read_until(4)
    assert reader.read == {0: values}
    assert all(reader.consumer.highwater(partition) is not None for partition in reader.partitions)
