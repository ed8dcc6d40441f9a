"""Acks: the commit never goes past a batch that is not done."""

from streams.engine.consumer import Acks


def delivered(*offsets: int) -> Acks:
    """Of batches that end at these offsets."""
    acks = Acks(epoch=1)
    acks.delivered.extend(offsets)
    return acks


def test_the_next_offset_follows_the_longest_done_prefix() -> None:
    """Acks out of order wait for the batches before them."""
    acks = delivered(9, 25, 31)
    acks.ack(25)
    assert acks.next_offset is None
    acks.ack(9)
    assert acks.next_offset == 26
    acks.ack(31)
    assert acks.next_offset == 32
    assert (list(acks.delivered), acks.done) == ([], set())


def test_gaps_between_batches_mean_nothing() -> None:
    """Compaction and transaction markers leave offsets that no record has."""
    acks = delivered(3, 1_000_000)
    acks.ack(3)
    assert acks.next_offset == 4
    acks.ack(1_000_000)
    assert acks.next_offset == 1_000_001
