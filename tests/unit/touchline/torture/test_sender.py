"""What is sent together: never two facts of one key."""

from collections import deque

from touchline.torture.feed import HTTP, Fact
from touchline.torture.sender import BATCH_FACTS, due, split


def fact(key: str, sequence: int, at_seconds: float = 0.0) -> Fact:
    """One fact of a source that is its own key."""
    return Fact(at_seconds, f"{key}#{sequence}", key, "move", None, {}, sequence, HTTP)


def test_a_batch_has_the_first_fact_of_each_key_and_the_others_keep_their_order() -> None:
    """So a key's next fact goes when the one before it is accepted."""
    lane = deque([fact("a", 1), fact("a", 2), fact("b", 1), fact("a", 3), fact("b", 2), fact("c", 1)])
    assert [one.id for one in due(lane, 1.0)] == ["a#1", "b#1", "c#1"]
    assert [one.id for one in due(lane, 1.0)] == ["a#2", "b#2"]
    assert [one.id for one in due(lane, 1.0)] == ["a#3"]
    assert not lane


def test_nothing_is_sent_before_its_time() -> None:
    """The pace is the plan's."""
    lane = deque([fact("a", 1, 1.0), fact("b", 1, 2.0)])
    assert due(lane, 0.5) == []
    assert [one.id for one in due(lane, 1.5)] == ["a#1"]
    assert len(lane) == 1


def test_a_backlog_goes_in_batches_of_bounded_size() -> None:
    """However long nothing was accepted."""
    lane = deque([fact(str(key), 1) for key in range(3 * BATCH_FACTS)])
    assert len(due(lane, 1.0)) == BATCH_FACTS


def test_a_key_has_one_lane() -> None:
    """Two senders of one key would race."""
    lanes = split([fact(key, sequence) for sequence in range(1, 4) for key in "abcdefg"])
    homes = {one.key: number for number, lane in enumerate(lanes) for one in lane}
    assert all(homes[one.key] == number for number, lane in enumerate(lanes) for one in lane)
    assert sum(map(len, lanes)) == 21
