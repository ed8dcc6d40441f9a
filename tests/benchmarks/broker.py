"""The broker as the benchmarks see it from outside: topics to make, how much lies on them, and what."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from tests.benchmarks.feed import PARTITIONS
from tests.waiting import eventually


class Broker:
    """One connection to look at topics with."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._watcher = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)

    async def __aenter__(self) -> Self:
        await self._watcher.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._watcher.stop()

    async def make_topic(self, name: str, config: dict[str, str] | None = None) -> None:
        """Make a topic with PARTITIONS partitions, and return when they are served."""
        async with self._admin() as admin:
            await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=config or {})])

        async def served() -> bool:
            return len(await self.ends(name)) == PARTITIONS

        await eventually(served, what=f"{name} is served")

    async def empty(self, topic: str) -> None:
        """Delete what lies on a topic: whoever reads it from its beginning finds nothing."""
        async with self._admin() as admin:
            await admin.delete_records({tp: RecordsToDelete(end) for tp, end in (await self.ends(topic)).items()})

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        """Each partition's end offset."""
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        ends: dict[TopicPartition, int] = await self._watcher.end_offsets(partitions)
        return ends

    async def lag(self, group: str, topic: str) -> int:
        """How many records of a topic a consumer group has not committed."""
        async with self._admin() as admin:
            committed = await admin.list_consumer_group_offsets(group)
        return sum(end - committed[tp].offset if tp in committed else end for tp, end in (await self.ends(topic)).items())

    async def read(self, topic: str, since: dict[TopicPartition, int]) -> AsyncIterator[Any]:
        """Every record of a topic from these offsets to its end, in each partition's order."""
        ends = await self.ends(topic)
        left = {tp for tp, end in ends.items() if end > since[tp]}
        async with self._reader(sorted(left), since) as reader:
            while left:
                for tp, records in (await reader.getmany(timeout_ms=1000)).items():
                    for record in records:
                        yield record
                    if await reader.position(tp) >= ends[tp]:
                        left.discard(tp)

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[Any]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    @asynccontextmanager
    async def _reader(self, partitions: list[TopicPartition], since: dict[TopicPartition, int]) -> AsyncIterator[Any]:
        reader = AIOKafkaConsumer(bootstrap_servers=self.bootstrap_servers, enable_auto_commit=False)
        await reader.start()
        try:
            reader.assign(partitions)
            for tp in partitions:
                reader.seek(tp, since[tp])
            yield reader
        finally:
            await reader.stop()
