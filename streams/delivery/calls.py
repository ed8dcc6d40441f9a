"""The calls of couriers: an inject, or a cancel, each one attempt."""

import asyncio
import time
from collections import Counter

import structlog

from connectors.hub.inject import Cancel, cancel, inject
from streams.delivery.backoff import wait_seconds
from streams.delivery.courier import Courier
from streams.delivery.delivery import CANCEL_ATTEMPTS, Delivery, inject_body
from streams.delivery.endings import Endings
from streams.delivery.parking import Parking
from streams.errors import InvalidInput, TryAgain
from streams.settings import Settings

log = structlog.get_logger()


class Calls:
    """Makes one attempt, and says how it ended or when the next is due."""

    def __init__(self, settings: Settings, counts: Counter[str], parking: Parking, endings: Endings) -> None:
        self._settings = settings
        self._request_bytes = settings.hub_request_mib * 1024 * 1024
        self._counts = counts
        self._parking = parking
        self._endings = endings

    async def make(self, courier: Courier, delivery: Delivery) -> None:
        """One attempt. Afterwards it has ended, or is parked until it is due, or a cancel that came meanwhile has ended it."""
        delivery.flying = True
        try:
            if delivery.heading.cancel:
                await self._cancel(courier, delivery)
            else:
                await self._inject(courier, delivery)
        except TryAgain as error:
            self._put_off(courier, delivery, error)
        except asyncio.CancelledError:
            courier.untold()
            raise
        finally:
            delivery.flying = False

    async def _inject(self, courier: Courier, delivery: Delivery) -> None:
        heading, hub = delivery.heading, courier.hub
        started_at_ms = time.time_ns() // 1_000_000
        body = inject_body(self._parking.value(delivery))
        if len(body) > self._request_bytes:
            courier.untold()
            error = f"the inject has {len(body)} bytes; a hub is sent {self._request_bytes} at most (TOUCHLINE_HUB_REQUEST_MIB)"
            self._endings.fail(delivery, hub.hub_id, error)
            return
        create = heading.fresh or hub.hub_id != heading.hub_id
        execution_id = heading.inject.execution_id
        answer = await inject(courier.client, execution_id, body, create=create, fallback=heading.fallback)
        courier.succeeded()
        self._endings.answered(delivery, hub.hub_id, started_at_ms, answer)

    async def _cancel(self, courier: Courier, delivery: Delivery) -> None:
        told, hub_id = delivery.heading.inject, courier.hub.hub_id
        body = Cancel(told.execution_id, told.trigger_id, told.agent_instance_id, told.message or "cancelled")
        try:
            status_code = await cancel(courier.client, body)
        except InvalidInput as error:
            courier.untold()
            self._endings.fail(delivery, hub_id, str(error))
            return
        courier.succeeded()
        if status_code >= 300:
            self._endings.fail(delivery, hub_id, f"the hub answered {status_code}")
        else:
            self._endings.end(delivery, "cancelled")

    def _put_off(self, courier: Courier, delivery: Delivery, error: TryAgain) -> None:
        """An attempt failed, and another may succeed."""
        if error.works:
            courier.succeeded()
        else:
            courier.failed(str(error))
        delivery.attempts += 1
        hub_id, execution_id, attempts = courier.hub.hub_id, delivery.heading.inject.execution_id, delivery.attempts
        log.warning("call_failed", hub_id=hub_id, execution_id=execution_id, attempt=attempts, reason=str(error))
        settings = self._settings
        if delivery.cancel is not None:
            self._endings.drop(delivery, delivery.cancel)
        elif attempts >= (CANCEL_ATTEMPTS if delivery.heading.cancel else settings.hub_attempts):
            self._endings.fail(delivery, hub_id, f"gave up after {attempts} attempts: {error}")
        else:
            first, cap = settings.hub_backoff_seconds, settings.hub_backoff_cap_seconds
            delivery.due_at = asyncio.get_running_loop().time() + wait_seconds(attempts, error.after_seconds, first, cap)
            self._counts["dispatch.retried"] += 1
            self._parking.park(delivery)
