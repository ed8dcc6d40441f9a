"""A batch between the stages that judge it."""

from faust.types import TP

from streams.engine.batch import Batch
from tests.unit.streams.detecting import Record


def batch_of(records: int) -> Batch:
    """A batch that begins at offset 0."""
    return Batch(TP("events", 0), [Record(offset, 0, b"k", b"{}") for offset in range(records)], 0, 0, records - 1)


def test_the_last_of_the_stages_that_judge_a_batch_lets_its_records_go() -> None:
    """The first leaves them for the second; what an ack needs stays."""
    batch = batch_of(3)
    batch.judged(2)
    assert len(batch.records) == 3
    batch.judged(2)
    assert (len(batch.records), batch.last_offset) == (0, 2)


def test_a_stage_that_acks_before_the_other_judges_takes_nothing_from_it() -> None:
    """Faust's count of those who have not acked is lower then, and is not looked at again."""
    batch = batch_of(3)
    batch.judged(2)
    batch.judged(1)
    assert len(batch.records) == 0
