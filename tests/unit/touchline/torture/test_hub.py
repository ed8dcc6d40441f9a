"""The torture's hub as a real process: what it keeps, how it answers in each mood, and that kill -9 takes nothing from it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.waiting import eventually
from touchline.torture.deliveries import Deliveries
from touchline.torture.hub import FAILING, SILENT, WELL
from touchline.torture.hub_process import HubProcess

BODY = {"trigger_id": "t", "agent_instance_id": "desk", "event": {"id": "crossing", "caused_by": "fact"}}


class Called:
    """The hub, and what it keeps."""

    def __init__(self, hub: HubProcess) -> None:
        self.hub = hub
        self.deliveries = Deliveries(hub.deliveries_path)
        self.client = httpx.AsyncClient(base_url=hub.base_url, timeout=1)

    async def inject(self, key: str) -> httpx.Response:
        """One inject."""
        return await self.client.post("/api/hub-control/torture/inject", json=BODY, headers={"Idempotency-Key": key})

    async def answers(self) -> bool:
        """Whether it listens."""
        try:
            return (await self.client.get("/health")).is_success
        except httpx.TransportError:
            return False


@pytest.fixture
async def called(tmp_path: Path) -> AsyncIterator[Called]:
    """A hub that listens."""
    hub = HubProcess(tmp_path, lambda _: None)
    hub.start()
    try:
        called = Called(hub)
        async with called.client:
            await eventually(called.answers, 30, "the hub listens")
            yield called
    finally:
        hub.stop()


async def test_a_message_takes_effect_once_also_across_kill_9(called: Called) -> None:
    """The key is known to the process that comes after the one that was killed."""
    assert (await called.inject("one")).json() == {"status": "completed", "output": {"key": "one"}}
    assert called.hub.pid is not None
    killed = called.hub.pid
    psutil.Process(killed).kill()
    await eventually(lambda: called.hub.pid not in (None, killed), 30, "it is started again")
    await eventually(called.answers, 30, "it listens again")
    assert (await called.inject("one")).is_success
    first, second = called.deliveries.refresh()
    assert (first.taken, first.repeated) == (True, False)
    assert (second.taken, second.repeated) == (True, True)
    assert called.deliveries.effects == {("t", "fact"): 1}


async def test_a_failing_hub_takes_nothing(called: Called) -> None:
    """It answers with each of 500, 503 and 429, and keeps that it was called."""
    assert await called.hub.become(FAILING)
    assert {(await called.inject("one")).status_code for _ in range(4)} == {500, 503, 429}
    assert [delivery.taken for delivery in called.deliveries.refresh()] == [False] * 4
    assert await called.hub.become(WELL)
    assert (await called.inject("one")).is_success
    assert called.deliveries.refresh()[-1].repeated is False


async def test_a_silent_hub_never_answers_and_has_taken_every_other_message(called: Called) -> None:
    """Whoever waits cannot know which."""
    assert await called.hub.become(SILENT)
    for key in ("one", "two"):
        with pytest.raises(httpx.ReadTimeout):
            await called.inject(key)
    assert sorted(delivery.taken for delivery in called.deliveries.refresh()) == [False, True]


async def test_two_keys_for_one_event_are_two_effects(called: Called) -> None:
    """That is what a doubling looks like."""
    await called.inject("one")
    await called.inject("two")
    called.deliveries.refresh()
    assert called.deliveries.effects == {("t", "fact"): 2}


def test_half_a_line_is_not_read_before_it_is_whole(tmp_path: Path) -> None:
    """The file may be read while it is written."""
    path = tmp_path / "deliveries.jsonl"
    line = b'{"at_ms":1,"key":"k","trigger_id":"t","instance":"i","cause":"c","event_id":"e","mood":"well","taken":true}\n'
    path.write_bytes(line + line[:20])
    deliveries = Deliveries(path)
    assert len(deliveries.refresh()) == 1
    path.write_bytes(line + line)
    assert len(deliveries.refresh()) == 2
