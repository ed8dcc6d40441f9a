"""A rate limit: at most so many in any window of that length. Pure.

The window is cut into sixty stretches and each is counted. The oldest one counts as long as any of it lies within the window,
so that no window ever holds more than the limit; a place is free again one sixtieth of the window late at most.
"""

from streams.gating.state import Buckets
from streams.language.policy import Rate

STRETCHES = 60


def passed_after(passed: Buckets, rate: Rate, now_ms: int) -> Buckets | None:
    """The counts when one more passes now; None when none may. A clock that goes back counts in the newest stretch."""
    stretch_ms = -(-rate.window_ms // STRETCHES)
    newest = max(now_ms // stretch_ms, passed[-1][0] if passed else 0)
    within = [(number, count) for number, count in passed if (number + 1) * stretch_ms > newest * stretch_ms - rate.window_ms]
    if sum(count for _, count in within) >= rate.limit:
        return None
    if within and within[-1][0] == newest:
        return [*within[:-1], (newest, within[-1][1] + 1)]
    return [*within, (newest, 1)]
