"""A fetched partition's records, taken a record batch at a time instead of one by one (step 1 of the room's protocol).

aiokafka parses in C, but then copies every record into a dataclass and hands it through two iterators, which costs more
than decoding its JSON. Here its reader gets each record batch as one item, not yet parsed: a stage parses it while it judges
it. What the reader checks and skips (checksums, aborted transactions, control batches) it still does, batch by batch.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from streams.engine.batch import Record


class Unparsed:
    """A record batch in the place of one record: `offset` is the last that it accounts for; the reader goes on after it."""

    __slots__ = ("offset", "record_batch")

    def __init__(self, record_batch: Any) -> None:
        self.record_batch = record_batch
        self.offset: int = record_batch.next_offset - 1

    def records_from(self, first_offset: int) -> Iterable[Record]:
        """The records at `first_offset` and after, parsed as they are read: a fetch begins with the batch that holds it."""
        records: Iterable[Record] = self.record_batch
        if self.record_batch.base_offset >= first_offset:
            return records
        return (record for record in records if record.offset >= first_offset)


class WholeRecordBatch:
    """aiokafka's record batch, whose iteration gives itself."""

    def __init__(self, record_batch: Any) -> None:
        self._record_batch = record_batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._record_batch, name)

    def __next__(self) -> Record:
        """A control batch's marker, which the reader looks at itself."""
        record: Record = next(self._record_batch)
        return record

    def __iter__(self) -> Iterator[Unparsed]:
        yield Unparsed(self._record_batch)


class WholeRecordBatches:
    """What aiokafka fetched of a partition, handing out whole record batches."""

    def __init__(self, memory_records: Any) -> None:
        self._memory_records = memory_records
        self.size_bytes: int = memory_records.size_in_bytes()
        self.has_next = memory_records.has_next

    def next_batch(self) -> WholeRecordBatch:
        """The next record batch."""
        return WholeRecordBatch(self._memory_records.next_batch())


def take_whole(partition_records: Any) -> None:
    """Make this `PartitionRecords` of aiokafka's give record batches as they are, from where it stands.

    It may not have begun to hand out records. Nothing happens the second time.
    """
    if not isinstance(partition_records._records, WholeRecordBatches):
        partition_records._records = WholeRecordBatches(partition_records._records)
        partition_records._consumer_record = as_it_is


def as_it_is(_tp: object, unparsed: Unparsed) -> Unparsed:
    """The record batch, where aiokafka would copy a record."""
    return unparsed
