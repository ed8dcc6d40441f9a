"""A batch: what one fetch brought of one partition, delivered as one message."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Protocol

from faust import Schema
from faust.types import TP

PORTION_RECORDS = 128
"""Records that are taken out of a batch at a time. What a portion becomes, decoded and judged, still lies in the processor's
cache when it is let go, and its memory is taken for the next (measured: a batch of 8,000 taken whole costs a fifth more)."""


class Record(Protocol):
    """The part of aiokafka's ConsumerRecord that stages read. `timestamp` is Unix time in milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Batch:
    """Records of one partition, in order: all there are from `first_offset` to `last_offset`.

    Offsets without a record (compaction, transactions' markers and what was aborted) count too, at both ends, and a batch may
    have no record at all: each begins where the one before it ended. `epoch` counts the consumer's seeks. `size_bytes` is what
    was fetched, and `timestamp_ms` the latest time that its record batches tell (Unix time; 0: none).

    It holds what was fetched, and makes records of that while they are read, once; `records` counts those read.
    """

    __slots__ = (
        "_record_batches",
        "epoch",
        "first_offset",
        "last_offset",
        "partition",
        "records",
        "size_bytes",
        "timestamp_ms",
        "topic",
    )

    def __init__(
        self,
        tp: TP,
        record_batches: Sequence[Iterable[Record]],
        epoch: int,
        first_offset: int,
        last_offset: int,
        size_bytes: int = 0,
        timestamp_ms: int = 0,
    ) -> None:
        self.topic: str = tp.topic
        self.partition: int = tp.partition
        self.first_offset = first_offset
        self.last_offset = last_offset
        self.epoch = epoch
        self.size_bytes = size_bytes
        self.timestamp_ms = timestamp_ms
        self.records = 0
        self._record_batches = record_batches

    def portions(self) -> Iterator[list[Record]]:
        """Its records, some at a time, while nobody has read them yet; afterwards nothing.

        Raises CorruptRecordException (aiokafka) for a record batch that passed its checksum and is none.
        """
        record_batches, self._record_batches = self._record_batches, ()
        records = chain.from_iterable(record_batches)
        while portion := list(islice(records, PORTION_RECORDS)):
            self.records += len(portion)
            yield portion

    def __iter__(self) -> Iterator[Record]:
        return chain.from_iterable(self.portions())


class BatchSchema(Schema):  # type: ignore[misc]  # faust ships no complete types
    """Hands batches through as they are: stages decode them themselves, once."""

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> None:
        """A batch has no key."""

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Batch:
        """The batch itself."""
        batch: Batch = message.value
        return batch


def is_current(event: Any) -> bool:
    """Whether a batch may still be judged here: nothing is being reassigned, and nothing has been since it was fetched.

    Faust asks this when a batch leaves its queue; a stage that makes one wait after that must ask again.
    """
    return bool(event.app.flow_control.is_active() and event.message.generation_id == event.app.consumer_generation_id)
