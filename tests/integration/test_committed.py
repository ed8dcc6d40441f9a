"""What a group committed is there for whoever asks right after a broker's restart."""

# aiokafka's functions have no types:
# mypy: allow-untyped-calls

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupAuthorizationFailedError
from aiokafka.protocol.commit import OffsetFetchResponse_v3
from aiokafka.structs import OffsetAndMetadata

from streams.committed import GroupConsumer
from touchline.stack.kafka import EmbeddedKafka

PARTITIONS = 8
COMMITS = 1500
METADATA = "m" * 4000
"""What lies beside a committed offset: near the most that a broker takes, so that there is much to load."""


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker of the test's own, to be restarted."""
    with EmbeddedKafka(tmp_path / "kafka") as kafka:
        yield kafka


def member(bootstrap_servers: str, group: str) -> GroupConsumer:
    """A member of the group, that commits what it is told to."""
    return GroupConsumer(bootstrap_servers=bootstrap_servers, group_id=group, enable_auto_commit=False)


async def test_a_restarted_broker_never_says_that_nothing_was_committed(kafka: EmbeddedKafka) -> None:
    """Asked again and again while it loads some 50 MB of commits, it answers with the last of them, or not yet."""
    partitions = [TopicPartition("events", number) for number in range(PARTITIONS)]
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic("events", PARTITIONS, 1)])
    await admin.close()
    async with member(kafka.bootstrap_servers, "group") as consumer:
        consumer.assign(partitions)
        for number in range(1, COMMITS + 1):
            await consumer.commit({partition: OffsetAndMetadata(number, METADATA) for partition in partitions})
    await asyncio.to_thread(kafka.start)
    async with member(kafka.bootstrap_servers, "group") as consumer:
        consumer.assign(partitions)
        for _ in range(20):
            answers = await asyncio.gather(*[consumer.committed(partition) for partition in partitions])
            assert answers == [COMMITS] * PARTITIONS


async def test_what_does_not_pass_is_raised(kafka_bootstrap_servers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may not read a group is told so, and does not begin at the beginning."""
    async with member(kafka_bootstrap_servers, f"group-{uuid.uuid4().hex}") as consumer:
        consumer.assign([partition := TopicPartition("events", 0)])
        assert await consumer.committed(partition) is None

        async def refuse(*_arguments: object, **_options: object) -> OffsetFetchResponse_v3:
            return OffsetFetchResponse_v3(0, [], GroupAuthorizationFailedError.errno)

        monkeypatch.setattr(consumer._client, "send", refuse)
        with pytest.raises(GroupAuthorizationFailedError):
            await consumer.committed(partition)
        monkeypatch.undo()
