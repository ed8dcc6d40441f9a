"""How long a dispatch waits before it is tried again."""

import pytest

from streams.delivery.backoff import RETRY_AFTER_CAP_SECONDS, backoff_seconds, wait_seconds


@pytest.mark.parametrize(
    ("attempts", "chance", "expected"),
    [(1, 1.0, 0.25), (2, 1.0, 0.5), (3, 1.0, 1.0), (9, 1.0, 60.0), (5_000, 1.0, 60.0), (3, 0.5, 0.5), (3, 0.0, 0.0)],
)
def test_the_ceiling_doubles_up_to_a_cap_and_all_of_it_is_jitter(attempts: int, chance: float, expected: float) -> None:
    """Full jitter: anything from nothing to the ceiling."""
    assert backoff_seconds(attempts, 0.25, 60.0, chance) == expected


@pytest.mark.parametrize(("asked", "least"), [(0.0, 0.0), (7.0, 7.0), (1e9, RETRY_AFTER_CAP_SECONDS)])
def test_what_a_hub_asked_for_is_waited_within_reason(asked: float, least: float) -> None:
    """Not a moment less, hardly more, and never for a day."""
    assert least <= wait_seconds(3, asked, 0.25, 60.0) <= least * 1.1


def test_without_a_word_from_the_hub_it_is_the_back_off() -> None:
    """Drawn anew each time."""
    drawn = {wait_seconds(3, None, 0.25, 60.0) for _ in range(100)}
    assert len(drawn) > 90
    assert max(drawn) <= 1.0
