"""The ledger's accounts as ingest reads them: from the changelog of the workers' table, which holds them all.

Read to its end whenever somebody asks; the second time only what was written since. An account is its newest state by the
input offset, as in the workers' own recovery: what a worker that had lost its partition wrote late does not count.
"""

import asyncio
from typing import Any

import msgspec
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import Unavailable
from streams.goodbye import let_go
from streams.ledger.account import STAGES, Account, Owner, changelog, decode_account, owner_of
from streams.ledger.balance import Accounts, Spans
from streams.settings import Settings
from streams.topics import EXECUTIONS, Topic

READ_SECONDS = 10.0
"""How long reading may take: the first time there may be an hour of changes, which compaction leaves alone."""

log = structlog.get_logger()


class LedgerBook:
    """The accounts, and where the topics end. Nothing is read, and nobody connected to, before somebody asks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._accounts: dict[tuple[int, Owner], Account] = {}
        self._changelog = [TopicPartition(changelog(settings), number) for number in range(settings.partitions)]
        self._consumer: AIOKafkaConsumer | None = None
        self._turn = asyncio.Lock()

    async def stop(self) -> None:
        """Disconnect."""
        async with self._turn:
            await self._let_go()

    async def accounts(self) -> Accounts:
        """Every account, as of now or later. Raises Unavailable."""
        async with self._turn:
            consumer = await self._connected()
            try:
                async with asyncio.timeout(READ_SECONDS):
                    ends = await consumer.end_offsets(self._changelog)
                    while any([await consumer.position(place) < ends[place] for place in self._changelog]):
                        for records in (await consumer.getmany(timeout_ms=100)).values():
                            for record in records:
                                self._apply(record)
            except (KafkaError, OSError, TimeoutError) as error:
                await self._let_go()
                raise _unavailable(error) from error
            return self._accounts.copy()

    async def spans(self) -> Spans:
        """What the topics of the stages that keep accounts hold. Raises Unavailable."""
        found: dict[tuple[str, int], tuple[int, int]] = {}
        for stage, topic in STAGES.items():
            for number, span in (await self._spans(topic)).items():
                found[stage, number] = span
        return found

    async def execution_spans(self) -> dict[int, tuple[int, int]]:
        """The first offset of each partition of `executions`, and the one after its last. Raises Unavailable."""
        return await self._spans(EXECUTIONS)

    async def _spans(self, topic: Topic) -> dict[int, tuple[int, int]]:
        places = [TopicPartition(topic.full_name(self._settings), number) for number in range(self._settings.partitions)]
        async with self._turn:
            consumer = await self._connected()
            try:
                async with asyncio.timeout(READ_SECONDS):
                    begins, ends = await asyncio.gather(consumer.beginning_offsets(places), consumer.end_offsets(places))
            except (KafkaError, OSError, TimeoutError) as error:
                raise _unavailable(error) from error
        return {place.partition: (begins[place], ends[place]) for place in places}

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is not None:
            return self._consumer
        consumer = AIOKafkaConsumer(
            **self._settings.kafka_client(), auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_wait_ms=50
        )
        try:
            async with asyncio.timeout(READ_SECONDS):
                await consumer.start()
        except (KafkaError, OSError, TimeoutError) as error:
            await let_go(consumer)
            raise _unavailable(error) from error
        except asyncio.CancelledError:  # whoever asked has no more time
            await let_go(consumer)
            raise
        consumer.assign(self._changelog)
        self._accounts.clear()
        self._consumer = consumer
        return consumer

    async def _let_go(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await let_go(consumer)

    def _apply(self, record: Any) -> None:
        try:
            place = record.partition, owner_of(record.key or b"")
            account = decode_account(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("account_unreadable", partition=record.partition, offset=record.offset, error=str(error))
            return
        before = self._accounts.get(place)
        if before is None or account.offset >= before.offset:
            self._accounts[place] = account


def _unavailable(error: BaseException) -> Unavailable:
    return Unavailable(f"Kafka could not be asked for the ledger ({error!r}); nothing was changed, try again")
