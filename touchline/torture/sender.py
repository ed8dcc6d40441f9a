"""Sends the planned feed at its pace: every key in order, one fact of it under way at a time."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence

from touchline.torture.doors import Door
from touchline.torture.feed import Fact
from touchline.torture.history import History

LANES = 4
"""Senders of one door. Each owns some keys, so that a batch that waits holds up only a part of the feed."""
BATCH_FACTS = 50
"""Facts of one batch, at most."""
TICK_SECONDS = 0.05
"""How often a sender looks what is due."""


class Sender:
    """One door's share of the feed."""

    def __init__(self, door: Door, facts: Sequence[Fact], history: History) -> None:
        self._door = door
        self._history = history
        self._lanes = split(facts)
        self._stopped = False

    async def run(self) -> None:
        """Send all; facts that are late, because nothing was accepted for a while, go as fast as the door lets them."""
        await asyncio.gather(*[self._send_lane(lane) for lane in self._lanes])

    def stop(self) -> None:
        """Send no more. What is under way is seen through, so that of every fact it is known whether it was accepted."""
        self._stopped = True

    async def _send_lane(self, lane: deque[Fact]) -> None:
        while lane and not self._stopped:
            batch = due(lane, self._history.seconds)
            if batch:
                await self._door.send(batch)
            else:
                await asyncio.sleep(TICK_SECONDS)


def split(facts: Iterable[Fact]) -> list[deque[Fact]]:
    """The facts in LANES queues, each key's in one of them, in order."""
    lanes: list[deque[Fact]] = [deque() for _ in range(LANES)]
    lane_of: dict[str, int] = {}
    for fact in facts:
        number = lane_of.setdefault(fact.key, len(lane_of) % LANES)
        lanes[number].append(fact)
    return lanes


def due(lane: deque[Fact], seconds: float) -> list[Fact]:
    """Take what is due by now from the queue's beginning: at most BATCH_FACTS, and of each key the first one only."""
    batch: list[Fact] = []
    kept: list[Fact] = []
    keys: set[str] = set()
    while lane and lane[0].at_seconds <= seconds and len(batch) < BATCH_FACTS and len(kept) < BATCH_FACTS:
        fact = lane.popleft()
        if fact.key in keys:
            kept.append(fact)
        else:
            keys.add(fact.key)
            batch.append(fact)
    lane.extendleft(reversed(kept))
    return batch
