"""What the topics hold in the end, record by record: where every event, crossing, firing, dispatch and dead letter lies."""

# aiokafka's functions have no types:
# mypy: allow-untyped-calls

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.event import ORIGIN_HEADER, Event
from streams.execution import Status, decode_dispatch, decode_execution, decode_firing
from streams.settings import Settings
from streams.topics import CROSSINGS, DEAD, DISPATCHES, EVENTS, EXECUTIONS, FIRINGS, Topic

POLL_MS = 500

_decode_event = msgspec.json.Decoder(Event).decode


class EventRecord(NamedTuple):
    """One record on `events`. `cause` is None when nobody can read it. `origin`: where it was forwarded from."""

    place: str
    partition: int
    key: str
    cause: str | None
    origin: str | None


class TopicLog:
    """All of it, indexed. A place is `topic/partition/offset`; an execution id leads to places on the later topics."""

    def __init__(self) -> None:
        self.events: list[EventRecord] = []
        self.events_of: defaultdict[str, list[str]] = defaultdict(list)
        self.crossings_of: defaultdict[str, list[str]] = defaultdict(list)
        """By the id of the fact that crossed: the places, each with the crossing's type and threshold."""
        self.firings: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        """By trigger id and cause."""
        self.furthest_back_ms = 0
        """The longest time from a firing to the same firing once more: so far back a worker read again."""
        self._fired_at_ms: dict[str, int] = {}
        self.pair_of: dict[str, tuple[str, str]] = {}
        """Execution id → trigger id and cause."""
        self.dispatches_of: defaultdict[str, list[str]] = defaultdict(list)
        self.executions_of: defaultdict[str, list[str]] = defaultdict(list)
        self.final: dict[str, Status] = {}
        self.dead: list[dict[str, str]] = []

    def take(self, topic: Topic, record: Any) -> None:
        """One record of `topic`. Raises msgspec.DecodeError when one of touchline's own cannot be read."""
        place = f"{record.topic}/{record.partition}/{record.offset}"
        headers = {name: value.decode(errors="replace") for name, value in record.headers}
        if topic is EVENTS:
            self._event(place, record, headers)
        elif topic is CROSSINGS:
            event = _decode_event(record.value)
            self.crossings_of[event.caused_by].append(f"{place} {event.type} {event.payload.get('threshold')}")
        elif topic is FIRINGS:
            firing = decode_firing(record.value)
            pair = firing.trigger_id, firing.event.caused_by or firing.event.id
            self.pair_of[firing.execution_id] = pair
            self.firings[pair].append(place)
            since_ms = record.timestamp - self._fired_at_ms.setdefault(firing.execution_id, record.timestamp)
            self.furthest_back_ms = max(self.furthest_back_ms, since_ms)
        elif topic is DISPATCHES:
            self.dispatches_of[decode_dispatch(record.value).inject.execution_id].append(place)
        elif topic is EXECUTIONS:
            execution = decode_execution(record.value)
            self.executions_of[execution.execution_id].append(f"{place} {execution.status} attempts={execution.attempts}")
        else:
            self.dead.append(headers | {"place": place})

    def _event(self, place: str, record: Any, headers: dict[str, str]) -> None:
        try:
            cause: str | None = _decode_event(record.value).id
        except (msgspec.DecodeError, UnicodeDecodeError):
            cause = None
        key = (record.key or b"").decode(errors="replace")
        self.events.append(EventRecord(place, record.partition, key, cause, headers.get(ORIGIN_HEADER)))
        if cause is not None:
            self.events_of[cause].append(place)


async def read_topics(settings: Settings) -> TopicLog:
    """Read all topics from their beginnings to their ends as they are now. Raises KafkaError."""
    found = TopicLog()
    for topic in (EVENTS, CROSSINGS, FIRINGS, DISPATCHES, EXECUTIONS, DEAD):
        async for record in _records(settings, topic):
            found.take(topic, record)
    return found


async def _records(settings: Settings, topic: Topic) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(**settings.kafka_client(), auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic.full_name(settings), number) for number in range(topic.partitions(settings))]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                for record in records:
                    yield record
    finally:
        await consumer.stop()
