"""What a row asks of the gate, understood: dedup, slots, time-out, rate, count, debounce, and per what. Pure."""

import re
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

from streams.errors import InvalidTrigger
from streams.language.duration import parse_duration

DEDUPS = ("allow", "skip", "queue")
LARGEST_COUNT = 1_000
"""Of `count_threshold` and `max_concurrent`: a key's state holds as many, and is written whole when it changes."""
LARGEST_RATE = 1_000_000
LONGEST_WINDOW = "30d"
LONGEST_DEBOUNCE = "1d"
LONGEST_TIMEOUT_SECONDS = 30 * 24 * 3_600
_RATE = re.compile(r"([0-9]{1,9})/([0-9]{1,9}(?:ms|s|m|h|d))")
_PATH = re.compile(r"payload(\.[^.\x00-\x1f]{1,256}){1,16}")


class Rate(NamedTuple):
    """At most so many in any window of that length."""

    limit: int
    window_ms: int


class Policy(NamedTuple):
    """A row's policy; what it does not ask for is None. `per` is the path into the payload, without the word payload."""

    slots: int | None
    """Executions that may be active at once."""
    queues: bool
    """Whether a firing that finds no slot waits for one; otherwise it is skipped."""
    timeout_ms: int | None
    rate: Rate | None
    threshold: Rate | None
    """Fires at the n-th match within the window."""
    debounce_ms: int | None
    per: tuple[str, ...]

    @property
    def holds_slots(self) -> bool:
        """Whether an execution's end means something to the gate."""
        return self.slots is not None or self.timeout_ms is not None

    @property
    def is_plain(self) -> bool:
        """Whether every firing fires at once."""
        return self == PLAIN


PLAIN = Policy(None, False, None, None, None, None, ())


class Row(Protocol):
    """The columns of a trigger that are its policy."""

    dedup: str
    max_concurrent: int | None
    timeout_seconds: float | None
    rate_limit: str | None
    count_threshold: int | None
    window: str | None
    debounce: str | None
    per: str | None


_columns = attrgetter(*Row.__annotations__)
_NO_POLICY = ("allow", *(None,) * (len(Row.__annotations__) - 1))


def parse_policy(row: Row) -> Policy:
    """Understand a row's policy. Raises InvalidTrigger naming the column and what is accepted.

    `dedup` skip or queue means one slot, unless `max_concurrent` says how many; with allow, what finds none waits.
    """
    if _columns(row) == _NO_POLICY:  # most of a million rows ask for nothing
        return PLAIN
    if row.dedup not in DEDUPS:
        raise InvalidTrigger("dedup", f"accepted: {', '.join(DEDUPS)}")
    slots = _count("max_concurrent", row.max_concurrent)
    if slots is None and row.dedup != "allow":
        slots = 1
    policy = Policy(
        slots=slots,
        queues=slots is not None and row.dedup != "skip",
        timeout_ms=_timeout_ms(row.timeout_seconds),
        rate=parse_rate(row.rate_limit, "rate_limit"),
        threshold=_counted(row),
        debounce_ms=None if row.debounce is None else parse_duration(row.debounce, "debounce", LONGEST_DEBOUNCE),
        per=_per(row.per),
    )
    if policy.per and policy._replace(per=(), timeout_ms=None) == PLAIN:
        raise InvalidTrigger("per", "means nothing without dedup, max_concurrent, rate_limit, count_threshold or debounce")
    return policy


def parse_rate(value: Any, where: str) -> Rate | None:
    """`10/1m`: at most 10 in any minute. None for None. Raises InvalidTrigger naming `where`."""
    if value is None:
        return None
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 0 < int(found[1]) <= LARGEST_RATE:
        raise InvalidTrigger(where, f"must be a number from 1 to {LARGEST_RATE} and a duration, such as 10/1m")
    return Rate(int(found[1]), parse_duration(found[2], where, LONGEST_WINDOW))


def _counted(row: Row) -> Rate | None:
    threshold = _count("count_threshold", row.count_threshold)
    if threshold is None:
        if row.window is not None:
            raise InvalidTrigger("window", "goes with count_threshold, which says how many matches within it fire")
        return None
    if row.window is None:
        raise InvalidTrigger("count_threshold", "goes with window, such as 5m, which says within which time")
    return Rate(threshold, parse_duration(row.window, "window", LONGEST_WINDOW))


def _count(where: str, value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= LARGEST_COUNT:
        raise InvalidTrigger(where, f"must be a whole number from 1 to {LARGEST_COUNT}")
    return value


def _timeout_ms(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST_TIMEOUT_SECONDS:
        raise InvalidTrigger("timeout_seconds", f"must be a number of seconds, above 0 and at most {LONGEST_TIMEOUT_SECONDS}")
    return max(1, round(value * 1000))


def _per(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        raise InvalidTrigger("per", "must be a path into the payload, such as payload.game")
    return tuple(value.split(".")[1:])
