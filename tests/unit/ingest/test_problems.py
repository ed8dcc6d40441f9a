"""Errors and their problem details."""

from collections.abc import Iterator

import pytest

from ingest.problems import KINDS, problem_of
from streams.errors import InvalidTrigger, TouchlineError, Unavailable


def tree(error: type[TouchlineError]) -> Iterator[type[TouchlineError]]:
    """An error class and all below it."""
    yield error
    for child in error.__subclasses__():
        yield from tree(child)


def test_every_error_of_ours_has_its_status() -> None:
    """A new error class is mapped on purpose, not by what its parent happens to be."""
    assert set(tree(TouchlineError)) == set(KINDS)


def test_a_problem_names_the_field_at_fault() -> None:
    """`errors` says where, and what would be accepted."""
    told = problem_of(InvalidTrigger("match_filter.minute.about", "is not an operator")).marshal()
    assert (told["status"], told["type"]) == (422, "invalid-trigger")
    assert told["errors"] == [{"path": "match_filter.minute.about", "message": "is not an operator"}]


def test_unavailable_says_when_to_try_again() -> None:
    """RFC 9110, section 10.2.3."""
    told = problem_of(Unavailable("later"))
    assert (told.status, (told.headers or {})["Retry-After"]) == (503, "1")


@pytest.mark.parametrize("error", [ValueError("secret of the inside"), KeyError("secret of the inside")])
def test_a_defect_tells_nothing_of_the_inside(error: Exception) -> None:
    """500, and the log says why."""
    told = problem_of(error).marshal()
    assert told["status"] == 500
    assert "secret" not in str(told)
