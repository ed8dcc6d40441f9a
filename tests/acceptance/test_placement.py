"""Placement: a feed whose client partitions in its own way, and the HTTP door, write the same keys and share one state."""

import json
import uuid
import zlib

from confluent_kafka import Producer

from streams.settings import Settings
from streams.topics import partition_of
from tests.acceptance.installation import Client
from tests.acceptance.receiver import Receiver
from tests.waiting import eventually


def foreign_source(partitions: int) -> str:
    """A source that librdkafka's default partitioner (CRC32 of the key) puts elsewhere than Kafka's own (murmur2)."""
    while True:
        source = f"stocks_{uuid.uuid4().hex[:8]}"
        if zlib.crc32(source.encode()) % partitions != partition_of(source.encode(), partitions):
            return source


async def test_a_librdkafka_feed_and_the_http_door_share_one_state(
    settings: Settings, client: Client, receiver: Receiver, hub_id: str
) -> None:
    """A price below by one way in and above by the other has crossed, each time; copies are forwarded with their ids."""
    source = foreign_source(settings.partitions)
    trigger_id = client.create_trigger(
        "over 100", f"{source}:price_cross_above", hub_id, match_filter={"symbol": "AAPL", "price": {"gte": 100}}
    )
    goal_id = client.create_trigger("goal", f"{source}:goal", hub_id)
    feed = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers, "acks": "all"})
    partitions: list[int | None] = []

    def produce(event: dict[str, object]) -> None:
        value = json.dumps({"source": source, **event}).encode()
        feed.produce(
            f"{settings.topic_prefix}events",
            value,
            key=source,
            on_delivery=lambda _, record: partitions.append(record.partition()),
        )
        assert feed.flush(30) == 0

    for round_number in range(3):
        below = {"symbol": "AAPL", "price": 90 + round_number}
        above = {"symbol": "AAPL", "price": 110 + round_number}
        if round_number % 2:
            produce({"type": "price", "payload": below})
            produce({"type": "goal", "payload": {"n": round_number}, "id": f"{source}-{round_number}"})
            await until_heard(receiver, goal_id, round_number)
            client.publish(source, "price", above)
        else:
            client.publish(source, "price", below)
            client.publish(source, "goal", {"n": round_number}, event_id=f"{source}-{round_number}")
            await until_heard(receiver, goal_id, round_number)
            produce({"type": "price", "payload": above})
        await until_crossed(receiver, trigger_id, round_number + 1)

    assert [inject.body["event"]["payload"]["price"] for inject in receiver.of(trigger_id)] == [110, 111, 112]
    assert set(partitions) == {zlib.crc32(source.encode()) % settings.partitions}
    # The goal of each round was judged before the price that crosses; its id came through the forwarding unchanged.
    assert [inject.body["event"]["id"] for inject in receiver.of(goal_id)] == [f"{source}-{n}" for n in range(3)]


async def until_heard(receiver: Receiver, trigger_id: str, number: int) -> None:
    """Wait until the goal of this round has reached the hub: what was written before it has been judged."""

    def heard() -> bool:
        return any(inject.body["event"]["payload"]["n"] == number for inject in receiver.of(trigger_id))

    await eventually(heard, 30, f"the goal of round {number} is heard")


async def until_crossed(receiver: Receiver, trigger_id: str, times: int) -> None:
    """Wait until the trigger has fired so many times."""
    await eventually(lambda: len(receiver.of(trigger_id)) == times, 30, f"{times} crossings")
