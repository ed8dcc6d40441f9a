"""An installation's topics on a real broker."""

import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from connectors.kafka.topics import changelogs, create_topics, delete_topics, describe_topics
from streams.errors import ConnectorError, Unavailable
from streams.settings import Settings
from streams.topics import EVENTS, TOPICS, TRIGGERS
from tests.waiting import eventually
from touchline.stack.ports import LOOPBACK, any_free_port


@pytest.fixture
async def settings(kafka_bootstrap_servers: str) -> AsyncIterator[Settings]:
    """An installation of which nothing exists yet."""
    prefix = f"test-{uuid.uuid4().hex[:12]}."
    settings = Settings(kafka_bootstrap_servers=kafka_bootstrap_servers, topic_prefix=prefix, partitions=3)
    yield settings
    await delete_topics(settings)


async def gone(settings: Settings) -> None:
    """Return when the broker, too, has heard that nothing exists."""

    admin = AIOKafkaAdminClient(**settings.kafka_client())
    await admin.start()

    async def is_gone() -> bool:
        return not any(name.startswith(settings.topic_prefix) for name in await admin.list_topics())

    try:
        await eventually(is_gone, what="the broker has heard of the deletion")
    finally:
        await admin.close()


async def test_every_topic_of_the_flow_and_every_changelog_is_made(settings: Settings) -> None:
    """Stage topics and changelogs have the installation's partition count, topics of rows have one, in total order."""
    await create_topics(settings)
    described = {topic.name: topic for topic in await describe_topics(settings)}
    assert list(described) == [topic.full_name(settings) for topic in (*TOPICS, *changelogs(settings))]
    assert described[f"{settings.group}-edges-changelog"][1:] == (3, 0, 0, "compact")
    assert described[EVENTS.full_name(settings)][1:] == (3, 0, 0, "delete")
    assert described[TRIGGERS.full_name(settings)][1:] == (1, 0, 0, "compact")


async def test_making_topics_again_changes_nothing(settings: Settings) -> None:
    """What lies on an existing topic stays, and offsets are told as they are."""
    await create_topics(settings)
    name = EVENTS.full_name(settings)
    async with AIOKafkaProducer(**settings.kafka_client()) as producer:
        await producer.send_and_wait(name, b"{}", partition=1)
    await create_topics(settings)
    events = next(topic for topic in await describe_topics(settings) if topic.name == name)
    assert (events.begin_offset, events.end_offset) == (0, 1)


async def test_topics_made_right_after_they_were_deleted_are_there(settings: Settings) -> None:
    """A broker that has not heard of the deletion yet still names them; they are made all the same."""
    await create_topics(settings)
    for _ in range(5):
        await delete_topics(settings)
        await create_topics(settings)

    async def are_there() -> bool:
        return len(await describe_topics(settings)) == len(TOPICS) + len(changelogs(settings))

    await eventually(are_there, what="the broker has heard of all of them")


async def test_another_partition_count_is_refused_with_what_to_do(settings: Settings) -> None:
    """Keys would move to other partitions than their state, so an existing topic's count is never passed over."""
    await create_topics(settings)
    with pytest.raises(ConnectorError, match="TOUCHLINE_PARTITIONS=3"):
        await create_topics(settings.model_copy(update={"partitions": 5}))


async def test_a_record_may_be_as_large_as_an_accepted_body(settings: Settings) -> None:
    """A body of 1 MiB is accepted at the door, so its record, with what is put around it, fits the topics."""
    await create_topics(settings)
    async with AIOKafkaProducer(**settings.kafka_client(), max_request_size=2 * 1024 * 1024) as producer:
        await producer.send_and_wait(EVENTS.full_name(settings), bytes(1024 * 1024 + 100_000))


async def test_deleting_an_installation_leaves_nothing_of_it(settings: Settings) -> None:
    """Topics, changelogs and the consumer group are gone, and a second deletion is harmless."""
    await create_topics(settings)
    consumer = AIOKafkaConsumer(EVENTS.full_name(settings), group_id=settings.group, **settings.kafka_client())
    async with consumer:
        await consumer.commit(dict.fromkeys(consumer.assignment(), 0))
    await delete_topics(settings)
    await gone(settings)
    assert await describe_topics(settings) == []
    await delete_topics(settings)
    admin = AIOKafkaAdminClient(**settings.kafka_client())
    await admin.start()
    try:
        assert settings.group not in [group[0] for group in await admin.list_consumer_groups()]
    finally:
        await admin.close()


async def test_a_broker_that_is_away_is_said_to_be(settings: Settings) -> None:
    """The error names the address that does not answer."""
    away = settings.model_copy(update={"kafka_bootstrap_servers": f"{LOOPBACK}:{any_free_port()}"})
    with pytest.raises(Unavailable, match=away.kafka_bootstrap_servers):
        await create_topics(away)
