"""Real compaction, soon: Kafka's own cleaner, told not to wait."""

from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.integration.engine.conftest import PARTITIONS, Broker
from tests.waiting import eventually

EAGER = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.001",
    "min.compaction.lag.ms": "0",
    "segment.bytes": "1048576",
    "segment.ms": "50",
    "delete.retention.ms": "0",
}


async def compacting(admin: AIOKafkaAdminClient, topic: str) -> None:
    """Have the cleaner look at this topic all the time."""
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, EAGER)])
    broker_id = str(next(iter(admin._client.cluster.brokers())).nodeId)
    await admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, broker_id, {"log.cleaner.backoff.ms": "100"})])


async def compacted(broker: Broker, producer: AIOKafkaProducer, topic: str, at_most: int) -> list[Any]:
    """Wait until at most so many records are left, and return them. The active segment is never cleaned: each look adds one."""

    async def clean() -> list[Any]:
        for partition in range(PARTITIONS):
            await producer.send_and_wait(topic, b"{}", key=b"roll", partition=partition)
        records = await broker.records(topic)
        return records if len(records) <= at_most else []

    return await eventually(clean, 60, f"{topic} is compacted")
