"""Repeated ids: what was sent again is recognised, what is read again is not mistaken for it."""

from streams.crossings.recent import Identity, Recent, is_repeated


def identity(event_id: str, source: str = "feed") -> Identity:
    """An event of the default workspace."""
    return "default", source, event_id


def test_an_id_that_comes_again_later_is_a_repetition() -> None:
    """Of the same partition only: an id is remembered where it lies."""
    recent = Recent()
    assert not is_repeated(recent.offsets(0), identity("a"), 5)
    assert is_repeated(recent.offsets(0), identity("a"), 9)
    assert not is_repeated(recent.offsets(1), identity("a"), 9)


def test_an_id_belongs_to_its_source_and_workspace() -> None:
    """Another source, or another workspace, may use the same id: that is another event."""
    offsets = Recent().offsets(0)
    assert not is_repeated(offsets, identity("a"), 5)
    assert not is_repeated(offsets, identity("a", "other feed"), 6)
    assert not is_repeated(offsets, ("theirs", "feed", "a"), 7)


def test_a_record_that_is_read_again_is_judged_again() -> None:
    """After a rebalance the same record comes at its own offset, and so do the copies behind it."""
    offsets = Recent().offsets(0)
    for offset in (5, 5, 3):
        assert not is_repeated(offsets, identity("a"), offset)
    assert is_repeated(offsets, identity("a"), 5)


def test_memory_is_bounded_and_the_newest_ids_are_kept() -> None:
    """The oldest ids go when there are twice too many; as many as were promised stay."""
    recent = Recent(ids=2)
    for offset, event_id in enumerate("abcde"):
        assert not is_repeated(recent.offsets(0), identity(event_id), offset)
    assert len(recent.offsets(0)) == 2
    assert is_repeated(recent.offsets(0), identity("d"), 9)
    assert is_repeated(recent.offsets(0), identity("e"), 10)
    assert not is_repeated(recent.offsets(0), identity("a"), 11)
