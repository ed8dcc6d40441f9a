"""The producer: a record is accepted when the broker has acknowledged it with `acks=all`, and not before.

The client underneath is idempotent, so its own retries never double a record. The price: it retries for ever, and a
batch it gave up leaves a gap in the sequence that fails every later batch of that partition (OutOfOrderSequenceNumber).
So a client that let an answer wait too long, or failed one, is thrown away with all it still holds: what was refused with
503 is not sent later behind the back of whoever sends it again, and the next client starts a sequence of its own.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from ingest.problems import problem
from streams.errors import Unavailable
from streams.settings import Settings
from streams.topics import Topic, partition_of

log = structlog.get_logger()

RETRY_SECONDS = 0.25
"""Pause before the next attempt to reach a broker: short, since every caller is waiting."""
START_TIMEOUT_SECONDS = 10.0
"""How long one attempt to reach a broker may take; a cluster under load answers within this."""
BATCH_BYTES = 256 * 1024
"""Records gathered per partition while the ones before are on their way; far below a broker's limit of 1 MiB."""
REQUEST_BYTES = 2 * 1024 * 1024
"""The largest record the client hands on. The topic's own `max.message.bytes` decides; this only must not be below it."""


class Record(NamedTuple):
    """One record to be accepted. The key chooses the partition, as everywhere (`streams.topics.partition_of`)."""

    topic: Topic
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]] = ()


Outcome = Exception | None
"""What became of one record: None when the broker has it, else why not."""


class Producer:
    """Accepts records while there is a broker, and comes back by itself when there is one again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: AIOKafkaProducer | None = None
        self._ready = asyncio.Event()
        self._opening: asyncio.Task[None] | None = None
        self._discarding: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to look for a broker, in the background."""
        self._opening = asyncio.create_task(self._open(), name="producer")

    async def stop(self) -> None:
        """Send what is on its way, for as long as an accept may take, and let go."""
        if self._opening is not None:
            self._opening.cancel()
            with suppress(asyncio.CancelledError):
                await self._opening
        client, self._client = self._client, None
        self._ready.clear()
        if client is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.kafka_timeout_seconds):
                    await client.flush()
            await _discard(client)
        await asyncio.gather(*self._discarding)

    async def accept(self, records: Sequence[Record]) -> list[Outcome]:
        """Produce `records` and wait for their acks, `kafka_timeout_seconds` at most. One outcome per record, in order."""
        return [outcome if isinstance(outcome, Exception) else None for outcome in await self._produce(records)]

    async def place(self, record: Record) -> int:
        """Produce one record; the offset it has in its partition. Raises Unavailable without an ack, problem 413."""
        (outcome,) = await self._produce([record])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _produce(self, records: Sequence[Record]) -> list[int | Exception]:
        """The offset of each record, or why it has none."""
        deadline = asyncio.get_running_loop().time() + self._settings.kafka_timeout_seconds
        outcomes: list[asyncio.Future[Any] | Exception] = []
        client = None
        try:
            async with asyncio.timeout_at(deadline):
                await self._ready.wait()
                client = self._client
                if client is not None:
                    for record in records:
                        outcomes.append(await self._send(client, record))  # noqa: PERF401  # what was sent when time is up counts
        except TimeoutError as error:
            outcomes += [error] * (len(records) - len(outcomes))
        if client is None:
            return [self._unavailable("there is no broker")] * len(records)
        futures = [sent for sent in outcomes if isinstance(sent, asyncio.Future)]
        if futures:
            await asyncio.wait(futures, timeout=deadline - asyncio.get_running_loop().time())
        return self._judge(client, outcomes)

    async def metadata(self) -> ClusterMetadata:
        """The cluster as it answers now. Raises Unavailable when there is none."""
        client = self._client
        if client is None:
            raise self._unavailable("there is no broker")
        try:
            cluster: ClusterMetadata = await client.client.fetch_all_metadata()
            return cluster
        except (KafkaError, OSError) as error:
            raise self._unavailable(repr(error)) from error

    async def _send(self, client: AIOKafkaProducer, record: Record) -> "asyncio.Future[Any] | Exception":
        topic = record.topic.full_name(self._settings)
        partition = partition_of(record.key, record.topic.partitions(self._settings))
        try:
            sent: asyncio.Future[Any] = await client.send(
                topic, record.value, key=record.key, partition=partition, headers=record.headers
            )
        except (KafkaError, OSError) as error:
            return error
        return sent

    def _judge(self, client: AIOKafkaProducer, outcomes: "list[asyncio.Future[Any] | Exception]") -> list[int | Exception]:
        judged: list[int | Exception] = []
        failed: BaseException | None = None
        for outcome in outcomes:
            error: BaseException | None
            if isinstance(outcome, Exception):
                error = outcome
            elif not outcome.done():
                outcome.cancel()  # nobody waits for it any more
                error = TimeoutError("no ack in time")
            elif (error := outcome.exception()) is None:
                judged.append(outcome.result().offset)
                continue
            judged.append(self._refusal(error))
            # What the client itself finds too large takes no sequence number; all else may have left a gap.
            if not (error is outcome and isinstance(error, MessageSizeTooLargeError)):
                failed = error
        if failed is not None:
            self._renew(client, failed)
        return judged

    def _refusal(self, error: BaseException) -> Exception:
        if isinstance(error, (MessageSizeTooLargeError, RecordListTooLargeError)):
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the record is larger than the topic's max.message.bytes")
        return self._unavailable(repr(error))

    def _unavailable(self, why: str) -> Unavailable:
        return Unavailable(f"Kafka did not acknowledge ({why}); nothing was accepted, send it again with the same id")

    def _renew(self, client: AIOKafkaProducer, error: BaseException) -> None:
        if client is not self._client:
            return
        log.warning("producer_renewed", error=repr(error))
        self._client = None
        self._ready.clear()
        discarding = asyncio.create_task(_discard(client), name="producer-discard")
        self._discarding.add(discarding)
        discarding.add_done_callback(self._discarding.discard)
        self._opening = asyncio.create_task(self._open(), name="producer")

    async def _open(self) -> None:
        settings = self._settings
        while True:
            client = AIOKafkaProducer(
                **settings.kafka_client(),
                enable_idempotence=True,
                acks="all",
                linger_ms=0,
                max_batch_size=BATCH_BYTES,
                max_request_size=REQUEST_BYTES,
                request_timeout_ms=int(settings.kafka_timeout_seconds * 1000),
            )
            try:
                async with asyncio.timeout(START_TIMEOUT_SECONDS):
                    await client.start()
                break
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("broker_unreachable", error=repr(error), retry_seconds=RETRY_SECONDS)
                await _discard(client)
                await asyncio.sleep(RETRY_SECONDS)
            except asyncio.CancelledError:
                await _discard(client)
                raise
        self._client = client
        self._ready.set()
        log.info("producer_ready")


async def _discard(client: AIOKafkaProducer) -> None:
    """Close a client at once, with all it holds. Its own stop() would first wait for a broker, and send all that.

    aiokafka offers no way to give up, so this reaches into it; test_ingest_outages fails when that no longer works.
    """
    sender, accumulator = client._sender.sender_task, client._message_accumulator
    if sender is not None and not sender.done():
        sender.cancel()
    queued = [batch for batches in accumulator._batches.values() for batch in batches]
    accumulator.fail_all(KafkaError("given up"))
    for batch in queued:
        batch._drain_waiter.exception()  # retrieved, or asyncio reports it as forgotten
    await client.client.close()
    with suppress(KafkaError, asyncio.CancelledError):
        await client.stop()
