"""The lanes of a worker: which dispatch goes when."""

import asyncio
import os
from collections import Counter

import structlog

from streams.delivery.calls import Calls
from streams.delivery.courier import Courier
from streams.delivery.delivery import Delivery
from streams.delivery.endings import Endings
from streams.delivery.fallback import choose_hub
from streams.delivery.lane import Lane
from streams.delivery.parking import Parking
from streams.delivery.reports import Reports
from streams.rows import Rows
from streams.settings import Settings

log = structlog.get_logger()

GIVEN_UP_AT_ONCE = 500
"""Dispatches of one hub that one look gives up at most: thousands at once would hold up the other hubs' calls."""


class Lanes:
    """All dispatches that this worker has taken and that are not over."""

    def __init__(self, settings: Settings, rows: Rows, counts: Counter[str], parking: Parking, reports: Reports) -> None:
        self._settings = settings
        self._rows = rows
        self._counts = counts
        self._endings = Endings(counts, parking, reports)
        self._calls = Calls(settings, counts, parking, self._endings)
        self._lanes: dict[bytes, Lane] = {}
        self._couriers: dict[str, Courier] = {}
        self._retired: list[Courier] = []
        """Those of rows that are others now, until their last calls are through."""
        self._stopping = False

    def enter(self, delivery: Delivery) -> None:
        """Take a dispatch. A cancel concerns only its own inject: it has no place behind others."""
        execution_id = delivery.heading.inject.execution_id
        if not delivery.heading.cancel:
            self._endings.injects[execution_id] = delivery
            self._join(delivery.key, delivery)
            return
        told = self._endings.injects.get(execution_id)
        if told is None or told.heading.run > delivery.heading.run:
            self._join(_cancel_key(delivery), delivery)
        elif told.flying:
            told.cancel = delivery
        else:
            self._drop(told, delivery)

    def held_with(self, delivery: Delivery) -> list[Delivery]:
        """What to park at once: this one, if it cannot begin soon, and what is before it in its lane and not parked.

        It cannot when the first of its lane backs off, or when its hub's circuit is not closed. What is before it comes with
        it, in order: a successor takes up what is parked before it reads the rest again.
        """
        lane = self._lanes.get(_cancel_key(delivery) if delivery.heading.cancel else delivery.key)
        if lane is None or not lane.is_held:
            return []
        return lane.unparked()

    def look_around(self) -> None:
        """What no call leads to: rows of hubs that changed, connections nobody uses, and dispatches whose hub stays away."""
        for courier in list(self._couriers.values()):
            if self._rows.hubs.get(courier.hub.hub_id) != courier.hub:
                self._replace(courier)
            else:
                courier.client.close_idle()
                self._give_up_on(courier)
        self._retired = [courier for courier in self._retired if courier.calls]

    async def stop(self, calls_end_seconds: float = 0) -> None:
        """Begin no more calls, give those under way so long to end, cut off the others, and forget all that waits."""
        self._stopping = True
        for lane in self._lanes.values():
            if lane.timer is not None:
                lane.timer.cancel()
        couriers = [*self._couriers.values(), *self._retired]
        for courier in couriers:
            courier.ready.clear()
        calls = [call for courier in couriers for call in courier.calls]
        if calls and calls_end_seconds:
            await asyncio.wait(calls, timeout=calls_end_seconds)
        self._lanes.clear()
        self._couriers.clear()
        self._retired.clear()
        self._endings.injects.clear()
        await asyncio.gather(*[courier.stop() for courier in couriers])
        self._stopping = False

    def _join(self, key: bytes, delivery: Delivery) -> None:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        is_first = lane.add(delivery)
        if not lane.offered and (lane.timer is None or is_first):
            self._route(lane)

    def _route(self, lane: Lane) -> None:
        """Its first dispatch goes to a courier, or waits until it is due; one that no hub takes is over."""
        lane.offered = False
        if self._stopping:
            return  # to a new courier, whom nobody would stop
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        while (delivery := lane.first()) is not None:
            loop = asyncio.get_running_loop()
            if delivery.due_at > loop.time():
                lane.timer = loop.call_at(delivery.due_at, self._route, lane)
                return
            courier = self._courier(delivery)
            if courier is not None:
                lane.courier, lane.offered = courier, True
                courier.offer(lane)
                return
            hub_id = delivery.heading.hub_id
            error = f"hub {hub_id!r} is not registered; POST /api/v1/hubs registers one"
            self._endings.fail(delivery, hub_id, error)
        self._lanes.pop(lane.key, None)

    def _courier(self, delivery: Delivery) -> Courier | None:
        heading = delivery.heading
        fallback = heading.fallback and not heading.cancel
        hub = choose_hub(self._rows.hubs, heading.hub_id, delivery.key, fallback=fallback)
        if hub is None:
            return None
        courier = self._couriers.get(hub.hub_id)
        if courier is not None and courier.hub != hub:
            self._replace(courier)
            courier = None
        if courier is None:
            courier = Courier(self._settings, hub, self._counts, self._is_for, self._call)
            self._couriers[hub.hub_id] = courier
        return courier

    def _is_for(self, courier: Courier, lane: Lane) -> bool:
        """Whether a lane's first dispatch still goes to this courier. One that does not goes where it should."""
        delivery = lane.first()
        is_due = delivery is not None and delivery.due_at <= asyncio.get_running_loop().time()
        if delivery is not None and is_due and self._courier(delivery) is courier:
            return True
        self._route(lane)
        return False

    async def _call(self, courier: Courier, lane: Lane) -> None:
        delivery = lane.waiting[0]
        try:
            await self._calls.make(courier, delivery)
            if delivery.cancel is not None and not delivery.cancel.ended:
                self._join(_cancel_key(delivery.cancel), delivery.cancel)
            self._route(lane)
        except Exception:
            log.exception("stage_stopped", stage="dispatch", partition=delivery.partition, offset=delivery.offset)
            os._exit(70)  # as in Stage: never go on past a hole

    def _drop(self, delivery: Delivery, by: Delivery) -> None:
        """What waits ends without a call. One that was tried may have reached the hub, which is told."""
        lane = self._lanes[delivery.key]
        backs_off = lane.timer is not None and lane.first() is delivery
        self._endings.drop(delivery, by)
        if not by.ended:
            self._join(_cancel_key(by), by)
        if backs_off:
            self._route(lane)

    def _replace(self, courier: Courier) -> None:
        """Its hub's row is another one now, or gone."""
        self._couriers.pop(courier.hub.hub_id, None)
        self._retired.append(courier)
        courier.client.close()
        ready = list(courier.ready)
        courier.ready.clear()
        for lane in ready:
            self._route(lane)

    def _give_up_on(self, courier: Courier) -> None:
        """A hub that has not answered for so long is not waited for: what waited all the while is over."""
        since, patience = courier.breaker.failing_since, self._settings.hub_patience_seconds
        before = asyncio.get_running_loop().time() - patience
        if since is None or since > before:
            return
        error = f"the hub has not answered for {patience:g} s: {courier.last_error}"
        given_up = 0
        for lane in [lane for lane in self._lanes.values() if lane.courier is courier]:
            for delivery in [waiting for waiting in lane.waiting if waiting.waits_since(before)]:
                self._endings.fail(delivery, courier.hub.hub_id, error)
                given_up += 1
            if not lane.offered:
                self._route(lane)
            if given_up >= GIVEN_UP_AT_ONCE:
                return


def _cancel_key(delivery: Delivery) -> bytes:
    return b"%s\0%s" % (delivery.key, delivery.heading.inject.execution_id.encode())
