"""How a producer's facts get in: over HTTP, or straight to Kafka."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec
import stamina
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from pydantic import SecretStr

from streams.errors import Unavailable
from streams.event import Event, encode_event, event_key
from streams.settings import Settings
from streams.topics import EVENTS

BATCH_EVENTS = 500
"""Events of one HTTP batch: with payloads of 1 KiB still half of what ingest accepts as one body."""
GIVE_UP_SECONDS = 60.0
"""How long one batch is tried before the producer is told: longer than a broker's restart."""
FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 2.0
"""Longest wait between two tries: a fact should arrive soon after the door is open again."""

log = structlog.get_logger()


class HttpPublisher:
    """Sends to `POST {api_url}/api/events/ingest`. `client` is the caller's, who also closes it.

    `api_key` lets the events in (TOUCHLINE_API_KEY, by the settings), into the key's workspace. `workspace`, when given, is
    that of every event: a key of the installation, or an installation without keys, leaves the choice.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        api_url: str,
        give_up_seconds: float = GIVE_UP_SECONDS,
        api_key: SecretStr | None = None,
        workspace: str = "",
    ) -> None:
        self._client = client
        self._url = f"{api_url.rstrip('/')}/api/events/ingest"
        self._give_up_seconds = give_up_seconds
        self._workspace = workspace
        self._headers = {"Content-Type": "application/json"}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key.get_secret_value()}"

    async def publish(self, events: Sequence[Event]) -> None:
        """Send in batches; what was not accepted is sent again with the same ids, so nothing is lost or doubled.

        An event that ingest refuses for good is logged and left out: sending it again would not help, and those behind
        it must not wait. Raises Unavailable when the door stays closed.
        """
        for batch in _batches(_placed(events, self._workspace)):
            left = batch
            try:
                async for attempt in stamina.retry_context(
                    on=_backoff,
                    attempts=None,
                    timeout=self._give_up_seconds,
                    wait_initial=FIRST_BACKOFF_SECONDS,
                    wait_max=LONGEST_BACKOFF_SECONDS,
                ):
                    with attempt:
                        left = await self._send(left)
                        if left:
                            raise Unavailable(f"{len(left)} of {len(batch)} events were not accepted yet")
            except httpx.HTTPError as error:
                raise Unavailable(f"{self._url} does not accept events: {error!r}") from error

    async def _send(self, batch: Sequence[Event]) -> list[Event]:
        """One try; returns what is to be sent again. Raises httpx.HTTPError when nothing was accepted."""
        response = await self._client.post(self._url, content=msgspec.json.encode(batch), headers=self._headers)
        response.raise_for_status()
        results: list[dict[str, Any]] = response.json()["results"]
        again: list[Event] = []
        for event, result in zip(batch, results, strict=True):
            if "event_id" in result:
                continue
            if int(result.get("status", 422)) == httpx.codes.SERVICE_UNAVAILABLE:
                again.append(event)
            else:
                log.error("event_refused", event_id=event.id, source=event.source, type=event.type, problem=result)
        return again


def _backoff(error: Exception) -> bool | float:
    """Whether a failed try is worth another, or how many seconds to wait because the door says so (Retry-After)."""
    if isinstance(error, httpx.HTTPStatusError):
        if error.response.status_code not in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
            return error.response.is_server_error
        after = error.response.headers.get("Retry-After", "")
        return min(float(after), GIVE_UP_SECONDS) if after.isdecimal() else True
    return isinstance(error, (httpx.TransportError, Unavailable))


class KafkaPublisher:
    """Writes straight to the `events` topic, `acks=all`, each event as a plain JSON object. Use it as a context manager.

    `key`, when given, is every record's key. Otherwise the key is the source, or source/subject for `spread_sources`.
    `workspace`, when given, is that of every event.
    """

    def __init__(
        self,
        settings: Settings,
        key: bytes | None = None,
        spread_sources: frozenset[str] = frozenset(),
        workspace: str = "",
    ) -> None:
        self._topic = EVENTS.full_name(settings)
        self._key = key
        self._spread_sources = spread_sources
        self._workspace = workspace
        self._producer = AIOKafkaProducer(**settings.kafka_client(), acks="all", enable_idempotence=True)

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except KafkaError as error:
            raise Unavailable(f"Kafka does not answer: {error!r}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()

    async def publish(self, events: Sequence[Event]) -> None:
        """Send all and wait for all acks. Raises Unavailable when one is missing; the same events may be sent again."""
        try:
            placed = _placed(events, self._workspace)
            acks = [await self._producer.send(self._topic, encode_event(event), self._key_of(event)) for event in placed]
            await asyncio.gather(*acks)
        except KafkaError as error:
            raise Unavailable(f"Kafka does not take events: {error!r}") from error

    def _key_of(self, event: Event) -> bytes:
        return event_key(event, self._spread_sources) if self._key is None else self._key


def _placed(events: Sequence[Event], workspace: str) -> Sequence[Event]:
    return [msgspec.structs.replace(event, workspace=workspace) for event in events] if workspace else events


def _batches(events: Sequence[Event]) -> Iterator[list[Event]]:
    iterator = iter(events)
    while batch := list(islice(iterator, BATCH_EVENTS)):
        yield batch
