"""One partition of the gate's three tables, while a batch of it is judged."""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from streams.engine.batch import Batch, Record
from streams.engine.table import StateTable
from streams.engine.work import Work
from streams.gating.state import Gate, Seen, Waiting
from streams.trigger import Trigger

NEW = Gate(offset=-1)


class Tables(NamedTuple):
    """In the order in which a batch's changes are written: what a later one holds rests on the earlier ones'."""

    waiting: StateTable[Waiting]
    seen: StateTable[Seen]
    gates: StateTable[Gate]


class Books:
    """Reads and writes states by their keys; all that is written is remembered with the batch."""

    def __init__(self, tables: Tables, work: Work, batch: Batch) -> None:
        self._tables = tables
        self._work = work
        self._waiting = tables.waiting.partition(batch.partition)
        self._seen = tables.seen.partition(batch.partition)
        self._gates = tables.gates.partition(batch.partition)

    def gate(self, slot: str) -> Gate:
        """The state of a key; NEW when there is none."""
        return self._gates.get(slot.encode()) or NEW

    def put_gate(self, slot: str, gate: Gate, record: Record) -> None:
        """This record made it so."""
        key = slot.encode()
        self._gates[key] = changed = replace(gate, offset=record.offset, at_ms=record.timestamp)
        self._work.remember(self._tables.gates, key, changed)

    def put_spent(self, trigger: Trigger, record: Record) -> None:
        """This record spent the trigger's one shot.

        It is written before the other states of the batch: one that was written without it would keep the record, when it
        is read again, from being decided at all.
        """
        key = trigger.id.encode()
        before = self._gates.get(key) or NEW
        spent = replace(before, offset=record.offset, at_ms=record.timestamp, spent_generation=trigger.generation)
        self._gates[key] = spent
        self._work.changed[self._tables.gates] = {key: spent} | self._work.changed.get(self._tables.gates, {}) | {key: spent}

    def seen(self, execution_id: str) -> Seen | None:
        """When this id was decided, if it was."""
        return self._seen.get(execution_id.encode())

    def put_seen(self, execution_id: str, record: Record) -> None:
        """This record decided this id."""
        key = execution_id.encode()
        self._seen[key] = seen = Seen(record.offset, record.timestamp)
        self._work.remember(self._tables.seen, key, seen)

    def waiting(self, place: bytes) -> Waiting | None:
        """What waits there."""
        return self._waiting.get(place)

    def put_waiting(self, place: bytes, waiting: Waiting) -> None:
        """It waits there from now on."""
        self._waiting[place] = waiting
        self._work.remember(self._tables.waiting, place, waiting)

    def remove_waiting(self, place: bytes) -> None:
        """Nothing waits there any more; only what an earlier batch has written so may be removed."""
        if self._waiting.get(place) is not None:
            del self._waiting[place]
            self._work.remember(self._tables.waiting, place, None)


def queued_place(slot: str, number: int) -> bytes:
    """Where the firing of that number waits for a slot."""
    return f"{slot}\x1fq{number:012}".encode()


def gathered_place(slot: str, number: int) -> bytes:
    """Where the firing of that number waits for quiet."""
    return f"{slot}\x1fg{number:012}".encode()


def uncounted(tables: Tables, partition: int) -> Iterator[bytes]:
    """The places whose firing no state counts any more: what a worker that died left behind."""
    gates = tables.gates.partition(partition)
    for page in tables.waiting.partition(partition).pages():
        for place in page:
            slot, _, mark = place.rpartition(b"\x1f")
            gate = gates.get(slot) or NEW
            head = gate.queue_head if mark[:1] == b"q" else gate.gathered_head
            if int(mark[1:]) < head:
                yield place
