"""Feeds and hubs that know only the contract: a Kafka client, a plain HTTP server."""

import json
import uuid
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import murmur2

from streams.settings import Settings
from tests.acceptance.installation import Client
from tests.acceptance.receiver import Receiver
from tests.waiting import eventually

INJECT_FIELDS = {
    "execution_id",
    "trigger_id",
    "agent_id",
    "agent_instance_id",
    "message",
    "seed_parts",
    "event",
    "lineage",
    "provider",
    "model",
    "callback_url",
}


async def produce(settings: Settings, value: bytes, key: bytes | None, partition: int) -> tuple[int, int]:
    """Produce one record straight to `events`; the partition and offset it got."""
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, acks="all") as producer:
        at = await producer.send_and_wait(f"{settings.topic_prefix}events", value, key=key, partition=partition)
    return at.partition, at.offset


def wrong_partition(key: bytes, partitions: int) -> int:
    """A partition in which Kafka's own partitioner would not put this key."""
    hashed: int = murmur2(key)
    return ((hashed & 0x7FFFFFFF) + 1) % partitions


async def test_a_public_kafka_client_fires_an_agent_at_a_plain_http_server(
    settings: Settings, client: Client, receiver: Receiver, source: str
) -> None:
    """An event that another partitioner placed reaches the hub as SPEC 7 says, with its token and its Idempotency-Key."""
    hub_id = f"hub-{uuid.uuid4().hex[:8]}"
    client.register_hub(hub_id, receiver.base_url, token="let-me-in")
    trigger_id = client.create_trigger("goal", f"{source}:goal", hub_id, extra_seed_parts=[{"literal": "be brief"}])
    payload = {"team": "Mexico", "minute": 12}
    value = json.dumps({"source": source, "type": "goal", "payload": payload}).encode()
    await produce(settings, value, source.encode(), wrong_partition(source.encode(), settings.partitions))

    [inject] = await eventually(lambda: receiver.of(trigger_id), 30, "the hub is called")
    assert inject.path == f"/api/hub-control/{hub_id}/inject"
    assert inject.headers["authorization"] == "Bearer let-me-in"
    assert inject.headers["idempotency-key"] == inject.body["execution_id"]
    assert inject.body.keys() == INJECT_FIELDS
    assert inject.body["agent_instance_id"] == "desk"
    assert inject.body["message"] == "goal happened"
    assert {"literal": "be brief"} in inject.body["seed_parts"]
    assert (inject.body["event"]["source"], inject.body["event"]["payload"]) == (source, payload)
    assert inject.body["lineage"]["trigger_chain"] == [trigger_id]
    await eventually(lambda: [done["status"] for done in client.executions(trigger_id)] == ["COMPLETED"], 30, "COMPLETED")


async def test_a_cloud_event_straight_on_the_topic_fires_a_fresh_instance(
    settings: Settings, client: Client, receiver: Receiver, hub_id: str, source: str
) -> None:
    """A structured CloudEvent means the same as the plain object, and `{run_id}` asks for a fresh instance."""
    trigger_id = client.create_trigger("goal", f"{source}:goal", hub_id, agent_instance_id="reporter-{run_id}")
    event = {"specversion": "1.0", "id": "one", "source": source, "type": "goal", "data": {"team": "Canada"}}
    await produce(settings, json.dumps(event).encode(), None, 0)

    [inject] = await eventually(lambda: receiver.of(trigger_id), 30, "the hub is called")
    assert inject.path == f"/api/hub-control/{hub_id}/inject-and-create"
    assert inject.body["agent_instance_id"].startswith("reporter-")
    assert "{" not in inject.body["agent_instance_id"]
    assert inject.body["event"]["payload"] == {"team": "Canada"}


async def test_an_unreadable_record_goes_to_dead_and_its_partition_goes_on(
    settings: Settings, client: Client, receiver: Receiver, hub_id: str, source: str
) -> None:
    """It lies there byte for byte, with its reason and its coordinates; the good record behind it fires."""
    trigger_id = client.create_trigger("goal", f"{source}:goal", hub_id)
    poison = b"\xff not an event " + source.encode()
    partition, offset = await produce(settings, poison, b"poison", 1)
    good = json.dumps({"source": source, "type": "goal", "payload": {}}).encode()
    await produce(settings, good, source.encode(), 1)

    await eventually(lambda: receiver.of(trigger_id), 30, "the good record fires")
    dead = await find_dead(settings, poison)
    headers = {name: value.decode() for name, value in dead.headers}
    assert dead.key == b"poison"
    assert headers["topic"] == f"{settings.topic_prefix}events"
    assert (headers["partition"], headers["offset"]) == (str(partition), str(offset))
    assert headers["stage"]
    assert headers["error"]


async def find_dead(settings: Settings, value: bytes) -> Any:
    """The record on `dead` with that value."""
    topic = f"{settings.topic_prefix}dead"
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)

        async def found() -> Any:
            batches = await consumer.getmany(timeout_ms=500)
            return next((record for batch in batches.values() for record in batch if record.value == value), None)

        return await eventually(found, 30, "the record is on dead")
    finally:
        await consumer.stop()
