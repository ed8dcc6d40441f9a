"""Watching the stages from outside, as any Kafka client can: what they wrote, and how far behind they are."""

import asyncio
from types import TracebackType
from typing import Any, Self

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.errors import Unavailable
from streams.settings import Settings
from streams.topics import CROSSINGS, DISPATCHES, EVENTS, FIRINGS
from touchline.demo.tally import COUNTED, Tally

STAGES = {"detect and match": EVENTS, "match crossings": CROSSINGS, "gate": FIRINGS, "dispatch": DISPATCHES}
"""Each stage, and the topic it reads."""
POLL_MS = 200
"""Longest wait for new records before the loop looks again whether it was cancelled."""


log = structlog.get_logger()


class Stages:
    """Reads the counted topics from where they ended at the start, and the workers' progress. Use it as a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        client: dict[str, Any] = settings.kafka_client()
        self._consumer = AIOKafkaConsumer(**client, group_id=None, enable_auto_commit=False)
        self._admin = AIOKafkaAdminClient(**client)
        self._lag_records: dict[str, int] = {}
        self._partitions: dict[str, list[TopicPartition]] = {}
        self._topics = {topic.full_name(settings): topic for topic in COUNTED}

    async def __aenter__(self) -> Self:
        """Raises Unavailable when the broker does not answer."""
        try:
            await self._start()
        except KafkaError as error:
            await self._stop()
            raise Unavailable(f"Kafka does not answer: {error!r}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def count_into(self, tally: Tally) -> None:
        """Feed every record written since the start to the tally, until cancelled."""
        while True:
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS)
            for partition, records in fetched.items():
                for record in records:
                    tally.count(self._topics[partition.topic], record.value)

    async def lag_records(self) -> dict[str, int]:
        """How many records each stage has still to read, by stage: the end of its topic less what the workers committed.

        While the broker does not say, the last answer stands; before the first it is empty.
        """
        try:
            self._lag_records = await self._ask_lag()
        except KafkaError as error:
            log.warning("lag_unknown", error=repr(error))
        return self._lag_records

    async def _ask_lag(self) -> dict[str, int]:
        partitions = {stage: self._partitions[topic.full_name(self._settings)] for stage, topic in STAGES.items()}
        every = [partition for group in partitions.values() for partition in group]
        ends, begins, committed = await asyncio.gather(
            self._consumer.end_offsets(every),
            self._consumer.beginning_offsets(every),
            self._admin.list_consumer_group_offsets(self._settings.group),
        )
        done = {partition: offset.offset for partition, offset in committed.items() if offset.offset >= 0}
        return {
            stage: sum(max(0, ends[partition] - done.get(partition, begins[partition])) for partition in group)
            for stage, group in partitions.items()
        }

    async def _start(self) -> None:
        await self._consumer.start()
        await self._admin.start()
        self._partitions = await self._describe()
        counted = [partition for topic in COUNTED for partition in self._partitions[topic.full_name(self._settings)]]
        self._consumer.assign(counted)
        for partition, end in (await self._consumer.end_offsets(counted)).items():
            self._consumer.seek(partition, end)

    async def _stop(self) -> None:
        await self._admin.close()
        await self._consumer.stop()

    async def _describe(self) -> dict[str, list[TopicPartition]]:
        """The partitions of every topic this reads, as the broker knows them."""
        names = {topic.full_name(self._settings) for topic in (*COUNTED, *STAGES.values())}
        described = await self._admin.describe_topics(sorted(names))
        return {
            topic["topic"]: [TopicPartition(topic["topic"], entry["partition"]) for entry in topic["partitions"]]
            for topic in described
        }
