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
    """Records of one partition, in order. `epoch` counts the consumer's seeks. `read` caches what stages decoded of it."""

    __slots__ = ("epoch", "last_offset", "partition", "read", "records", "topic")

    def __init__(self, tp: TP, records: Sequence[Record], epoch: int) -> None:
        self.topic: str = tp.topic
        self.partition: int = tp.partition
        self.records = records
        self.last_offset = records[-1].offset
        self.epoch = epoch
        self.read: Any = None


class BatchSchema(Schema):  # type: ignore[misc]  # faust ships no complete types
    """Hands batches through as they are: stages decode them themselves, once."""

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> None:
        """A batch has no key."""

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Batch:
        """The batch itself."""
        batch: Batch = message.value
        return batch
