"""A circuit breaker: while a hub fails, it is asked now and then by one call, instead of by every dispatch that waits for it.

Pure: times are given. Written here because what PyPI has was looked at and does not fit: purgatory lets every caller through
when half-open, and builds a unit of work and messages for each call; pybreaker is for threads; aiobreaker was left in 2021.
Source: Michael Nygard, "Release It!", 2007, chapter 5.
"""

from enum import StrEnum

OPEN_AFTER_FAILURES = 5
"""Failures in a row, with no answer between them, after which the circuit opens: a restart's few refused calls are none yet."""
FIRST_OPEN_SECONDS = 1.0
"""How long it stays open at first. It doubles with each probe that fails, up to OPEN_CAP_SECONDS."""
OPEN_CAP_SECONDS = 15.0
"""Longest pause between two probes: a hub that is back should not wait for longer, and a call in 15 seconds costs nobody."""


class Circuit(StrEnum):
    """Closed lets all calls through, open none, half-open one."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """One hub's circuit. `at` is any clock in seconds that does not go back."""

    def __init__(self, open_cap_seconds: float = OPEN_CAP_SECONDS) -> None:
        self.circuit = Circuit.CLOSED
        self.failures = 0
        self.failing_since: float | None = None
        """When the first of the failures in a row was noted; None while the last call was answered."""
        self.probe_at = 0.0
        """When an open circuit lets the next probe through."""
        self._cap_seconds = min(OPEN_CAP_SECONDS, open_cap_seconds)
        self._open_seconds = 0.0

    def admit(self, at: float) -> bool:
        """Whether a call may go out now. Of an open circuit the first asked after its pause is the probe."""
        if self.circuit is Circuit.OPEN and at >= self.probe_at:
            self.circuit = Circuit.HALF_OPEN
            return True
        return self.circuit is Circuit.CLOSED

    def succeeded(self) -> bool:
        """A call was answered, a late one included. Whether that closed the circuit."""
        closes = self.circuit is not Circuit.CLOSED
        self.circuit, self.failures, self.failing_since, self._open_seconds = Circuit.CLOSED, 0, None, 0.0
        return closes

    def failed(self, at: float) -> bool:
        """A call was not answered. Whether that opened a closed circuit."""
        self.failures += 1
        if self.failing_since is None:
            self.failing_since = at
        if self.circuit is Circuit.OPEN or (self.circuit is Circuit.CLOSED and self.failures < OPEN_AFTER_FAILURES):
            return False  # a call from before it opened says nothing new
        opens = self.circuit is Circuit.CLOSED
        self._open_seconds = min(self._cap_seconds, self._open_seconds * 2 or FIRST_OPEN_SECONDS)
        self.circuit, self.probe_at = Circuit.OPEN, at + self._open_seconds
        return opens

    def abandoned(self, at: float) -> None:
        """The probe was taken back before it was answered: the next asked is one."""
        if self.circuit is Circuit.HALF_OPEN:
            self.circuit, self.probe_at = Circuit.OPEN, at
