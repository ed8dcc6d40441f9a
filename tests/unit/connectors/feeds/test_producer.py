"""The generic producer: what it owes whoever writes a feed."""

import asyncio
from collections.abc import Sequence

import pytest

from connectors.feeds.producer import Producer
from streams.errors import Unavailable
from streams.event import Event, derived_id
from tests.waiting import eventually


class Door:
    """A publisher that can be shut."""

    def __init__(self) -> None:
        self.shut = False
        self.refused = 0
        self.ids: list[str] = []

    async def publish(self, events: Sequence[Event]) -> None:
        """Take the events, or raise Unavailable while shut."""
        if self.shut:
            self.refused += 1
            raise Unavailable("the door is shut; come again")
        self.ids += [event.id for event in events]


class Counter(Producer[int]):
    """A feed of an app's own: a number that grows, each step of it a fact."""

    number = 0
    away = False
    missed = 0

    async def poll(self) -> int:
        """The number as it is now."""
        if self.away:
            self.missed += 1
            raise Unavailable("the source is away")
        return self.number

    def diff(self, before: int | None, after: int) -> list[Event]:
        """One fact for each step."""
        return [Event("counter", "step", {}, derived_id("counter", str(step))) for step in range(before or 0, after)]


async def test_facts_that_were_not_published_are_found_again_with_the_same_ids() -> None:
    """What was seen is remembered only once it is published."""
    door = Door()
    feed = Counter(door, interval_seconds=1)
    feed.number, door.shut = 2, True
    with pytest.raises(Unavailable):
        await feed.step()
    feed.number, door.shut = 3, False
    assert await feed.step() == 3
    assert await feed.step() == 0
    assert door.ids == [derived_id("counter", str(step)) for step in range(3)]


async def test_it_goes_on_when_the_source_comes_back() -> None:
    """A source or a broker that is away for a while does not end the worker."""
    door = Door()
    feed = Counter(door, interval_seconds=0.001)
    running = asyncio.create_task(feed.run())
    feed.number = 1
    await eventually(lambda: len(door.ids) == 1, 5, "the first fact")
    feed.away, feed.number = True, 2
    await eventually(lambda: feed.missed, 5, "a poll that fails")
    feed.away, door.shut = False, True
    await eventually(lambda: door.refused, 5, "facts that are not taken")
    door.shut = False
    await eventually(lambda: len(door.ids) == 2, 5, "the fact after the pause")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
