"""gate: decides whether a match fires, and turns what does into a dispatch and a pending execution (the third stage).

The rules are in streams/gating. Everything that concerns a trigger comes in one order, on one topic.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from streams.crossings.event_time import event_time_ms
from streams.engine.batch import Batch, Record
from streams.engine.work import Work
from streams.engine.writer import Outputs
from streams.errors import InvalidTrigger
from streams.event import Event, find_header
from streams.execution import FINAL, KIND_HEADER, QUOTA, TOLD, Firing, Status, Told, decode_firing, decode_told, encode
from streams.gating.books import Books, Tables
from streams.gating.care import HOUR_MS, Care
from streams.gating.case import Case, Sitting, slot_of, workspace_of
from streams.gating.decision import Arrival, Decision, admit, decide, hear_of
from streams.gating.effects import Effects
from streams.gating.rate import passed_after
from streams.gating.state import Gate as State
from streams.gating.verdict import Verdict, judge_row, may_fire, refusal
from streams.gating.waiting import advance, end, end_overdue, put_gathered, put_queued, take_gathered
from streams.language.policy import PLAIN, Policy, parse_policy
from streams.ledger.page import Ledger
from streams.preparation import lineage_of, place_of
from streams.rows import Rows
from streams.settings import Settings
from streams.topics import FIRINGS
from streams.trigger import Trigger
from streams.workspace import DEFAULT_WORKSPACE, firing_rate


class Gate:
    """Judges batches of firings, and of what is told of executions and of time."""

    def __init__(self, settings: Settings, rows: Rows, tables: Tables, ledger: Ledger) -> None:
        self._settings = settings
        self._rows = rows
        self._tables = tables
        self._ledger = ledger
        self._effects = Effects(settings)
        self._firings = FIRINGS.full_name(settings)
        self._seen_ms = int(settings.seen_hours * HOUR_MS)
        self._cares: dict[int, Care] = {}

    def settle(self, partitions: Iterable[int]) -> None:
        """These partitions are this process's now, and their tables are restored."""
        self._cares = {partition: Care(self._tables, partition) for partition in partitions}

    def due(self, now_ms: int) -> Outputs:
        """The times that have come, as records for the partitions of their keys."""
        outputs = Outputs()
        for partition, care in self._cares.items():
            for slot in care.take_due(now_ms):
                trigger_id = slot.split("\x1f", 1)[0]
                told = encode(Told(trigger_id, slot))
                outputs.add(self._firings, partition, trigger_id.encode(), told, [(KIND_HEADER, TOLD)])
        return outputs

    def judge(self, batch: Batch) -> Work:
        """One verdict per firing."""
        work = Work()
        care = self._cares.get(batch.partition)
        if care is None:
            care = self._cares[batch.partition] = Care(self._tables, batch.partition)
        page = self._ledger.open(work, batch)
        sitting = Sitting(batch, work, Books(self._tables, work, batch), care, page)
        care.tidy(sitting.books, work, batch, self._rows, self._seen_ms)
        for records in batch.portions():
            page.turn(records)
            for record in records:
                self._take(sitting, record)
        page.close()
        return work

    def _take(self, sitting: Sitting, record: Record) -> None:
        kind = find_header(record.headers, KIND_HEADER) if record.headers else None
        try:
            if kind == TOLD:
                self._hear(sitting, record, decode_told(record.value or b""))
                sitting.page.count(record, "", "told")
                return
            firing = decode_firing(record.value or b"")
        except msgspec.DecodeError as error:
            sitting.page.count(record, "", self._bury(sitting, record, f"not a firing: {error}"))
            return
        trigger = self._rows.triggers.get(firing.trigger_id)
        if kind == QUOTA:
            verdict = self._count_against_quota(sitting, record, firing)
        else:
            verdict = self._judge_firing(sitting, record, firing, trigger)
        sitting.page.count(record, workspace_of(trigger, firing), verdict)

    def _judge_firing(self, sitting: Sitting, record: Record, firing: Firing, trigger: Trigger | None) -> Verdict:
        books = sitting.books
        seen = books.seen(firing.execution_id)
        verdict = judge_row(trigger, self._spent(books, trigger), seen, record.offset)
        if verdict is not None or trigger is None:
            return verdict or Verdict.GONE
        try:
            policy = parse_policy(trigger)
        except InvalidTrigger as error:
            return self._bury(sitting, record, f"the trigger is invalid: {error}")
        if policy.is_plain and seen is not None and not trigger.one_shot:
            return Verdict.REPEATED  # by this very record, which is read again: its outputs are out
        verdict = self._decide(Case(sitting, record, trigger, policy, firing, slot_of(policy, firing)))
        if verdict is not Verdict.DEAD:  # a dead one may be redriven
            books.put_seen(firing.execution_id, record)
        return verdict

    def _decide(self, case: Case) -> Verdict:
        reason = self._refusal(case)
        if reason is not None:
            self._effects.tell(case, Status.REFUSED, reason)
            return Verdict.REFUSED
        if case.policy.is_plain:
            return self._fire(case) if may_fire(case.trigger, case.firing.execution_id) else Verdict.DISABLED
        gate = case.sitting.books.gate(case.slot)
        if gate.offset >= case.record.offset:
            return Verdict.REPEATED  # it was decided, and perhaps something after it
        return self._carry_out(case, decide(gate, case.policy, self._arrival(case)))

    def _carry_out(self, case: Case, decision: Decision) -> Verdict:
        gate, verdict = decision.gate, decision.verdict
        match verdict:
            case Verdict.FIRED | Verdict.QUEUED if not may_fire(case.trigger, case.firing.execution_id):
                return Verdict.DISABLED
            case Verdict.FIRED:
                if self._fire(case) is Verdict.DEAD:
                    return Verdict.DEAD  # as if it had not come: redriven, it is decided anew
            case Verdict.QUEUED:
                put_queued(case, gate)
                self._effects.tell(case, Status.QUEUED)
                self._spend(case)
            case Verdict.COALESCED:
                put_gathered(case, gate)
            case Verdict.SKIPPED:
                self._effects.tell(case, Status.SKIPPED, decision.reason)
            case Verdict.REFUSED:
                self._effects.tell(case, Status.REFUSED, decision.reason)
        case.sitting.keep(case.record, case.slot, gate)
        return verdict

    def _hear(self, sitting: Sitting, record: Record, told: Told) -> None:
        """An execution's change of status, or a time that has come."""
        gate = sitting.books.gate(told.slot)
        if gate.offset >= record.offset:
            return
        trigger = self._rows.triggers.get(told.trigger_id)
        policy = _policy_of(trigger)
        if told.status is None:
            gate = end_overdue(sitting, record, told, gate, self._effects)
            if gate.gathered_head < gate.gathered_tail and gate.gathered_due_ms <= record.timestamp:
                gate = self._close(sitting, record, told, gate, trigger)
        elif told.status in FINAL:
            gate = end(sitting, told, gate, self._effects)
        else:
            gate = hear_of(gate, policy, told.execution_id, record.timestamp)
        gate = advance(sitting, record, told, gate, trigger, policy, self._effects)
        sitting.keep(record, told.slot, gate)

    def _close(self, sitting: Sitting, record: Record, told: Told, gate: State, trigger: Trigger | None) -> State:
        """It has been quiet for long enough: all that was gathered becomes one firing, the last."""
        gate, firings = take_gathered(sitting, told, gate)
        if not firings or trigger is None:
            return gate
        verdict = judge_row(trigger, self._spent(sitting.books, trigger), None, record.offset)
        if verdict is not None:
            return gate
        events: Sequence[Event] = [firing.event for firing in firings]
        case = Case(sitting, record, trigger, _policy_of(trigger), firings[-1], told.slot, events)
        verdict = self._carry_out(case, admit(gate, case.policy, self._arrival(case)))
        if verdict in (Verdict.DEAD, Verdict.DISABLED):
            return gate  # what was gathered is taken out, and nothing was kept of it
        sitting.page.note(record, trigger.workspace, "released" if verdict is Verdict.FIRED else verdict)
        return sitting.books.gate(told.slot)

    def _count_against_quota(self, sitting: Sitting, record: Record, firing: Firing) -> Verdict:
        """Under its workspace's key: one more of all that fires there, or one too many."""
        workspace = firing.event.workspace or DEFAULT_WORKSPACE
        slot, noted = f"\x1fquota\x1f{workspace}", f"\x1fquota\x1f{firing.execution_id}"
        gate, seen = sitting.books.gate(slot), sitting.books.seen(noted)
        if gate.offset >= record.offset or (seen is not None and seen.offset < record.offset):
            return Verdict.REPEATED
        sitting.books.put_seen(noted, record)
        rate = firing_rate(self._rows.workspaces.get(workspace))
        if rate is not None:
            passed = passed_after(gate.passed, rate, record.timestamp)
            if passed is None:
                reason = f"workspace {workspace} has fired {rate.limit} times within {rate.window_ms} ms: its max_firings"
                self._effects.turn_away(sitting, firing, workspace, Status.REFUSED, reason, record.timestamp)
                return Verdict.REFUSED
            sitting.books.put_gate(slot, replace(gate, passed=passed), record)
        self._effects.pass_on(sitting, record, firing)
        return Verdict.PASSED

    def _fire(self, case: Case) -> Verdict:
        if not self._effects.fire(case):
            return Verdict.DEAD
        self._spend(case)
        return Verdict.FIRED

    def _spend(self, case: Case) -> None:
        if case.trigger.one_shot:
            case.sitting.books.put_spent(case.trigger, case.record)

    @staticmethod
    def _spent(books: Books, trigger: Trigger | None) -> State | None:
        return books.gate(trigger.id) if trigger is not None and trigger.one_shot else None

    def _refusal(self, case: Case) -> str | None:
        trigger = case.trigger
        lineage = lineage_of(trigger, case.firing)
        workspace = self._rows.workspaces.get(trigger.workspace)
        return refusal(trigger, lineage, workspace, self._settings.workspace_max_depth)

    def _arrival(self, case: Case) -> Arrival:
        firing, record = case.firing, case.record
        workspace = self._rows.workspaces.get(case.trigger.workspace)
        limit = workspace.max_queue if workspace is not None else None
        return Arrival(
            execution_id=firing.execution_id,
            event_ms=event_time_ms(firing.event, record.timestamp),
            now_ms=record.timestamp,
            size_bytes=len(record.value or b""),
            place=place_of(case.trigger, firing),
            queue_limit=self._settings.workspace_max_queue if limit is None else limit,
        )

    def _bury(self, sitting: Sitting, record: Record, reason: str) -> Verdict:
        self._effects.bury(sitting, record, reason)
        return Verdict.DEAD


def _policy_of(trigger: Trigger | None) -> Policy:
    """A row that is gone, or that SQL made invalid meanwhile, asks for nothing any more."""
    try:
        return parse_policy(trigger) if trigger is not None else PLAIN
    except InvalidTrigger:
        return PLAIN
