"""Writes what the table `parked` holds (step 5 of the room's protocol)."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable

import msgspec
import structlog

from streams.delivery.delivery import Delivery, revive
from streams.delivery.parked import OWNER, Parked
from streams.engine.table import StateTable
from streams.engine.writer import Writer
from streams.event import UNDECODABLE

log = structlog.get_logger()

Landed = Callable[[Delivery], None]


class Parking:
    """Parks dispatches and forgets them. What changes while one write is under way becomes the partition's next."""

    def __init__(self, table: StateTable[Parked], writer: Writer, landed: Landed) -> None:
        """`landed` is told of each dispatch whose change is acked in the changelog."""
        self.table = table
        self._writer = writer
        self._landed = landed
        self._owners: dict[int, int] = {}
        self._changed: dict[int, dict[bytes, Parked | None]] = {}
        self._waiting: dict[int, list[Delivery]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def take_over(self, number: int) -> list[Delivery]:
        """Become a partition's owner: what is parked there, in the order of the input, is written anew as this owner's."""
        states, now_ms = self.table.partition(number), time.time_ns() // 1_000_000
        before = states.get(OWNER)
        last_owner = before.offset if before is not None else 0
        owner = self._owners[number] = last_owner + 1
        taken: list[Delivery] = []
        for key in sorted(key for page in states.pages() for key in page if key != OWNER):
            state = states.get(key)
            if state is None:
                continue
            if state.offset < last_owner:
                log.info("parked_by_nobody", partition=number, key=key.decode(errors="replace"))
                del states[key]
                self._change(number, key, None, ())
                continue
            states[key] = msgspec.structs.replace(state, offset=owner)
            self._change(number, key, states[key], ())
            try:
                taken.append(revive(number, key, states[key], now_ms))
            except UNDECODABLE as error:  # another version of touchline wrote it, and may read it again
                log.warning("parked_unreadable", partition=number, key=key.decode(errors="replace"), error=str(error))
        states[OWNER] = Parked(owner, msgspec.Raw(b"null"))
        self._change(number, OWNER, states[OWNER], ())  # behind the others: whoever reads it has read them
        return taken

    def park(self, delivery: Delivery) -> None:
        """Keep it, with its attempts and when it is due."""
        owner = self._owners[delivery.partition]
        state = Parked(owner, msgspec.Raw(self.value(delivery)), delivery.attempts, headers=delivery.headers)
        wait_seconds = delivery.due_at - asyncio.get_running_loop().time()
        if wait_seconds > 0:
            state.due_at_ms = time.time_ns() // 1_000_000 + int(wait_seconds * 1000)
        self.table.partition(delivery.partition)[delivery.parked_key] = state
        delivery.parked, delivery.value = True, None
        self._change(delivery.partition, delivery.parked_key, state, (delivery,))

    def forget(self, delivery: Delivery, *landing: Delivery) -> None:
        """Forget it, if it was parked; these land with that."""
        if delivery.parked:
            del self.table.partition(delivery.partition)[delivery.parked_key]
            delivery.parked = False
            self._change(delivery.partition, delivery.parked_key, None, landing)
        else:
            for one in landing:
                self._landed(one)

    def value(self, delivery: Delivery) -> bytes:
        """The dispatch's bytes."""
        if delivery.value is not None:
            return delivery.value
        return bytes(self.table.partition(delivery.partition)[delivery.parked_key].dispatch)

    async def drain(self) -> None:
        """Return when every change is acked."""
        while self._tasks:
            await asyncio.gather(*self._tasks.values())

    def _change(self, number: int, key: bytes, state: Parked | None, landing: Iterable[Delivery]) -> None:
        self._changed.setdefault(number, {})[key] = state
        self._waiting.setdefault(number, []).extend(landing)
        if number not in self._tasks:
            self._tasks[number] = asyncio.create_task(self._write(number), name=f"parking-{number}")

    async def _write(self, number: int) -> None:
        try:
            while changed := self._changed.pop(number, None):
                waiting = self._waiting.pop(number)
                await self.table.remember(self._writer, number, changed)
                for delivery in waiting:
                    self._landed(delivery)
        except Exception:
            log.exception("stage_stopped", stage="dispatch", partition=number)
            os._exit(70)  # as in Stage: never go on past a hole
        del self._tasks[number]
