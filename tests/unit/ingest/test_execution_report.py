"""What is answered to who said something of an execution: a table of what was said, what the row says, and whether we know."""

from http import HTTPStatus

import pytest

from ingest.execution_report import judge
from ingest.execution_rows import Reported
from streams.execution import Status

OK, CONFLICT, ACCEPTED = HTTPStatus.OK, HTTPStatus.CONFLICT, HTTPStatus.ACCEPTED
OURS, ANOTHERS = (3, 7), (3, 5)


@pytest.mark.parametrize(
    ("said", "status", "place", "passed", "answered"),
    [
        (Status.COMPLETED, Status.COMPLETED, OURS, True, OK),
        (Status.COMPLETED, Status.COMPLETED, OURS, False, OK),  # the row was read after the wait
        (Status.COMPLETED, Status.COMPLETED, ANOTHERS, True, CONFLICT),
        (Status.COMPLETED, Status.TIMED_OUT, ANOTHERS, True, CONFLICT),
        (Status.CANCELLED, Status.COMPLETED, ANOTHERS, False, CONFLICT),
        (Status.COMPLETED, Status.RUNNING, ANOTHERS, False, ACCEPTED),
        (Status.FAILED, Status.PENDING, ANOTHERS, True, CONFLICT),  # redriven meanwhile
        (Status.RUNNING, Status.RUNNING, OURS, True, OK),
        (Status.RUNNING, Status.RUNNING, (3, 9), True, OK),  # another heartbeat came after ours
        (Status.RUNNING, Status.TIMED_OUT, ANOTHERS, True, CONFLICT),
        (Status.RUNNING, Status.PENDING, ANOTHERS, False, ACCEPTED),
    ],
)
def test_the_row_decides_whose_word_holds(
    said: Status, status: Status, place: tuple[int, int], passed: bool, answered: HTTPStatus
) -> None:
    """Ours, when it lies where our record lies; nobody knows, as long as our record is not in it."""
    row = Reported("e", "t", "w", "event", status, "h", "a", "i", "", 0, None, *place)
    assert judge(row, said, OURS, passed=passed) is answered
