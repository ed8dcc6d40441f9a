"""Executions into Postgres: the `executions` topic, projected into one row an execution.

A batch is written in one transaction, with how far it goes; then its offsets are committed. A batch that comes again, because
we died between the two or the group lost its offsets, changes nothing (projection.py). A record that cannot be read or written
goes to `dead`, acknowledged before the offset is committed, and the others go on. All instances share the partitions.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import chain
from typing import TypeAlias

import asyncpg
import msgspec
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import ConsumerRecord

from connectors.postgres.connection import connected
from connectors.postgres.execution_positions import begin_positions, read_positions
from connectors.postgres.execution_row import Told
from connectors.postgres.projection import UNACCEPTABLE, project
from connectors.postgres.row_topics import cluster_id
from streams.committed import GroupConsumer
from streams.dead import dead_letter_headers, dead_letter_topic
from streams.errors import ConnectorError
from streams.execution import decode_execution
from streams.goodbye import let_go
from streams.settings import Settings
from streams.topics import DAY_MS, EXECUTIONS

BATCH_RECORDS = 1000
"""Records a transaction writes at most: some ten milliseconds of work, and little to do again after a crash."""
POLL_MS = 200
"""How long we wait for records before we look whether Postgres is still connected, and which partitions are ours."""
FETCH_WAIT_MS = 50
"""How long the broker may hold a fetch open: one that covers only idle partitions holds up busy ones of the same broker."""
REST_RATIO = 3
"""How many times as long as a transaction took we rest after it, while records come slower than we can write them. More of them
gather for the next, which costs hardly more, and what an agent waits for has the machine to itself meanwhile."""
LONGEST_REST_SECONDS = 0.25
"""Some hundred milliseconds are soon for who looks at an execution."""

Record: TypeAlias = ConsumerRecord[bytes, bytes]

REQUEST_TIMEOUT_MS = 15_000
"""How long the broker may take for an answer: longer than the 10 seconds after which a group gives up a member that died."""

log = structlog.get_logger()


class ExecutionsIn:
    """The stage. Run it with `endurance.keep_going`."""

    name = "executions_in"

    def __init__(self, settings: Settings) -> None:
        self.working = False
        self.partitions: list[int] = []
        """The partitions this instance holds, while it works."""
        self.counts = {"projected": 0, "dead": 0}
        self._settings = settings
        self._kept_ms = int(settings.executions_kept_days * DAY_MS)

    async def session(self) -> None:
        """Join the group and project until a connection breaks. Raises what broke, one of `endurance.PASSING`."""
        async with connected(self._settings) as connection, self._clients() as (consumer, producer):
            known = await self._begin(connection, consumer)
            while True:
                self.partitions = sorted(partition.partition for partition in consumer.assignment())
                self.working = bool(self.partitions)
                batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH_RECORDS)
                if connection.is_closed():
                    raise ConnectorError("the connection to Postgres ended; trying again")
                if batches:
                    if any(partition.partition not in known for partition in batches):
                        known = await self._begin(connection, consumer)  # the topic has more of them than it had
                    async with _rest_after(consumer, batches):
                        await self._take(connection, producer, batches)
                        await self._commit(consumer, batches)

    @asynccontextmanager
    async def _clients(self) -> AsyncIterator[tuple[GroupConsumer, AIOKafkaProducer]]:
        consumer = GroupConsumer(
            EXECUTIONS.full_name(self._settings),
            **self._settings.kafka_client(),
            group_id=f"{self._settings.group}-executions",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        producer = AIOKafkaProducer(
            **self._settings.kafka_client(), acks="all", request_timeout_ms=int(self._settings.kafka_timeout_seconds * 1000)
        )
        try:
            await consumer.start()
            await producer.start()
            yield consumer, producer
        finally:
            self.working = False
            await let_go(consumer)
            await let_go(producer)

    async def _begin(self, connection: asyncpg.Connection, consumer: GroupConsumer) -> set[int]:
        """Hold the positions that Postgres has against the topic as it is; the partitions that have one."""
        topic, positions = EXECUTIONS.full_name(self._settings), await read_positions(connection)
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        ends = {partition.partition: end for partition, end in (await consumer.end_offsets(partitions)).items()}
        if gone := await begin_positions(connection, positions, await cluster_id(self._settings), ends):
            log.warning("positions_forgotten", partitions=gone, reason="the topic is not the one that was projected")
        return set(ends)

    async def _take(
        self, connection: asyncpg.Connection, producer: AIOKafkaProducer, batches: Mapping[TopicPartition, list[Record]]
    ) -> None:
        """Project what can be projected, and send the rest to `dead`."""
        told: list[tuple[Record, Told]] = []
        for record in chain.from_iterable(batches.values()):
            try:
                told.append((record, read_record(record)))
            except (msgspec.DecodeError, ValueError, RecursionError) as error:
                await self._bury(producer, record, error)
        ends = {partition.partition: batch[-1].offset + 1 for partition, batch in batches.items()}
        try:
            await project(connection, [change for _, change in told], ends, self._kept_ms)
            self.counts["projected"] += len(told)
        except UNACCEPTABLE:
            # One of them cannot be held. Each alone, it is found, and the others are written.
            for record, change in told:
                try:
                    await project(connection, [change], {change.partition: change.offset + 1}, self._kept_ms)
                    self.counts["projected"] += 1
                except UNACCEPTABLE as error:
                    await self._bury(producer, record, error)
            await project(connection, [], ends, self._kept_ms)

    async def _bury(self, producer: AIOKafkaProducer, record: Record, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        log.warning("execution_unacceptable", **where, error=reason)
        headers = dead_letter_headers(record.headers, **where, stage=self.name, error=reason)
        await producer.send_and_wait(dead_letter_topic(self._settings), record.value, key=record.key, headers=headers)
        self.counts["dead"] += 1

    async def _commit(self, consumer: GroupConsumer, batches: Mapping[TopicPartition, list[Record]]) -> None:
        try:
            await consumer.commit({partition: batch[-1].offset + 1 for partition, batch in batches.items()})
        except (CommitFailedError, IllegalStateError) as error:
            # A partition moved away meanwhile. Who has it now reads these records again, and they change nothing.
            log.info("offsets_uncommitted", error=repr(error))


@asynccontextmanager
async def _rest_after(consumer: GroupConsumer, batches: Mapping[TopicPartition, list[Record]]) -> AsyncIterator[None]:
    """A transaction of these records, and the rest after it; none while more are waiting.

    Nothing is fetched until the rest is over: fetched now, a few records would be all that the next transaction gets.
    """
    # When it was last asked, the broker had more of these partitions. One that moved away meanwhile is not ours to ask for.
    mine = consumer.assignment() & batches.keys()
    if any((consumer.highwater(partition) or 0) > batches[partition][-1].offset + 1 for partition in mine):
        yield
        return
    began = time.monotonic()
    consumer.pause(*consumer.assignment())
    yield
    await asyncio.sleep(min(REST_RATIO * (time.monotonic() - began), LONGEST_REST_SECONDS))
    consumer.resume(*consumer.paused())


def read_record(record: Record) -> Told:
    """Understand a record of `executions`. Raises msgspec.DecodeError or ValueError with the reason."""
    execution = decode_execution(record.value or b"")
    if not execution.execution_id or not execution.trigger_id:
        raise ValueError("execution_id and trigger_id must not be empty")
    return Told(execution, record.partition, record.offset)
