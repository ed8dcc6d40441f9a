"""A firing that is being decided, and the batch it lies in."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from streams.engine.batch import Batch, Record
from streams.engine.work import Work
from streams.event import Event, derived_id
from streams.execution import Firing
from streams.gating.books import Books
from streams.gating.care import Care
from streams.gating.state import Gate
from streams.language.policy import Policy
from streams.ledger.page import Page
from streams.trigger import Trigger
from streams.workspace import DEFAULT_WORKSPACE

LONGEST_VALUE = 256
"""Characters of a `per` value that stand in a key as they are; a longer one is told by an id that follows from it."""


class Sitting(NamedTuple):
    """One batch while it is judged: its work, its partition's states, what is kept for it, and its page of the ledger."""

    batch: Batch
    work: Work
    books: Books
    care: Care
    page: Page

    def keep(self, record: Record, slot: str, gate: Gate) -> None:
        """This record made that state; its next time is waited for."""
        self.books.put_gate(slot, gate, record)
        self.care.expect(slot, gate)


class Case(NamedTuple):
    """One firing: the record at hand, its trigger with its policy, the key of its state, and the events coalesced into it."""

    sitting: Sitting
    record: Record
    trigger: Trigger
    policy: Policy
    firing: Firing
    slot: str
    events: Sequence[Event] = ()


def workspace_of(trigger: Trigger | None, firing: Firing) -> str:
    """Where a firing is accounted: its trigger's workspace, or its event's when the trigger is gone."""
    return trigger.workspace if trigger is not None else firing.event.workspace or DEFAULT_WORKSPACE


def slot_of(policy: Policy, firing: Firing) -> str:
    """The key of the state that decides: the trigger's, or that of a value of its `per`.

    Where nothing is shared between executions but each has its time, the execution's own: a state stays small so.
    """
    if policy.slots is None and policy.rate is None and policy.threshold is None and policy.debounce_ms is None:
        return f"{firing.trigger_id}\x1f\x1f{firing.execution_id}"
    return f"{firing.trigger_id}\x1f{_value_of(policy.per, firing.event.payload)}"


def _value_of(path: tuple[str, ...], payload: object) -> str:
    """What the payload has there, as the text of a key: values of different types differ, and so does having none."""
    if not path:
        return ""
    for name in path:
        if not isinstance(payload, dict) or name not in payload:
            return "?"
        payload = payload[name]
    text = msgspec.json.encode(payload).decode()
    return text if len(text) <= LONGEST_VALUE else derived_id("per", text)
