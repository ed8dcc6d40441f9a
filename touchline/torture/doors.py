"""The two ways in, each tried until the fact is accepted: 202 of the HTTP API, or the broker's ack with acks=all."""

# aiokafka's functions have no types:
# mypy: allow-untyped-calls

import asyncio
import time
import zlib
from collections.abc import Sequence
from http import HTTPStatus
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.errors import TouchlineError
from streams.settings import Settings
from streams.topics import EVENTS, partition_of
from touchline.torture.api import Api
from touchline.torture.feed import HTTP, KAFKA, STRAY_KEYS, Fact
from touchline.torture.history import History

ACK_TIMEOUT_MS = 8_000
"""How long the broker may take for an ack before the record is sent again."""
PAUSE_SECONDS = 0.2
"""Before what was not accepted is sent again."""


class Accepted:
    """The facts that are accepted: `at_ms` by fact id, when their sender was told so (Unix milliseconds)."""

    def __init__(self, history: History) -> None:
        self.at_ms: dict[str, int] = {}
        self._history = history

    def note(self, door: str, facts: Sequence[Fact], attempts: int) -> None:
        """These are, after so many attempts."""
        at_ms = time.time_ns() // 1_000_000
        for fact in facts:
            self.at_ms.setdefault(fact.id, at_ms)
        self._history.write("accepted", door=door, facts=[fact.id for fact in facts], attempts=attempts)


class Door(Protocol):
    """A way in. `send` returns once every one of the facts is accepted; no two of them may have the same key."""

    async def send(self, facts: Sequence[Fact]) -> None:
        """Send until accepted."""


class HttpDoor:
    """`POST /api/events/ingest`, in batches; an item that was not accepted is sent again with the same id."""

    def __init__(self, api: Api, accepted: Accepted) -> None:
        self._api = api
        self._accepted = accepted

    async def send(self, facts: Sequence[Fact]) -> None:
        """An item that is refused for good is an unexpected answer, and lost."""
        left = list(facts)
        attempts = 0
        while left:
            attempts += 1
            sent = [fact for fact in left for _ in range(fact.copies)]
            body = [_plain(fact) for fact in sent]
            try:
                answer = await self._api.ask("POST", "/api/events/ingest", body)
            except TouchlineError:
                return
            refused: dict[str, Fact] = {}
            for fact, result in zip(sent, answer.json()["results"], strict=True):
                if "event_id" in result:
                    continue
                if result.get("status") == HTTPStatus.SERVICE_UNAVAILABLE:
                    refused[fact.id] = fact
                else:
                    self._api.blame({"fact": fact.id, "problem": result})
            self._accepted.note(HTTP, [fact for fact in left if fact.id not in refused], attempts)
            left = list(refused.values())
            if left:
                await asyncio.sleep(PAUSE_SECONDS)


class KafkaDoor:
    """Straight to the `events` topic. The client is not idempotent, so that it may give up a batch and go on."""

    def __init__(self, settings: Settings, accepted: Accepted, history: History) -> None:
        self._topic = EVENTS.full_name(settings)
        self._partitions = settings.partitions
        self._accepted = accepted
        self._history = history
        self._producer = AIOKafkaProducer(**settings.kafka_client(), acks="all", request_timeout_ms=ACK_TIMEOUT_MS)

    async def start(self) -> None:
        """Connect. Raises KafkaError when the broker is away."""
        await self._producer.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._producer.stop()

    async def send(self, facts: Sequence[Fact]) -> None:
        """Each fact as often as it says, in a row."""
        left = list(facts)
        attempts = 0
        while left:
            attempts += 1
            outcomes = await asyncio.gather(*[self._send(fact) for fact in left])
            self._accepted.note(KAFKA, [fact for fact, done in zip(left, outcomes, strict=True) if done], attempts)
            left = [fact for fact, done in zip(left, outcomes, strict=True) if not done]
            if left:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _send(self, fact: Fact) -> bool:
        key = fact.key.encode()
        partition = chosen_partition(fact.key, self._partitions)
        try:
            for _ in range(fact.copies):
                await self._producer.send_and_wait(self._topic, fact.wire, key=key, partition=partition)
        except (KafkaError, OSError) as error:
            self._history.write("not_accepted", door=KAFKA, fact=fact.id, error=repr(error))
            return False
        return True


def chosen_partition(key: str, partitions: int) -> int:
    """Where the producer puts a key: as Kafka's own does, or, for STRAY_KEYS, as librdkafka does by default (CRC32)."""
    if key in STRAY_KEYS:
        return zlib.crc32(key.encode()) % partitions
    return partition_of(key.encode(), partitions)


def _plain(fact: Fact) -> dict[str, object]:
    plain: dict[str, object] = {"id": fact.id, "source": fact.source, "type": fact.type, "payload": fact.payload}
    return plain | ({"subject": fact.subject} if fact.subject else {})
