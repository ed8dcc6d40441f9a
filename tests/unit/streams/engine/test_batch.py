"""A batch as stages read it: some records at a time, each once."""

from collections.abc import Iterator

from faust.types import TP

from streams.engine.batch import PORTION_RECORDS, Batch, Record
from tests.unit.streams.detecting import Record as Given


def test_records_come_in_order_and_in_small_portions() -> None:
    """Across record batches, none of them larger than is good for the processor's cache; counted as they are read."""
    given: list[Record] = [Given(offset, 0, b"k", b"{}") for offset in range(2 * PORTION_RECORDS + 1)]
    batch = Batch(TP("events", 0), [given[:3], [], given[3:]], 0, 0, len(given) - 1)
    assert batch.records == 0
    portions = list(batch.portions())
    assert [len(portion) for portion in portions] == [PORTION_RECORDS, PORTION_RECORDS, 1]
    assert [record for portion in portions for record in portion] == given
    assert batch.records == len(given)


def test_what_was_read_is_let_go() -> None:
    """A batch that waits for its acks holds none of its records."""
    batch = Batch(TP("events", 0), [[Given(0, 0, b"k", b"{}")]], 0, 0, 0)
    assert len(list(batch)) == 1
    assert list(batch) == []
    assert (batch.records, batch.last_offset) == (1, 0)


def test_a_portion_is_parsed_when_it_is_asked_for() -> None:
    """What waits in a queue takes no more memory than what was fetched."""
    parsed: list[int] = []

    def record_batch() -> Iterator[Record]:
        for offset in range(3 * PORTION_RECORDS):
            parsed.append(offset)
            yield Given(offset, 0, b"k", b"{}")

    portions = Batch(TP("events", 0), [record_batch()], 0, 0, 0).portions()
    assert parsed == []
    next(portions)
    assert len(parsed) == PORTION_RECORDS
