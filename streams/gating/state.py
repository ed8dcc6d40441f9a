"""What the gate remembers."""

import msgspec

from streams.state import State

Buckets = list[tuple[int, int]]
"""How many passed in each stretch of time (rate.py): its number, and the count; ascending."""


class Slot(msgspec.Struct, array_like=True):
    """One active execution: where its dispatch went (`hub_id/agent_instance_id`), and when it times out (Unix milliseconds)."""

    place: str
    deadline_ms: int = 0
    """0: not yet, or never."""


class Gate(State, omit_defaults=True, kw_only=True):
    """One key's state; never changed in place. `at_ms` is the timestamp of the record that changed it last.

    Firings wait under numbers: those from `queue_head` up to `queue_tail` for a slot, those from `gathered_head` up to
    `gathered_tail` for quiet, until `gathered_due_ms`. `matches` are the event times counted, ascending, and
    `newest_match_ms` the largest ever. `spent_generation` stands in the state of a one-shot trigger's own key.
    """

    at_ms: int = 0
    spent_generation: int = 0
    active: dict[str, Slot] = msgspec.field(default_factory=dict)
    queue_head: int = 0
    queue_tail: int = 0
    gathered_head: int = 0
    gathered_tail: int = 0
    gathered_bytes: int = 0
    gathered_due_ms: int = 0
    matches: list[int] = msgspec.field(default_factory=list)
    newest_match_ms: int = 0
    passed: Buckets = msgspec.field(default_factory=list)

    @property
    def waits(self) -> bool:
        """Whether anything depends on it that is not over."""
        return bool(self.active) or self.queue_head < self.queue_tail or self.gathered_head < self.gathered_tail

    @property
    def due_ms(self) -> int | None:
        """The next time that means something to it; None when there is none."""
        times = [slot.deadline_ms for slot in self.active.values() if slot.deadline_ms]
        if self.gathered_head < self.gathered_tail:
            times.append(self.gathered_due_ms)
        return min(times, default=None)


class Waiting(State, omit_defaults=True):
    """A firing that waits, as the JSON it came as, and the events that were coalesced into it."""

    execution_id: str
    firing: msgspec.Raw
    events: list[msgspec.Raw] = msgspec.field(default_factory=list)
    cancelled: bool = False


class Seen(State, omit_defaults=True):
    """An execution id that was decided, and when (the record's timestamp, Unix milliseconds)."""

    at_ms: int = 0
