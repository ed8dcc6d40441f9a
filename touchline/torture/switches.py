"""Triggers that change in the middle of a run: created, disabled, enabled, and facts that come strictly after the answer.

One cycle, all of it for triggers of its own:

1. create a trigger; facts that must fire it; wait until they have.
2. disable it and enable it again; facts that must fire it; wait until they have.
3. disable it for good; facts that must never fire it.
Beside it a one-shot trigger: created, then three facts of one key, of which exactly the first must fire it.

The waits are there because an event is judged by the row as it is when it is judged: what was accepted before a change and
has not been judged by then may go either way. What was accepted after the answer may not.
"""

import asyncio
from typing import NamedTuple

from streams.errors import TouchlineError
from touchline.torture.api import Api
from touchline.torture.asks import trigger_row
from touchline.torture.deliveries import Deliveries
from touchline.torture.doors import Door
from touchline.torture.feed import HTTP, KAFKA, Fact
from touchline.torture.history import History

SOURCE = "switch"
FIRST_SECONDS = 3.0
CYCLE_SECONDS = 3.0
"""A cycle begins this often; it takes a second when nothing is broken, and many run at once when something is."""
SUBJECTS = 12
"""Facts of one round, each of another subject, so that nearly every partition, and so every worker, has some of them."""
SHOTS = 3
POLL_SECONDS = 0.05


class Cycle(NamedTuple):
    """One cycle, as planned."""

    number: int
    at_seconds: float


def plan_cycles(seconds: float) -> list[Cycle]:
    """The cycles of a run of that length."""
    count = int(max(0.0, seconds - FIRST_SECONDS) / CYCLE_SECONDS)
    return [Cycle(number, FIRST_SECONDS + number * CYCLE_SECONDS) for number in range(count)]


class Switches:
    """Runs the cycles. `rows`, `expected` and `facts` say what must have come of them."""

    def __init__(self, api: Api, doors: dict[str, Door], deliveries: Deliveries, history: History) -> None:
        self.rows: dict[str, tuple[str, bool]] = {}
        """Trigger id → its label, and whether it is a one-shot."""
        self.expected: set[tuple[str, str]] = set()
        """Trigger label and fact id, of every execution that must have been."""
        self.facts: dict[str, Fact] = {}
        self.unfinished: list[str] = []
        self._api = api
        self._doors = doors
        self._deliveries = deliveries
        self._history = history

    async def run(self, cycle: Cycle) -> None:
        """One cycle, from its time on."""
        await asyncio.sleep(max(0.0, cycle.at_seconds - self._history.seconds))
        label = f"switch {cycle.number}"
        self.unfinished.append(label)
        try:
            await asyncio.gather(self._switch(label, f"flip-{cycle.number}"), self._shoot(f"shot {cycle.number}", cycle.number))
        except TouchlineError as error:  # kept by the API client as an unexpected answer
            self._history.say(f"{label} was broken off: {error}")
        else:
            self.unfinished.remove(label)

    async def _switch(self, label: str, event_type: str) -> None:
        trigger_id = await self._create(label, event_type, one_shot=False)
        await self._fire(trigger_id, label, event_type, "created")
        await self._api.switch_trigger(trigger_id, "disable")
        await self._api.switch_trigger(trigger_id, "enable")
        await self._fire(trigger_id, label, event_type, "enabled")
        await self._api.switch_trigger(trigger_id, "disable")
        await self._post(self._round(event_type, "disabled"))

    async def _shoot(self, label: str, number: int) -> None:
        event_type, subject = f"shot-{number}", f"shot-{number}"
        await self._create(label, event_type, one_shot=True)
        shots = [
            self._fact(event_type, subject, sequence, (HTTP, KAFKA)[number % 2], f"{subject}#{sequence}")
            for sequence in range(1, SHOTS + 1)
        ]
        self.expected.add((label, shots[0].id))
        for shot in shots:
            await self._post([shot])

    async def _create(self, label: str, event_type: str, *, one_shot: bool) -> str:
        row = trigger_row(label, f"{SOURCE}:{event_type}", one_shot=one_shot)
        trigger_id = await self._api.create_trigger(row)
        self.rows[trigger_id] = label, one_shot
        return trigger_id

    async def _fire(self, trigger_id: str, label: str, event_type: str, stage: str) -> None:
        """Post a round that must fire, and wait until it has."""
        facts = self._round(event_type, stage)
        self.expected |= {(label, fact.id) for fact in facts}
        await self._post(facts)
        while not all((trigger_id, fact.id) in self._deliveries.effects for fact in facts):
            await asyncio.sleep(POLL_SECONDS)
            self._deliveries.refresh()

    def _round(self, event_type: str, stage: str) -> list[Fact]:
        return [
            self._fact(event_type, f"{event_type}-{number}", 1, (HTTP, KAFKA)[number % 2], f"{event_type} {stage} {number}")
            for number in range(SUBJECTS)
        ]

    def _fact(self, event_type: str, subject: str, sequence: int, door: str, fact_id: str) -> Fact:
        fact = Fact(self._history.seconds, fact_id, SOURCE, event_type, subject, {}, sequence, door)
        self.facts[fact.id] = fact
        return fact

    async def _post(self, facts: list[Fact]) -> None:
        shares = {door: [fact for fact in facts if fact.door == door] for door in self._doors}
        await asyncio.gather(*[self._doors[door].send(share) for door, share in shares.items() if share])
