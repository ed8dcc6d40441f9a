"""How far behind the stages are: the ends of the topics they read, less what their group has committed."""

# aiokafka's functions have no types:
# mypy: allow-untyped-calls

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from streams.settings import Settings
from streams.topics import CROSSINGS, DISPATCHES, EVENTS, FIRINGS

READ = {"detect and match": EVENTS, "match crossings": CROSSINGS, "gate": FIRINGS, "dispatch": DISPATCHES}
"""Each stage, and the topic it reads."""


async def lag_records(settings: Settings) -> dict[str, int]:
    """Records each stage has still to read, by stage. Raises KafkaError when the broker does not say."""
    async with _clients(settings) as (consumer, admin):
        committed = await admin.list_consumer_group_offsets(settings.group)
        lag: dict[str, int] = {}
        for stage, topic in READ.items():
            numbers = range(topic.partitions(settings))
            partitions = [TopicPartition(topic.full_name(settings), number) for number in numbers]
            ends = await consumer.end_offsets(partitions)
            done = {partition: committed[partition].offset for partition in partitions if partition in committed}
            lag[stage] = sum(ends[partition] - max(0, done.get(partition, 0)) for partition in partitions)
        return lag


@asynccontextmanager
async def _clients(settings: Settings) -> AsyncIterator[tuple[AIOKafkaConsumer, AIOKafkaAdminClient]]:
    async with AsyncExitStack() as stack:
        consumer = AIOKafkaConsumer(**settings.kafka_client(), enable_auto_commit=False)
        stack.push_async_callback(consumer.stop)
        await consumer.start()
        admin = AIOKafkaAdminClient(**settings.kafka_client())
        stack.push_async_callback(admin.close)
        await admin.start()
        yield consumer, admin
