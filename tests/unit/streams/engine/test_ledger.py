"""The ledger: the commit never goes past a batch that is not done."""

from streams.engine.consumer import Ledger


def delivered(*offsets: int) -> Ledger:
    """A ledger with batches that end at these offsets."""
    ledger = Ledger(epoch=1)
    ledger.delivered.extend(offsets)
    return ledger


def test_the_next_offset_follows_the_longest_done_prefix() -> None:
    """Acks out of order wait for the batches before them."""
    ledger = delivered(9, 25, 31)
    ledger.ack(25)
    assert ledger.next_offset is None
    ledger.ack(9)
    assert ledger.next_offset == 26
    ledger.ack(31)
    assert ledger.next_offset == 32
    assert (list(ledger.delivered), ledger.done) == ([], set())


def test_gaps_between_batches_mean_nothing() -> None:
    """Compaction and transaction markers leave offsets that no record has."""
    ledger = delivered(3, 1_000_000)
    ledger.ack(3)
    assert ledger.next_offset == 4
    ledger.ack(1_000_000)
    assert ledger.next_offset == 1_000_001
