"""Repeated ids: what was sent again is recognised, what is read again is not mistaken for it."""

from streams.recent import Recent


def test_an_id_that_comes_again_later_is_a_repetition() -> None:
    """Of the same partition only: an id is remembered where it lies."""
    recent = Recent()
    assert not recent.is_repeated(0, "a", 5)
    assert recent.is_repeated(0, "a", 9)
    assert not recent.is_repeated(1, "a", 9)


def test_a_record_that_is_read_again_is_judged_again() -> None:
    """After a rebalance the same record comes at its own offset."""
    recent = Recent()
    assert not recent.is_repeated(0, "a", 5)
    assert not recent.is_repeated(0, "a", 5)


def test_memory_is_bounded() -> None:
    """The oldest id goes when there are too many."""
    recent = Recent(ids=2)
    for offset, event_id in enumerate("abc"):
        assert not recent.is_repeated(0, event_id, offset)
    assert recent.is_repeated(0, "c", 9)
    assert not recent.is_repeated(0, "a", 10)
