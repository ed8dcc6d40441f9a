"""What a group committed is there for whoever asks, also after a broker's restart and after a rebalance."""

# aiokafka's functions have no types:
# mypy: allow-untyped-calls

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import CommitFailedError, GroupAuthorizationFailedError, RequestTimedOutError
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchResponse_v3
from aiokafka.structs import OffsetAndMetadata

from streams.committed import GroupConsumer
from tests.waiting import eventually
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


async def test_a_commit_that_is_sent_again_after_a_rebalance_leaves_the_new_owners_offsets(
    kafka_bootstrap_servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker fails to answer, the group moves a partition on, and its new owner has committed more by then."""
    topic = f"committed-{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1)])
    await admin.close()
    both = {TopicPartition(topic, 0), TopicPartition(topic, 1)}
    async with member(kafka_bootstrap_servers, topic) as old, member(kafka_bootstrap_servers, topic) as new:
        old.subscribe([topic])
        await eventually(lambda: old.assignment() == both)
        unanswered, silent = asyncio.Event(), asyncio.Event()
        send = old._coordinator._send_req

        async def send_late(request: object) -> object:
            if isinstance(request, OffsetCommitRequest) and not silent.is_set():
                silent.set()
                await unanswered.wait()
                raise RequestTimedOutError
            return await send(request)

        monkeypatch.setattr(old._coordinator, "_send_req", send_late)
        late = asyncio.create_task(old.commit(dict.fromkeys(both, 10)))
        await silent.wait()
        new.subscribe([topic])
        await eventually(lambda: len(new.assignment()) == 1 and old.assignment() == both - new.assignment())
        (moved,) = new.assignment()
        await new.commit({moved: 20})
        unanswered.set()
        with pytest.raises(CommitFailedError):
            await late
        assert await new.committed(moved) == 20
