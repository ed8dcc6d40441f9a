"""A rate limit holds in every window, wherever it begins."""

import random

import pytest

from streams.gating.rate import STRETCHES, passed_after
from streams.gating.state import Buckets
from streams.language.policy import Rate


@pytest.mark.parametrize(("limit", "window_ms"), [(1, 60_000), (3, 1_000), (10, 59), (7, 3_600_001)])
def test_no_window_ever_holds_more_than_the_limit(limit: int, window_ms: int) -> None:
    """Of random arrivals those that pass are never more than the limit within any window; and nearly as many do pass."""
    chance = random.Random(limit)
    passed: Buckets = []
    times: list[int] = []
    now_ms = 1_700_000_000_000
    for _ in range(2_000):
        now_ms += chance.randrange(window_ms // limit)
        after = passed_after(passed, Rate(limit, window_ms), now_ms)
        if after is not None:
            passed = after
            times.append(now_ms)
        assert len(passed) <= STRETCHES + 1
    for first, later in zip(times, times[limit:], strict=False):
        assert later - first >= window_ms
    stretch_ms = -(-window_ms // STRETCHES)
    assert len(times) >= limit * ((times[-1] - times[0]) // (window_ms + 2 * stretch_ms + window_ms // limit))


def test_a_clock_that_goes_back_lets_nothing_more_through() -> None:
    """It counts in the newest stretch."""
    passed = passed_after([], Rate(1, 60_000), 1_000_000)
    assert passed is not None
    assert passed_after(passed, Rate(1, 60_000), 1_000) is None
