"""How a dispatch ends, and what is told of it."""

import time
from collections import Counter

import structlog

from connectors.hub.inject import Answer
from streams.delivery.delivery import Delivery
from streams.delivery.parking import Parking
from streams.delivery.reports import Reports
from streams.execution import Status

log = structlog.get_logger()


class Endings:
    """Ends dispatches: each in one outcome, counted as `dispatch.<outcome>`.

    Outcomes of injects: `running`, `completed`, `failed`, `dropped`; of cancels: `cancelled`, `cancel_unheard`.
    """

    def __init__(self, counts: Counter[str], parking: Parking, reports: Reports) -> None:
        self.injects: dict[str, Delivery] = {}
        """Injects that are not over, by execution id."""
        self._counts = counts
        self._parking = parking
        self._reports = reports

    def answered(self, delivery: Delivery, hub_id: str, started_at_ms: int, answer: Answer) -> None:
        """The hub that was called has answered for good."""
        attempts = delivery.attempts + 1
        self._reports.tell(delivery, hub_id, Status.RUNNING, started_at_ms, attempts, None)
        if answer.status is not Status.RUNNING:
            self._reports.tell(delivery, hub_id, answer.status, _now_ms(), attempts, answer)
        if answer.status is Status.FAILED:
            self._bury(delivery, answer.error or "failed")
        self.end(delivery, answer.status.lower())

    def fail(self, delivery: Delivery, hub_id: str, error: str) -> None:
        """It was not delivered, and will not be. A cancel that was not heard is nobody's dead letter."""
        if delivery.heading.cancel:
            log.info("cancel_unheard", hub_id=hub_id, execution_id=delivery.heading.inject.execution_id, reason=error)
            self.end(delivery, "cancel_unheard")
            return
        answer = Answer(Status.FAILED, error=error)
        self._reports.tell(delivery, hub_id, Status.FAILED, _now_ms(), delivery.attempts, answer)
        self._bury(delivery, error)
        self.end(delivery, "failed")

    def end(self, delivery: Delivery, outcome: str) -> None:
        """It is over, and all is told of it."""
        self._leave(delivery, outcome)
        self._reports.end(delivery)

    def drop(self, delivery: Delivery, by: Delivery) -> None:
        """Its execution was cancelled before a hub took it: nothing is told of it.

        One that was never tried, here or elsewhere, can be at no hub, so that with it the cancel is over too, once both are
        forgotten.
        """
        self._leave(delivery, "dropped")
        if delivery.attempts or delivery.inherited:
            self._parking.forget(delivery, delivery)
        else:
            self._leave(by, "cancelled")
            self._parking.forget(delivery, delivery, by)
            self._parking.forget(by, by)

    def _leave(self, delivery: Delivery, outcome: str) -> None:
        delivery.ended = True
        execution_id = delivery.heading.inject.execution_id
        if self.injects.get(execution_id) is delivery:
            del self.injects[execution_id]
        self._counts[f"dispatch.{outcome}"] += 1

    def _bury(self, delivery: Delivery, error: str) -> None:
        self._reports.bury(delivery, self._parking.value(delivery), error)
        self._counts["dispatch.dead"] += 1


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
