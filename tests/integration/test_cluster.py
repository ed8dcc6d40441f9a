"""Three embedded brokers: any one may die at any moment, and what was acknowledged is read from the others."""

# aiokafka's functions have no types:
# mypy: allow-untyped-calls

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import GroupCoordinatorNotAvailableError

from connectors.kafka.topics import changelogs, create_topics
from streams.errors import StackError
from streams.settings import Settings
from streams.topics import EVENTS, TOPICS
from tests.waiting import eventually
from touchline.stack.cluster import EmbeddedCluster
from touchline.stack.kafka import EmbeddedKafka

OFFSETS = "__consumer_offsets"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    """Three brokers, running."""
    with EmbeddedCluster(tmp_path_factory.mktemp("cluster") / "kafka", 3) as cluster:
        yield cluster


@pytest.fixture
def settings(cluster: EmbeddedCluster) -> Settings:
    """An installation on the cluster, none of its topics made."""
    return Settings(
        kafka_bootstrap_servers=cluster.bootstrap_servers,
        topic_prefix=f"test-{uuid.uuid4().hex[:12]}.",
        partitions=3,
        replication_factor=3,
    )


@pytest.fixture
async def admin(cluster: EmbeddedCluster) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client."""
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
    await admin.start()
    yield admin
    await admin.close()


@pytest.fixture
async def topic(settings: Settings, admin: AIOKafkaAdminClient) -> str:
    """A topic with three copies of each of its three partitions."""
    name = EVENTS.full_name(settings)
    await admin.create_topics([NewTopic(name, 3, 3)])
    await eventually(lambda: is_in_sync(admin, name), 30, "the topic is there")
    return name


async def test_every_topic_has_three_copies_and_takes_nothing_that_fewer_than_two_have(
    settings: Settings, admin: AIOKafkaAdminClient
) -> None:
    """Ours, the changelogs, and the one in which Kafka keeps committed offsets."""
    await create_topics(settings)
    await eventually(lambda: has_coordinator(admin, settings.group), 30, "whoever asks first makes Kafka's own topic")
    names = [topic.full_name(settings) for topic in (*TOPICS, *changelogs(settings))]
    described = {topic["topic"]: topic for topic in await admin.describe_topics([*names, OFFSETS])}
    assert described.keys() == {*names, OFFSETS}
    assert all(len(part["replicas"]) == 3 for topic in described.values() for part in topic["partitions"])
    assert {await min_in_sync(admin, name) for name in described} == {"2"}


async def test_any_one_broker_may_be_killed_without_a_pause_in_what_can_be_read_and_written(
    cluster: EmbeddedCluster, settings: Settings, admin: AIOKafkaAdminClient, topic: str
) -> None:
    """Each in turn: what was acknowledged before its death is read, and more is written, while it is dead."""
    written: list[bytes] = []
    async with AIOKafkaProducer(**settings.kafka_client(), acks="all", enable_idempotence=True) as producer:
        for broker in cluster.brokers:
            written += [await write(producer, topic, partition, f"before {broker.name}") for partition in range(3)]
            os.kill(broker.pid, signal.SIGKILL)
            written += [await write(producer, topic, partition, f"without {broker.name}") for partition in range(3)]
            assert sorted(await read(settings, topic, len(written))) == sorted(written)
            assert broker.poll() == 128 + signal.SIGKILL
            await asyncio.to_thread(broker.start)
            await eventually(lambda: is_in_sync(admin, topic), 60, "the broker has caught up")
    assert sorted(await read(settings, topic, len(written))) == sorted(written)


def test_a_directory_keeps_its_number_of_brokers(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    """Started with another number it would have other data, or none; so it says what it holds and what to do."""
    with pytest.raises(StackError, match="--brokers 3"):
        EmbeddedCluster(cluster.data_directory, 5)
    with pytest.raises(StackError, match="several brokers"):
        EmbeddedKafka(cluster.data_directory).start()
    with EmbeddedKafka(tmp_path / "alone"):
        pass
    with pytest.raises(StackError, match="--brokers 1"):
        EmbeddedCluster(tmp_path / "alone", 3)


async def test_a_cluster_keeps_its_records_and_its_ports_over_a_restart(
    cluster: EmbeddedCluster, settings: Settings, topic: str
) -> None:
    """All brokers stopped in good order and started again, as another process would: the same addresses, the same records."""
    async with AIOKafkaProducer(**settings.kafka_client(), acks="all") as producer:
        await write(producer, topic, 0, "kept")
    await asyncio.to_thread(cluster.stop)
    with EmbeddedCluster(cluster.data_directory, 3) as again:
        assert again.bootstrap_servers == cluster.bootstrap_servers
        assert await read(settings, topic, 1) == [b"kept"]
    # The last test here: `cluster` stays stopped.


async def write(producer: AIOKafkaProducer, topic: str, partition: int, text: str) -> bytes:
    """Write one record, and return it once it is acknowledged."""
    await producer.send_and_wait(topic, text.encode(), partition=partition)
    return text.encode()


async def read(settings: Settings, topic: str, records: int) -> list[bytes]:
    """The first so many records of the topic."""
    async with AIOKafkaConsumer(**settings.kafka_client(), auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition(topic, partition) for partition in range(3)])
        async with asyncio.timeout(30):
            return [bytes((await consumer.getone()).value) for _ in range(records)]


async def has_coordinator(admin: AIOKafkaAdminClient, group: str) -> bool:
    """Whether some broker looks after that group; not so while its topic is being made."""
    try:
        return bool(await admin.find_coordinator(group))
    except GroupCoordinatorNotAvailableError:
        return False


async def min_in_sync(admin: AIOKafkaAdminClient, topic: str) -> str:
    """The topic's min.insync.replicas, wherever it is set."""
    name = "min.insync.replicas"

    async def configured() -> list[Any]:
        # A broker that has not heard of a new topic yet answers without its configuration.
        [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {name: ""})])
        return list(answer.resources[0][4])

    return str((await eventually(configured, 30, f"the broker knows {topic}"))[0][1])


async def is_in_sync(admin: AIOKafkaAdminClient, topic: str) -> bool:
    """Whether all three brokers have each of its three partitions."""
    [described] = await admin.describe_topics([topic])
    return [len(partition["isr"]) for partition in described["partitions"]] == [3, 3, 3]
