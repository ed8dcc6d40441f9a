"""A batch: what one fetch brought of one partition, delivered as one message."""

from collections.abc import Sequence
from typing import Any, Protocol

from faust import Schema
from faust.types import TP


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
    have no record at all: each begins where the one before it ended. `epoch` counts the consumer's seeks. `read` caches what
    stages decoded, until the last of `readers` has judged it.
    """

    __slots__ = ("epoch", "first_offset", "last_offset", "partition", "read", "readers", "records", "topic")

    def __init__(self, tp: TP, records: Sequence[Record], epoch: int, first_offset: int, last_offset: int) -> None:
        self.topic: str = tp.topic
        self.partition: int = tp.partition
        self.records = records
        self.first_offset = first_offset
        self.last_offset = last_offset
        self.epoch = epoch
        self.read: Any = None
        self.readers = 0

    def judged(self, readers: int) -> None:
        """One of so many stages has judged it. After the last nobody needs the records, and their memory is still warm."""
        self.readers = (self.readers or readers) - 1
        if not self.readers:
            self.records, self.read = (), None


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
