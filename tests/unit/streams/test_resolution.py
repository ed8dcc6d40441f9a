"""What became of a dead letter, as a table of records and what holds of them."""

from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from streams.dead import Place
from streams.resolution import CLAIM_SECONDS, Outcome, Resolution, Standing, read_history, read_resolution

LETTER = Place(3, 17)
NOW_MS = 1_780_000_000_000
CLAIM_MS = int(CLAIM_SECONDS * 1000)


def told(outcome: str, attempt: int, claim: str, at_ms: int = NOW_MS) -> tuple[Outcome, int, str, int]:
    """One resolution."""
    return Outcome(outcome), attempt, claim, at_ms


CASES: dict[str, tuple[list[tuple[Outcome, int, str, int]], Standing, int, str]] = {
    "nothing": ([], Standing.OPEN, 0, ""),
    "a claim": ([told("redriving", 1, "a")], Standing.REDRIVING, 1, "a"),
    "a claim that expired": ([told("redriving", 1, "a", NOW_MS - CLAIM_MS - 1)], Standing.OPEN, 1, "a"),
    "redriven": ([told("redriving", 1, "a"), told("redriven", 1, "a")], Standing.REDRIVEN, 1, "a"),
    "discarded, for good": ([told("discarded", 1, "a", 0)], Standing.DISCARDED, 1, "a"),
    "two at once": ([told("redriving", 1, "a"), told("redriving", 1, "b")], Standing.REDRIVING, 1, "a"),
    "the loser confirms": ([told("redriving", 1, "a"), told("redriven", 1, "b")], Standing.REDRIVING, 1, "a"),
    "redriven and discarded at once": (
        [told("discarded", 1, "a"), told("redriving", 1, "b"), told("redriven", 1, "b")],
        Standing.DISCARDED,
        1,
        "a",
    ),
    "again": (
        [told("redriving", 1, "a"), told("redriven", 1, "a"), told("redriving", 2, "b")],
        Standing.REDRIVING,
        2,
        "b",
    ),
    "confirmed after it expired and was claimed anew": (
        [told("redriving", 1, "a", 0), told("redriving", 2, "b"), told("redriven", 1, "a")],
        Standing.REDRIVING,
        2,
        "b",
    ),
    "a confirmation alone": ([told("redriven", 1, "a")], Standing.OPEN, 0, ""),
}


@pytest.mark.parametrize("case", CASES)
def test_the_first_claim_of_each_number_holds(case: str) -> None:
    """In whatever order the records are read."""
    rows, standing, attempt, claim = CASES[case]
    resolutions = [
        Resolution(LETTER, outcome, number, by, offset, at_ms) for offset, (outcome, number, by, at_ms) in enumerate(rows)
    ]
    for ordered in (resolutions, resolutions[::-1]):
        history = read_history(ordered)
        assert (history.standing(NOW_MS), history.attempt, history.claim) == (standing, attempt, claim)


def record(headers: list[tuple[str, bytes]], partition: int = 3) -> Any:
    """A record of `dead`."""
    return ConsumerRecord("t.dead", partition, 20, NOW_MS, 0, b"key", b"", None, 0, 0, tuple(headers))


def test_a_resolution_is_read_back_and_nothing_else_is_one() -> None:
    """Only in the letter's own partition: elsewhere there is no order between the two."""
    resolution = Resolution(LETTER, Outcome.DISCARDED, 2, "claim", 20, NOW_MS)
    headers = resolution.headers()
    assert read_resolution(record(headers)) == resolution
    assert read_resolution(record(headers, partition=2)) is None
    for number, bad in ((0, b"3"), (1, b"done"), (2, b"-1")):
        spoilt = list(headers)
        spoilt[number] = (headers[number][0], bad)
        assert read_resolution(record(spoilt)) is None
    assert read_resolution(record([*headers, ("topic", b"")])) is None
