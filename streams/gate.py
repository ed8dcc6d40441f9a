"""gate: lets a firing through once, and turns it into a dispatch and a pending execution (the third stage)."""

from itertools import islice, takewhile

import msgspec

from streams.admission import Gate as GateState
from streams.admission import Seen, Verdict, judge_firing, prepare_dispatch
from streams.dead import dead_letter_headers, dead_letter_topic
from streams.engine.batch import Batch, Record
from streams.engine.stage import Work
from streams.engine.table import StateTable
from streams.execution import Dispatch, Execution, Firing, Status, decode_firing, encode
from streams.rows import Rows
from streams.settings import Settings
from streams.topics import DISPATCHES, EXECUTIONS, partition_of
from streams.trigger import Trigger

HOUR_MS = 60 * 60 * 1000
FORGOTTEN_AT_ONCE = 10_000
"""Execution ids that one batch forgets at most: after a quiet day all of the day before are due, and nobody waits for that."""


class Gate:
    """Judges batches of firings. Two tables: what each trigger has spent, and which executions went through."""

    def __init__(self, settings: Settings, rows: Rows, gates: StateTable[GateState], seen: StateTable[Seen]) -> None:
        self._settings = settings
        self._rows = rows
        self._gates = gates
        self._seen = seen
        self._dispatches = DISPATCHES.full_name(settings)
        self._executions = EXECUTIONS.full_name(settings)
        self._seen_ms = int(settings.seen_hours * HOUR_MS)

    def judge(self, batch: Batch) -> Work:
        """One verdict per firing."""
        work = Work()
        for record in batch.records:
            try:
                firing = decode_firing(record.value or b"")
            except msgspec.DecodeError as error:
                headers = dead_letter_headers(
                    record.headers, batch.topic, batch.partition, record.offset, "gate", f"not a firing: {error}"
                )
                work.outputs.add(dead_letter_topic(self._settings), batch.partition, record.key, record.value, headers)
                work.counts["gate.dead"] += 1
                continue
            work.counts[f"gate.{self._admit(work, batch.partition, record, firing)}"] += 1
        work.counts["gate.read"] += len(batch.records)
        self._forget(work, batch)
        return work

    def _admit(self, work: Work, partition: int, record: Record, firing: Firing) -> Verdict:
        seen, gates = self._seen.partition(partition), self._gates.partition(partition)
        execution_key, trigger_key = firing.execution_id.encode(), firing.trigger_id.encode()
        trigger = self._rows.triggers.get(firing.trigger_id)
        verdict = judge_firing(trigger, gates.get(trigger_key), seen.get(execution_key))
        if verdict is not Verdict.FIRED or trigger is None:
            return verdict
        if trigger.one_shot:
            gates[trigger_key] = GateState(offset=record.offset, spent_generation=trigger.generation)
            work.remember(self._gates, trigger_key, gates[trigger_key])
        seen[execution_key] = Seen(offset=record.offset, at_ms=record.timestamp)
        work.remember(self._seen, execution_key, seen[execution_key])
        dispatch = prepare_dispatch(trigger, firing, self._settings.public_url)
        self._write(work, partition, trigger, firing, dispatch)
        return verdict

    def _write(self, work: Work, partition: int, trigger: Trigger, firing: Firing, dispatch: Dispatch) -> None:
        pending = Execution(
            execution_id=firing.execution_id,
            trigger_id=trigger.id,
            status=Status.PENDING,
            at_ms=firing.event.accepted_at_ms,
            event_id=firing.event.id,
            workspace=trigger.workspace,
            hub_id=trigger.hub_id,
            agent_instance_id=dispatch.inject.agent_instance_id,
            accepted_at_ms=firing.event.accepted_at_ms,
            input=firing.event.payload,
            lineage=dispatch.inject.lineage,
            one_shot_generation=trigger.generation if trigger.one_shot else 0,
        )
        work.outputs.add(self._executions, partition, trigger.id.encode(), encode(pending))
        key = f"{dispatch.hub_id}/{dispatch.inject.agent_instance_id}".encode()
        work.outputs.add(self._dispatches, partition_of(key, self._settings.partitions), key, encode(dispatch))

    def _forget(self, work: Work, batch: Batch) -> None:
        # All in one look: to ask a dictionary for its first key again and again passes over all that was deleted before.
        seen = self._seen.partition(batch.partition)
        horizon_ms = batch.records[-1].timestamp - self._seen_ms
        expired = takewhile(lambda key: seen[key].at_ms < horizon_ms, seen)
        for oldest in list(islice(expired, FORGOTTEN_AT_ONCE)):
            del seen[oldest]
            work.remember(self._seen, oldest, None)
