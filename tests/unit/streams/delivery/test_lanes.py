"""A worker that loses its partitions: what is under way ends, and nothing begins after it."""

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from streams.delivery.calls import Calls
from streams.delivery.courier import Courier
from streams.delivery.delivery import Addressed, Delivery, Heading
from streams.delivery.lanes import Lanes
from streams.settings import Settings
from streams.trigger import Hub

CALLS = 8


async def test_calls_that_are_answered_as_all_stops_begin_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their lanes hold more; a courier made for those would go on calling for partitions that are somebody else's by then."""
    answers: list[asyncio.Future[None]] = []

    async def make(_calls: Calls, _courier: Courier, delivery: Delivery) -> None:
        answers.append(asyncio.get_running_loop().create_future())
        await answers[-1]
        delivery.ended = True

    monkeypatch.setattr(Calls, "make", make)
    rows = SimpleNamespace(hubs={"hub": Hub("hub", "http://127.0.0.1:9")})
    lanes = Lanes(Settings(hub_concurrency=CALLS), cast("Any", rows), Counter(), cast("Any", None), cast("Any", None))
    for offset in range(3 * CALLS):
        key = b"hub/desk-%d" % (offset % CALLS)
        lanes.enter(Delivery(0, offset, key, b"{}", Heading("hub", False, Addressed(f"x{offset}", "t", "desk")), 0.0))
    async with asyncio.timeout(10):
        while len(answers) < CALLS:
            await asyncio.sleep(0)
    for answer in answers:
        answer.set_result(None)
    await lanes.stop()
    await asyncio.sleep(0)
    assert len(answers) == CALLS
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("courier-")] == []
