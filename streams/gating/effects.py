"""What a decision leads to: records for `executions`, `dispatches`, `firings` and `dead`."""

from streams.dead import dead_letter_headers, dead_letter_topic
from streams.engine.batch import Record
from streams.engine.writer import Headers
from streams.errors import ShapingFailed
from streams.execution import Dispatch, Execution, Firing, Status, encode
from streams.gating.case import Case, Sitting
from streams.lineage import signed
from streams.preparation import Prepared, lineage_of, place_of, prepare_cancel, prepare_dispatch
from streams.settings import Settings
from streams.topics import DISPATCHES, EXECUTIONS, FIRINGS, partition_of


class Effects:
    """Adds them to the work of a sitting."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._partitions = settings.partitions
        self._firings = FIRINGS.full_name(settings)
        self._dispatches = DISPATCHES.full_name(settings)
        self._executions = EXECUTIONS.full_name(settings)
        self._key = settings.signing_key.get_secret_value().encode()

    def fire(self, case: Case, *, began_ms: int | None = None) -> bool:
        """A dispatch and a pending execution; False when its templates cannot make an input of this event.

        `began_ms`: when a firing that has waited begins. One that cannot be made then is refused, since its execution is
        known; any other goes to `dead`, from where it can be redriven when the row is mended.
        """
        trigger, firing = case.trigger, case.firing
        slot = case.slot if case.policy.holds_slots else ""
        lineage = signed(lineage_of(trigger, firing, case.events), trigger.workspace, self._key)
        try:
            prepared = prepare_dispatch(trigger, firing, lineage, self._settings.public_url, slot=slot, events=case.events)
        except ShapingFailed as error:
            if began_ms is None:
                self._bury_firing(case, str(error))
            else:
                self.turn_away(case.sitting, firing, trigger.workspace, Status.REFUSED, str(error), began_ms)
            return False
        self.tell(case, Status.PENDING, prepared=prepared, at_ms=began_ms)
        self._dispatch(case.sitting, prepared.dispatch)
        return True

    def tell(
        self,
        case: Case,
        status: Status,
        reason: str | None = None,
        *,
        prepared: Prepared | None = None,
        at_ms: int | None = None,
    ) -> None:
        """How this firing's execution stands; at its event's time, when nothing else is said."""
        trigger, firing = case.trigger, case.firing
        execution = _execution(firing, status, at_ms, reason)
        execution.workspace, execution.agent_id = trigger.workspace, trigger.agent_id
        if prepared is None:
            execution.hub_id, _, execution.agent_instance_id = place_of(trigger, firing).partition("/")
            execution.lineage = lineage_of(trigger, firing, case.events)
        else:
            dispatch = prepared.dispatch
            execution.hub_id, execution.agent_instance_id = dispatch.hub_id, dispatch.inject.agent_instance_id
            execution.lineage, execution.input = dispatch.inject.lineage, prepared.input
        if status in (Status.PENDING, Status.QUEUED):
            execution.one_shot_generation = trigger.generation if trigger.one_shot else 0
            execution.slot = case.slot if case.policy.holds_slots else ""
        self._execution(case.sitting, execution)

    def turn_away(self, sitting: Sitting, firing: Firing, workspace: str, status: Status, reason: str, at_ms: int) -> None:
        """A firing that does not fire, of whose trigger no more than the id is known."""
        execution = _execution(firing, status, at_ms, reason)
        execution.workspace = workspace
        self._execution(sitting, execution)

    def time_out(self, sitting: Sitting, trigger_id: str, execution_id: str, reason: str, at_ms: int) -> None:
        """The time of an active execution is over. Where it belongs, its first record has told."""
        self._execution(sitting, Execution(execution_id, trigger_id, Status.TIMED_OUT, at_ms, error=reason))

    def cancel(self, sitting: Sitting, trigger_id: str, execution_id: str, place: str, reason: str) -> None:
        """The hub is told that an execution is over."""
        self._dispatch(sitting, prepare_cancel(execution_id, trigger_id, place, reason))

    def pass_on(self, sitting: Sitting, record: Record, firing: Firing) -> None:
        """A firing goes on to its trigger's own key."""
        key = firing.trigger_id.encode()
        sitting.work.outputs.add(self._firings, partition_of(key, self._partitions), key, record.value)

    def bury(self, sitting: Sitting, record: Record, reason: str) -> None:
        """A record that nobody can read goes to `dead`."""
        self._bury(sitting, record, record.headers, record.key, record.value, reason)

    def _bury_firing(self, case: Case, reason: str) -> None:
        # Not the record at hand: that may be the time at which what was gathered fires.
        firing = case.firing
        self._bury(case.sitting, case.record, (), firing.trigger_id.encode(), encode(firing), reason)

    def _bury(
        self, sitting: Sitting, record: Record, headers: Headers, key: bytes | None, value: bytes | None, reason: str
    ) -> None:
        batch = sitting.batch
        told = dead_letter_headers(headers, batch.topic, batch.partition, record.offset, "gate", reason)
        sitting.work.outputs.add(dead_letter_topic(self._settings), batch.partition, key, value, told)

    def _execution(self, sitting: Sitting, execution: Execution) -> None:
        key = execution.trigger_id.encode()
        sitting.work.outputs.add(self._executions, partition_of(key, self._partitions), key, encode(execution))

    def _dispatch(self, sitting: Sitting, dispatch: Dispatch) -> None:
        key = f"{dispatch.hub_id}/{dispatch.inject.agent_instance_id}".encode()
        sitting.work.outputs.add(self._dispatches, partition_of(key, self._partitions), key, encode(dispatch))


def _execution(firing: Firing, status: Status, at_ms: int | None, reason: str | None) -> Execution:
    event = firing.event
    return Execution(
        execution_id=firing.execution_id,
        trigger_id=firing.trigger_id,
        status=status,
        at_ms=at_ms or event.accepted_at_ms,
        event_id=event.id,
        accepted_at_ms=event.accepted_at_ms,
        input=event.payload,
        error=reason,
    )
