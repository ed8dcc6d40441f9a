"""What the demo sees of the stages, on a real broker."""

import asyncio
import socket

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.errors import Unavailable
from streams.event import Event, encode_event
from streams.settings import Settings
from streams.topics import EVENTS
from tests.waiting import eventually
from touchline.demo.stages import Stages
from touchline.demo.tally import Tally


async def produce(settings: Settings, *ids: str) -> None:
    """Write goals with these ids to partition 0 of `events`."""
    producer = AIOKafkaProducer(**settings.kafka_client())
    await producer.start()
    for event_id in ids:
        event = Event("sports_feed", "goal", {}, event_id)
        await producer.send_and_wait(EVENTS.full_name(settings), encode_event(event), partition=0)
    await producer.stop()


async def commit(settings: Settings, offset: int) -> None:
    """Commit as the workers do."""
    consumer = AIOKafkaConsumer(**settings.kafka_client(), group_id=settings.group, enable_auto_commit=False)
    await consumer.start()
    partition = TopicPartition(EVENTS.full_name(settings), 0)
    consumer.assign([partition])
    await consumer.commit({partition: offset})
    await consumer.stop()


async def test_only_what_was_written_since_the_start_is_counted(installation: Settings) -> None:
    """An earlier run's records on the same topics are not this run's."""
    await produce(installation, "earlier")
    tally = Tally("no-watch")
    async with Stages(installation) as stages:
        await produce(installation, "one", "two", "two")
        counting = asyncio.create_task(stages.count_into(tally))
        await eventually(lambda: len(tally.goals) >= 2, 20, "both goals were counted")
        counting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await counting
    assert tally.goals == {"one", "two"}


async def test_lag_is_what_the_workers_have_not_committed(installation: Settings) -> None:
    """Three records, none, then two of them committed."""
    await produce(installation, "one", "two", "three")
    async with Stages(installation) as stages:
        # A broker that is new makes its coordinator at the first question, and answers later ones.
        lag_records = await eventually(stages.lag_records, 20, "the lag is known")
        assert lag_records == {"detect and match": 3, "match crossings": 0, "gate": 0, "dispatch": 0}
        await commit(installation, 2)
        assert (await stages.lag_records())["detect and match"] == 1


async def test_without_a_broker_it_says_so(installation: Settings) -> None:
    """An address where nobody listens is Unavailable, not a traceback of the client's."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    away = installation.model_copy(update={"kafka_bootstrap_servers": f"127.0.0.1:{port}"})
    with pytest.raises(Unavailable):
        async with Stages(away):
            pass
