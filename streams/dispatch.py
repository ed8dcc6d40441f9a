"""dispatch: puts one prepared message in front of each agent, and says what came of it (the fourth stage).

Bound by HTTP, so it differs from the stages before it: what a batch asks for goes side by side, and may take longer than the
batch is held. streams/delivery has the protocol and its pieces; this is the stage that takes batches and lets go of them.
"""

import asyncio
import os
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import structlog

from streams.delivery.delivery import Addressed, Delivery, Heading, Ticket, read_delivery
from streams.delivery.lanes import Lanes
from streams.delivery.parked import Parked
from streams.delivery.parking import Parking
from streams.delivery.reports import Reports
from streams.engine.batch import Batch, Record, is_current
from streams.engine.table import StateTable
from streams.engine.writer import Writer
from streams.rows import Rows
from streams.settings import Settings
from streams.topics import DISPATCHES

log = structlog.get_logger()

PARK_AFTER_SECONDS = 2.0
"""How long a batch waits for hubs before what is left of it is parked: a hub that works has answered by then, and what a
restart reads again stays small."""
READ_AHEAD = 2_000
"""Dispatches held that are neither over nor parked; with so many nothing more is read. A backlog passes unparked at 1,000/s."""
CALLS_END_SECONDS = 0.5
"""How long calls under way may take to end before partitions go. Longer would keep the whole group waiting for one slow hub."""
LOOK_SECONDS = 0.25
"""How often the stage looks for what is to be parked, and at what no call leads to."""


class Dispatch:
    """The stage at work."""

    topic = DISPATCHES

    def __init__(
        self,
        settings: Settings,
        rows: Rows,
        writer: Writer,
        counts: Counter[str],
        ready: Callable[[], Awaitable[None]],
        parked: StateTable[Parked],
    ) -> None:
        self._ready = ready
        self._counts = counts
        self._parking = Parking(parked, writer, self._land)
        self._reports = Reports(settings, writer, lambda delivery: self._parking.forget(delivery, delivery))
        self._lanes = Lanes(settings, rows, counts, self._parking, self._reports)
        self._waiting_max = settings.hub_waiting_max
        self._waiting_max_bytes = settings.hub_waiting_mib * 1024 * 1024
        self._held: set[Delivery] = set()
        self._held_bytes = 0
        self._unacked = 0
        self._room = asyncio.Event()
        self._tickets: deque[Ticket] = deque()
        self._taken_up: dict[int, frozenset[int]] = {}
        self._inherited: Mapping[int, int] = {}
        self._looking: asyncio.Task[None] | None = None

    async def run(self, stream: Any) -> None:
        """The Faust agent."""
        async for event in stream.noack().events():
            while not self._has_room():
                self._room.clear()
                await self._room.wait()
            await self._ready()
            # Its partition may have gone while it waited; whoever owns it now reads it again.
            if self._looking is not None and is_current(event):
                self._take(event)

    def take_up(self, partitions: Mapping[int, int]) -> None:
        """Go on with what is parked in these partitions, which are this worker's now, before anything new of them is read.

        With each comes its end: whoever had it before has read no further. Nothing may be under way: what was, `abandon` stops.
        """
        self._inherited = partitions
        for number in partitions:
            taken = self._parking.take_over(number)
            self._taken_up[number] = frozenset(delivery.offset for delivery in taken)
            for delivery in taken:
                self._hold(delivery)
                self._lanes.enter(delivery)
        if self._held:
            log.info("dispatches_taken_up", dispatches=len(self._held), partitions=len(partitions))
        self._looking = asyncio.create_task(self._look(), name="dispatch-look")

    async def finish(self) -> None:
        """Let calls end and park what is not over, before partitions go: whoever has them next repeats no call that ended."""
        await self._stop(CALLS_END_SECONDS)
        for delivery in self._held:
            if not delivery.ended and not delivery.parked:
                self._park(delivery)
        await self._forget()

    async def abandon(self) -> None:
        """Stop all that is under way: the partitions are somebody else's, who will inject again, with the same keys."""
        await self._stop()
        await self._forget()

    async def _stop(self, calls_end_seconds: float = 0) -> None:
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
            self._looking = None
        await self._lanes.stop(calls_end_seconds)

    async def _forget(self) -> None:
        await self._reports.drain()  # what it leads to is written after it
        await self._parking.drain()
        self._held.clear()
        self._tickets.clear()
        self._taken_up.clear()
        self._held_bytes = self._unacked = 0
        self._room.set()

    def _has_room(self) -> bool:
        has_few = self._unacked < READ_AHEAD and len(self._held) < self._waiting_max
        return has_few and self._held_bytes < self._waiting_max_bytes

    def _take(self, event: Any) -> None:
        batch: Batch = event.message.value
        ticket = Ticket(event, asyncio.get_running_loop().time())
        taken_up = self._taken_up.get(batch.partition, frozenset())
        inherited = self._inherited.get(batch.partition, 0)
        for record in batch:
            if record.offset in taken_up:
                self._counts["dispatch.repeated"] += 1  # it is on its way, or over, since the table was read
                continue
            try:
                delivery = read_delivery(batch, record, ticket.taken_at)
            except ValueError as error:
                delivery = self._bury(batch, record, ticket.taken_at, str(error))
            delivery.ticket = ticket
            delivery.inherited = delivery.offset < inherited
            ticket.deliveries.append(delivery)
        self._counts["dispatch.read"] += batch.records
        ticket.left = len(ticket.deliveries)
        if not ticket.left:
            event.ack()
            return
        self._unacked += ticket.left
        self._tickets.append(ticket)
        for delivery in ticket.deliveries:
            self._hold(delivery)
            if not delivery.ended:
                self._enter(delivery)

    def _enter(self, delivery: Delivery) -> None:
        self._lanes.enter(delivery)
        for held in self._lanes.held_with(delivery):
            self._park(held)

    def _bury(self, batch: Batch, record: Record, taken_at: float, error: str) -> Delivery:
        """What is no dispatch is over when its dead letter is written."""
        nobody = Heading("", False, Addressed("", "", ""))
        delivery = Delivery(batch.partition, record.offset, record.key or b"", record.value or b"", nobody, taken_at)
        delivery.headers, delivery.ended = list(record.headers), True
        self._counts["dispatch.dead"] += 1
        self._reports.bury(delivery, record.value, error)
        self._reports.end(delivery)
        return delivery

    def _hold(self, delivery: Delivery) -> None:
        self._held.add(delivery)
        self._held_bytes += delivery.size_bytes

    def _park(self, delivery: Delivery) -> None:
        self._counts["dispatch.parked"] += 1
        self._parking.park(delivery)

    def _land(self, delivery: Delivery) -> None:
        """What it leads to so far is acked. Parked or over, its batch no longer waits for it; over, nobody does."""
        ticket = delivery.ticket
        if ticket is not None:
            delivery.ticket = None
            self._unacked -= 1
            ticket.left -= 1
            if not ticket.left:
                ticket.event.ack()
        if delivery.ended and delivery in self._held:
            self._held.discard(delivery)
            self._held_bytes -= delivery.size_bytes
        self._room.set()

    async def _look(self) -> None:
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                self._park_late()
                self._lanes.look_around()
        except Exception:
            log.exception("stage_stopped", stage="dispatch")
            os._exit(70)  # as in Stage: never go on past a hole

    def _park_late(self) -> None:
        before = asyncio.get_running_loop().time() - PARK_AFTER_SECONDS
        while self._tickets and self._tickets[0].taken_at <= before:
            for delivery in self._tickets.popleft().deliveries:
                if not delivery.ended and not delivery.parked:
                    self._park(delivery)
