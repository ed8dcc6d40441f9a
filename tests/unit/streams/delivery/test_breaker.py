"""The circuit breaker as a table: what is noted, and which calls are let through after it."""

import pytest

from streams.delivery.breaker import OPEN_AFTER_FAILURES, OPEN_CAP_SECONDS, Breaker, Circuit

FAILURE, SUCCESS, ASKED, LET_THROUGH, TAKEN_BACK = (
    "failure",
    "success",
    "asked and refused",
    "asked and let through",
    "taken back",
)

Step = tuple[float, str, Circuit]
"""When, what happens, and the circuit afterwards."""

OPENING: list[Step] = [(0.0, FAILURE, Circuit.CLOSED)] * (OPEN_AFTER_FAILURES - 1) + [(0.0, FAILURE, Circuit.OPEN)]

TABLE: dict[str, list[Step]] = {
    "a few failures are none": [
        *OPENING[:-1],
        (0.1, SUCCESS, Circuit.CLOSED),
        *OPENING[:-1],
        (0.2, LET_THROUGH, Circuit.CLOSED),
    ],
    "so many in a row open it, for a second": [*OPENING, (0.9, ASKED, Circuit.OPEN), (1.0, LET_THROUGH, Circuit.HALF_OPEN)],
    "half-open, one is let through": [
        *OPENING,
        (1.0, LET_THROUGH, Circuit.HALF_OPEN),
        (1.0, ASKED, Circuit.HALF_OPEN),
        (9.0, ASKED, Circuit.HALF_OPEN),
    ],
    "a probe that is answered closes it": [
        *OPENING,
        (1.0, LET_THROUGH, Circuit.HALF_OPEN),
        (1.1, SUCCESS, Circuit.CLOSED),
        (1.1, FAILURE, Circuit.CLOSED),
        (1.1, LET_THROUGH, Circuit.CLOSED),
    ],
    "a probe that is not keeps it open, for twice as long": [
        *OPENING,
        (1.0, LET_THROUGH, Circuit.HALF_OPEN),
        (2.0, FAILURE, Circuit.OPEN),
        (3.9, ASKED, Circuit.OPEN),
        (4.0, LET_THROUGH, Circuit.HALF_OPEN),
        (4.0, FAILURE, Circuit.OPEN),
        (7.9, ASKED, Circuit.OPEN),
        (8.0, LET_THROUGH, Circuit.HALF_OPEN),
    ],
    "calls from before it opened change nothing by failing": [
        *OPENING,
        (0.5, FAILURE, Circuit.OPEN),
        (1.0, LET_THROUGH, Circuit.HALF_OPEN),
    ],
    "but close it by being answered": [*OPENING, (0.5, SUCCESS, Circuit.CLOSED), (0.5, LET_THROUGH, Circuit.CLOSED)],
    "a probe that was taken back leaves the next one its place": [
        *OPENING,
        (1.0, LET_THROUGH, Circuit.HALF_OPEN),
        (1.0, TAKEN_BACK, Circuit.OPEN),
        (1.0, LET_THROUGH, Circuit.HALF_OPEN),
    ],
}


@pytest.mark.parametrize("steps", TABLE.values(), ids=TABLE.keys())
def test_a_circuit_opens_probes_and_closes(steps: list[Step]) -> None:
    """Each row of the table, step by step."""
    breaker = Breaker()
    for number, (at, what, expected) in enumerate(steps):
        match what:
            case "failure":
                breaker.failed(at)
            case "success":
                breaker.succeeded()
            case "taken back":
                breaker.abandoned(at)
            case _:
                assert breaker.admit(at) is (what == LET_THROUGH), f"step {number}"
        assert breaker.circuit is expected, f"step {number}"


def test_a_change_is_told_once() -> None:
    """So that it is logged once: when it opens, and when it closes, probes not counted."""
    breaker = Breaker()
    assert [breaker.failed(0.0) for _ in range(7)] == [False] * 4 + [True] + [False] * 2
    breaker.admit(1.0)
    assert breaker.failed(1.0) is False
    assert breaker.failing_since == 0.0
    assert breaker.succeeded() is True
    assert breaker.succeeded() is False


def test_a_hub_that_stays_away_is_asked_every_so_often() -> None:
    """The pauses end at a cap, the smaller one of the breaker's and the setting's."""
    for cap_seconds, expected in ((60.0, OPEN_CAP_SECONDS), (2.0, 2.0)):
        breaker, at = Breaker(cap_seconds), 0.0
        for _ in range(OPEN_AFTER_FAILURES):
            breaker.failed(at)
        for _ in range(20):
            at = breaker.probe_at
            assert breaker.admit(at)
            breaker.failed(at)
        assert breaker.probe_at - at == expected
