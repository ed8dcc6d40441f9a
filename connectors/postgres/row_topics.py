"""The row topics as they lie on the broker: which cluster holds them, where they end, which keys they still have."""

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from connectors.postgres.tables import TABLES, Table
from streams.goodbye import let_go
from streams.settings import Settings


async def cluster_id(settings: Settings) -> str:
    """The id the cluster was formatted with. Raises KafkaError."""
    admin = AIOKafkaAdminClient(**settings.kafka_client())
    try:
        await admin.start()
        return str((await admin.describe_cluster())["cluster_id"])
    finally:
        await admin.close()


async def topic_ends(settings: Settings) -> dict[str, int]:
    """Topic -> the offset after its last record. Raises KafkaError."""
    partitions = [TopicPartition(table.topic.full_name(settings), 0) for table in TABLES]
    consumer = AIOKafkaConsumer(**settings.kafka_client())
    try:
        await consumer.start()
        return {partition.topic: end for partition, end in (await consumer.end_offsets(partitions)).items()}
    finally:
        await let_go(consumer)


async def keys_on_topic(settings: Settings, table: Table) -> set[bytes]:
    """The keys that have a value on the table's topic, a tombstone not being one. Raises KafkaError."""
    keys: set[bytes] = set()
    partition = TopicPartition(table.topic.full_name(settings), 0)
    consumer = AIOKafkaConsumer(**settings.kafka_client(), enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await consumer.start()
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        # By position: compaction may have taken the last records before the end.
        while await consumer.position(partition) < end:
            for record in (await consumer.getmany(partition, timeout_ms=200)).get(partition, ()):
                key = record.key or b""
                if record.value is None:
                    keys.discard(key)
                else:
                    keys.add(key)
    finally:
        await let_go(consumer)
    return keys
