"""One dispatch on its way, and the batch that it came with."""

import asyncio
from typing import Any

import msgspec

from streams.delivery.backoff import RETRY_AFTER_CAP_SECONDS
from streams.delivery.parked import Parked, parked_key, read_parked_key
from streams.engine.batch import Batch, Record
from streams.event import UNDECODABLE

CANCEL_ATTEMPTS = 3
"""How often a hub is told of a cancel that it does not hear: the execution is over, whether or not it knows."""


class Addressed(msgspec.Struct):
    """What of an inject concerns its delivery. Of a cancel, `message` is the reason."""

    execution_id: str
    trigger_id: str
    agent_instance_id: str
    message: str = ""


class Heading(msgspec.Struct):
    """A dispatch (streams/execution.py) without what only the hub reads: that is passed on as the bytes it is."""

    hub_id: str
    fresh: bool
    inject: Addressed
    fallback: bool = False
    workspace: str = ""
    accepted_at_ms: int = 0
    slot: str = ""
    run: int = 0
    cancel: bool = False


class _Body(msgspec.Struct):
    inject: msgspec.Raw


decode_heading = msgspec.json.Decoder(Heading).decode
"""What it raises for anything else is UNDECODABLE."""
_decode_body = msgspec.json.Decoder(_Body).decode


def inject_body(value: bytes | msgspec.Raw) -> bytes:
    """The inject in a dispatch, as its hub is sent it."""
    return bytes(_decode_body(value).inject)


class Ticket:
    """A batch that was read, until each of its dispatches has let go of it; then it is acked."""

    __slots__ = ("deliveries", "event", "left", "taken_at")

    def __init__(self, event: Any, taken_at: float) -> None:
        self.event = event
        self.taken_at = taken_at
        """Monotonic seconds."""
        self.deliveries: list[Delivery] = []
        self.left = 0


class Delivery:
    """One dispatch on its way. Times are the event loop's, in seconds."""

    __slots__ = (
        "attempts",
        "cancel",
        "due_at",
        "ended",
        "flying",
        "headers",
        "heading",
        "inherited",
        "key",
        "offset",
        "parked",
        "partition",
        "size_bytes",
        "taken_at",
        "ticket",
        "value",
    )

    def __init__(self, partition: int, offset: int, key: bytes, value: bytes, heading: Heading, taken_at: float) -> None:
        self.partition, self.offset, self.key = partition, offset, key
        self.heading = heading
        self.value: bytes | None = value
        """The record's value, until it is parked: then the table has it."""
        self.size_bytes = len(value)
        self.headers: list[tuple[str, bytes]] = []
        self.taken_at = taken_at
        self.attempts = 0
        """Those that failed."""
        self.due_at = 0.0
        self.ticket: Ticket | None = None
        self.cancel: Delivery | None = None
        """The cancel that came while this inject was under way."""
        self.inherited = False
        """Whether another worker may have called a hub with it, without a trace: one that was killed, say."""
        self.parked = False
        self.flying = False
        self.ended = False

    def waits_since(self, at: float) -> bool:
        """Whether it has waited since then or longer, and still does."""
        return self.taken_at <= at and not self.flying and not self.ended

    @property
    def parked_key(self) -> bytes:
        """Its key in the table `parked`."""
        return parked_key(self.offset, self.key)


def read_delivery(batch: Batch, record: Record, taken_at: float) -> Delivery:
    """A record of `dispatches` as a delivery. Raises ValueError saying why it is none."""
    try:
        heading = decode_heading(record.value or b"")
    except UNDECODABLE as error:
        raise ValueError(f"not a dispatch: {error}") from error
    delivery = Delivery(batch.partition, record.offset, record.key or b"", record.value or b"", heading, taken_at)
    delivery.headers = list(record.headers)
    return delivery


def revive(partition: int, key: bytes, state: Parked, now_ms: int) -> Delivery:
    """A parked dispatch, taken up again. `key` is the table's."""
    at = asyncio.get_running_loop().time()
    value = bytes(state.dispatch)
    offset, key_of_record = read_parked_key(key)
    delivery = Delivery(partition, offset, key_of_record, value, decode_heading(value), at)
    delivery.value = None
    delivery.inherited = True
    delivery.headers = list(state.headers)
    delivery.attempts = state.attempts
    # Bounded: who wrote it may have had another clock.
    delivery.due_at = at + min(max(0, state.due_at_ms - now_ms) / 1000, 2 * RETRY_AFTER_CAP_SECONDS)
    delivery.parked = True
    return delivery
