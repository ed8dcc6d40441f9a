"""What a library says over and over: while a broker is away each client tells of every attempt, twenty lines a second."""

import logging
import time

QUIET_SECONDS = 10.0
"""How long a line that was told is not told again: an outage is seen at once, and every few seconds that it lasts."""
LINES = 1_000
"""Lines remembered; whoever says more different things than that is heard each time."""


class Repeats(logging.Filter):
    """Lets a library's line through once in `QUIET_SECONDS`, and with the next one says how many were left out.

    A line is known by its logger, level and wording before values are put in. touchline's own lines all pass: each is a fact.
    """

    def __init__(self) -> None:
        super().__init__()
        self._told_at_seconds: dict[tuple[str, int, str], float] = {}
        self._left_out: dict[tuple[str, int, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this record is told; `repeated` on it counts those like it that were not."""
        if record.name.partition(".")[0] == "touchline" or record.exc_info:
            return True
        line = record.name, record.levelno, str(record.msg)
        now_seconds = time.monotonic()
        told_at_seconds = self._told_at_seconds.get(line)
        if told_at_seconds is not None and now_seconds - told_at_seconds < QUIET_SECONDS:
            self._left_out[line] = self._left_out.get(line, 0) + 1
            return False
        if len(self._told_at_seconds) >= LINES:
            self._told_at_seconds.clear()
            self._left_out.clear()
        self._told_at_seconds[line] = now_seconds
        if left_out := self._left_out.pop(line, 0):
            record.repeated = left_out
        return True
