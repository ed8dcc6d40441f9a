"""What putting a dead letter back takes: the record as it was, in the partition where it belongs, with the ids it had. Pure."""

from typing import NamedTuple

import msgspec

from streams.dead import REDRIVEN_HEADER, DeadLetter, Headers
from streams.errors import InvalidEvent
from streams.event import ORIGIN_HEADER, event_key, find_header, origin_of, read_event
from streams.execution import Dispatch, Execution, Status, decode_dispatch, encode
from streams.settings import Settings
from streams.topics import DISPATCHES, EVENTS, EXECUTIONS, Topic, partition_of


class Restored(NamedTuple):
    """A record to write."""

    topic: Topic
    partition: int
    key: bytes | None
    value: bytes
    headers: Headers


class Redrive(NamedTuple):
    """The record put back, and the change of status that goes before it, where there is an execution to be opened again."""

    reopening: Restored | None
    record: Restored


def prepare_redrive(
    letter: DeadLetter, home: Topic, attempt: int, settings: Settings, spread: frozenset[str], now_ms: int
) -> Redrive:
    """What the `attempt`-th redrive of this letter writes. `spread` are the sources declared `spread: subject`.

    Key, value and headers are the record's own, so that signatures stay valid. A dispatch differs in two fields: its `run` is
    the next, by which its execution is open again, and it has no `slot`, which was freed when the execution failed.
    """
    value, reopening = letter.value or b"", None
    if home is DISPATCHES and (dispatch := _read_dispatch(value)) is not None:
        dispatch = msgspec.structs.replace(dispatch, run=dispatch.run + attempt, slot="")
        value, reopening = encode(dispatch), _reopening(dispatch, settings, now_ms)
    headers = [header for header in letter.headers if header[0] != REDRIVEN_HEADER]
    headers.append((REDRIVEN_HEADER, str(letter.place).encode()))
    # Others than events lie where their key says, as everything that touchline writes.
    partition = letter.partition % settings.partitions if letter.key is None else partition_of(letter.key, settings.partitions)
    if home is EVENTS:
        partition, origin = _event_home(letter, settings, spread)
        headers += origin
    return Redrive(reopening, Restored(home, partition, letter.key, value, headers))


def _event_home(letter: DeadLetter, settings: Settings, spread: frozenset[str]) -> tuple[int, Headers]:
    """An event's partition, and the header that keeps its id, when that follows from where the record lay (streams/reading.py).

    What nobody here can read goes back where it lay; a newer worker that can will forward it.
    """
    try:
        event = read_event(letter.value)
    except InvalidEvent:
        return letter.partition % settings.partitions, []
    partition = partition_of(event_key(event, spread), settings.partitions)
    if event.id or find_header(letter.headers, ORIGIN_HEADER):
        return partition, []
    return partition, [(ORIGIN_HEADER, origin_of(letter.topic, letter.partition, letter.offset))]


def _read_dispatch(value: bytes) -> Dispatch | None:
    """The inject that a record asks for; None for one that nobody can read, and for a cancellation, which opens nothing."""
    try:
        dispatch = decode_dispatch(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if dispatch.cancel else dispatch


def _reopening(dispatch: Dispatch, settings: Settings, now_ms: int) -> Restored:
    inject = dispatch.inject
    pending = Execution(
        execution_id=inject.execution_id,
        trigger_id=inject.trigger_id,
        status=Status.PENDING,
        at_ms=now_ms,
        event_id=str(inject.event.get("id", "")),
        workspace=dispatch.workspace,
        hub_id=dispatch.hub_id,
        agent_id=inject.agent_id,
        agent_instance_id=inject.agent_instance_id,
        accepted_at_ms=dispatch.accepted_at_ms,
        lineage=inject.lineage,
        run=dispatch.run,
    )
    key = pending.trigger_id.encode()
    return Restored(EXECUTIONS, partition_of(key, settings.partitions), key, encode(pending), [])
