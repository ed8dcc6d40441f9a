"""release: an execution's end, or sign of life, frees or keeps its slot; a hub hears of what was cancelled (after dispatch).

The gate has one order for all that concerns a trigger, the topic `firings`. So what `executions` tell comes to it there, under
the same key and therefore in the same partition. Said twice, it changes nothing.
"""

from typing import NamedTuple

import msgspec

from streams.engine.batch import Batch
from streams.engine.work import Work
from streams.execution import FINAL, KIND_HEADER, TOLD, Execution, Status, Told, decode_execution, encode
from streams.preparation import prepare_cancel
from streams.settings import Settings
from streams.topics import DISPATCHES, FIRINGS, partition_of


class Slot(NamedTuple):
    """An execution that holds, or waits for, a slot of the gate."""

    slot: str
    execution_id: str


class Release:
    """Judges batches of executions. What cannot be read, the projection into Postgres buries."""

    def __init__(self, settings: Settings) -> None:
        self._partitions = settings.partitions
        self._firings = FIRINGS.full_name(settings)
        self._dispatches = DISPATCHES.full_name(settings)

    def judge(self, batch: Batch) -> Work:
        """The last word of each execution, in the order of the batch."""
        work = Work()
        told: dict[Slot, Execution] = {}
        for record in batch:
            try:
                execution = decode_execution(record.value or b"")
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            if execution.slot:
                self._note(told, execution)
            elif execution.status is Status.CANCELLED:
                self._cancel(work, execution)
        for execution in told.values():
            said = Told(execution.trigger_id, execution.slot, execution.execution_id, execution.status)
            key = execution.trigger_id.encode()
            work.outputs.add(self._firings, batch.partition, key, encode(said), [(KIND_HEADER, TOLD)])
        work.counts["release.read"] += batch.records
        work.counts["release.told"] += len(told)
        return work

    @staticmethod
    def _note(told: dict[Slot, Execution], execution: Execution) -> None:
        slot = Slot(execution.slot, execution.execution_id)
        if execution.status is Status.RUNNING or execution.status in FINAL:
            before = told.pop(slot, None)
            told[slot] = before if before is not None and before.status in FINAL else execution  # the first end holds

    def _cancel(self, work: Work, execution: Execution) -> None:
        """Nobody at the gate knows of it: the hub is told straight away."""
        place = f"{execution.hub_id}/{execution.agent_instance_id}"
        reason = execution.error or "it was cancelled"
        cancel = prepare_cancel(execution.execution_id, execution.trigger_id, place, reason)
        key = place.encode()
        work.outputs.add(self._dispatches, partition_of(key, self._partitions), key, encode(cancel))
