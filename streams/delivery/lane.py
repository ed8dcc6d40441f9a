"""A lane: the dispatches of one instance, in order."""

import asyncio
from collections import deque
from itertools import takewhile
from typing import TYPE_CHECKING

from streams.delivery.breaker import Circuit
from streams.delivery.delivery import Delivery

if TYPE_CHECKING:
    from streams.delivery.courier import Courier


class Lane:
    """Only the first of `waiting` is ever under way. What was dropped further back has `ended`, and is passed over."""

    __slots__ = ("courier", "key", "offered", "timer", "waiting")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.waiting: deque[Delivery] = deque()
        self.courier: Courier | None = None
        """Who has it, or had it last."""
        self.offered = False
        """Whether a courier has it now, ready or under way."""
        self.timer: asyncio.TimerHandle | None = None
        """Set while its first dispatch backs off."""

    @property
    def is_held(self) -> bool:
        """Whether it stands still: its first dispatch backs off, or its hub's circuit is not closed."""
        if self.timer is not None:
            return True
        return self.courier is not None and self.courier.breaker.circuit is not Circuit.CLOSED

    def add(self, delivery: Delivery) -> bool:
        """Give it its place, and say whether that is the first.

        That is the end, but for a record that is read again, when what came after it was parked and is here before it.
        """
        place = len(self.waiting)
        while place > 0 and self.waiting[place - 1].offset > delivery.offset and not self.waiting[place - 1].flying:
            place -= 1
        self.waiting.insert(place, delivery)
        return place == 0

    def unparked(self) -> list[Delivery]:
        """What is not parked, in order: what is parked was first in the lane, and is in front."""
        behind = takewhile(lambda waiting: not waiting.parked, reversed(self.waiting))
        return [waiting for waiting in reversed(list(behind)) if not waiting.ended]

    def first(self) -> Delivery | None:
        """The dispatch whose turn it is."""
        while self.waiting and self.waiting[0].ended:
            self.waiting.popleft()
        return self.waiting[0] if self.waiting else None
