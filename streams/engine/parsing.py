"""A fetched partition's records, taken a record batch at a time instead of one by one (step 1 of the room's protocol).

aiokafka parses in C, but then copies every record into a dataclass and hands it through two iterators, which costs more
than decoding its JSON. Here its reader gets each record batch's records as one item; what it checks and skips (checksums,
aborted transactions, control batches, offsets before the position) it still checks and skips, batch by batch.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from streams.engine.batch import Record


class Parsed:
    """The records of one record batch, in the place of one: `offset` is the last one's, since the reader goes on after it."""

    __slots__ = ("offset", "records")

    def __init__(self, records: list[Record]) -> None:
        self.records = records
        self.offset = records[-1].offset


class WholeRecordBatch:
    """aiokafka's record batch, whose iteration gives all its records at once."""

    def __init__(self, record_batch: Any) -> None:
        self._record_batch = record_batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._record_batch, name)

    def __next__(self) -> Record:
        """A control batch's marker, which the reader looks at itself."""
        record: Record = next(self._record_batch)
        return record

    def __iter__(self) -> Iterator[Parsed]:
        records = [*self._record_batch]
        if records:
            yield Parsed(records)


class WholeRecordBatches:
    """aiokafka's parsed fetch, handing out whole record batches."""

    def __init__(self, memory_records: Any) -> None:
        self._memory_records = memory_records
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
        partition_records._consumer_record = as_parsed


def as_parsed(_tp: object, parsed: Parsed) -> Parsed:
    """The record batch as it is, where aiokafka would copy a record."""
    return parsed


def records_from(parsed: list[Parsed], first_offset: int) -> list[Record]:
    """The records at `first_offset` and after: a fetch begins with the record batch that holds it."""
    records = list(chain.from_iterable([one.records for one in parsed]))
    if records and records[0].offset < first_offset:
        return [record for record in records if record.offset >= first_offset]
    return records
