"""What is parked, when whoever had the partition before has ended it, and we hear of that after we took it up."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from streams.delivery.calls import Calls
from streams.delivery.delivery import Addressed, Delivery, Heading
from streams.delivery.endings import Endings
from streams.delivery.parked import Parked
from streams.delivery.parking import Parking
from streams.delivery.reports import Reports
from streams.engine.store import MemoryPartition
from streams.engine.writer import Outputs, Written
from streams.settings import Settings

VALUE = b'{"hub_id":"hub","fresh":false,"inject":{"execution_id":"x","trigger_id":"t","agent_instance_id":"desk"}}'


class Table:
    """One partition in memory, whose changelog takes everything."""

    def __init__(self) -> None:
        self.states: MemoryPartition[Parked] = MemoryPartition(msgspec.json.Decoder(Parked).decode)
        self.written: list[Mapping[bytes, Parked | None]] = []

    def partition(self, _number: int) -> MemoryPartition[Parked]:
        """The one there is."""
        return self.states

    async def remember(self, _writer: object, _number: int, states: Mapping[bytes, Parked | None]) -> None:
        """Written."""
        self.written.append(states)


class Desk:
    """A stage's delivery without a broker and without hubs: a call would fail the test."""

    def __init__(self) -> None:
        self.table, self.landed, self.told = Table(), list[Delivery](), list[Outputs]()
        self.counts: Counter[str] = Counter()
        writer = cast("Any", self)
        self.parking = Parking(cast("Any", self.table), writer, self.landed.append)
        settings = Settings()
        self.reports = Reports(settings, writer, lambda delivery: self.parking.forget(delivery, delivery))
        self.endings = Endings(self.counts, self.parking, self.reports)
        self.calls = Calls(settings, self.counts, self.parking, self.endings)
        self.courier = cast("Any", SimpleNamespace(untold=lambda: None))

    def send(self, outputs: Outputs) -> "list[asyncio.Future[Written]]":
        """As the writer does."""
        self.told.append(outputs)
        return []

    async def drain(self) -> None:
        """What is under way is written."""
        await self.reports.drain()
        await self.parking.drain()


@pytest.fixture
async def desk() -> Desk:
    """Nothing is parked."""
    return Desk()


async def parked(desk: Desk) -> Delivery:
    """A dispatch that this process has taken up."""
    desk.parking.take_over(0)
    delivery = Delivery(0, 7, b"hub/desk", VALUE, Heading("hub", False, Addressed("x", "t", "desk")), 0.0)
    desk.parking.park(delivery)
    await desk.parking.drain()
    desk.landed.clear()
    return delivery


async def test_what_somebody_else_has_ended_is_not_sent_and_is_over(desk: Desk) -> None:
    """The tombstone says that all is told of it: no hub is called, nothing more is told, and its batch is let go."""
    delivery = await parked(desk)
    del desk.table.states[delivery.parked_key]
    await desk.calls.make(desk.courier, delivery)
    await desk.drain()
    assert delivery.ended
    assert desk.landed == [delivery]
    assert desk.counts == {"dispatch.repeated": 1}
    assert [outputs.records for outputs in desk.told] == [{}]


async def test_what_somebody_else_ended_while_it_was_under_way_ends_here_too(desk: Desk) -> None:
    """Nothing is left to forget, and that stops no worker."""
    delivery = await parked(desk)
    del desk.table.states[delivery.parked_key]
    before = len(desk.table.written)
    desk.endings.end(delivery, "completed")
    await desk.drain()
    assert desk.landed == [delivery]
    assert len(desk.table.written) == before


async def test_what_is_ours_is_forgotten_when_it_ends(desk: Desk) -> None:
    """Its tombstone is written before it lands."""
    delivery = await parked(desk)
    desk.endings.end(delivery, "completed")
    await desk.drain()
    assert desk.landed == [delivery]
    assert desk.table.written[-1] == {delivery.parked_key: None}
    assert delivery.parked_key not in desk.table.states
