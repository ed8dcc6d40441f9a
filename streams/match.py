"""match: finds the triggers an event or a crossing concerns, and writes a firing for each (the second stage)."""

from collections.abc import Sequence
from typing import NamedTuple

from streams.dead import dead_letter_headers, dead_letter_topic
from streams.engine.batch import Batch, Record
from streams.engine.table import StateTable
from streams.engine.work import Work
from streams.event import MANUAL, ORIGIN_HEADER, Event, derived_id, encode_event, origin_of
from streams.execution import KIND_HEADER, QUOTA, Firing, encode
from streams.ledger.account import NOBODY, Account
from streams.ledger.page import Ledger, Page
from streams.lineage import forged, is_genuine
from streams.matching.index import Index
from streams.nesting import NESTING_LIMIT, deep_field
from streams.reading import Reading, identify
from streams.rows import Rows
from streams.settings import Settings
from streams.topics import EVENTS, FIRINGS, HEADER_BYTES, MAX_RECORD_BYTES, partition_of
from streams.workspace import DEFAULT_WORKSPACE, firing_rate

LARGEST_EVENT_BYTES = MAX_RECORD_BYTES - HEADER_BYTES
"""An event that the topic took and that still fits when it is wrapped in a firing, or forwarded."""
GROWTH = 10
"""How many times longer an event may become when it is written anew: 1e15 is 1000000000000000.0 then."""


class Sitting(NamedTuple):
    """One batch while it is judged: the work it makes, its page of the ledger, and whose page that is."""

    batch: Batch
    work: Work
    page: Page
    stage: str


class Match:
    """Judges events and crossings against the index. Also forwards misplaced records and buries unreadable ones."""

    name = "match"

    def __init__(self, settings: Settings, rows: Rows, index: Index, accounts: StateTable[Account]) -> None:
        self._settings = settings
        self._rows = rows
        self._index = index
        self._events = EVENTS.full_name(settings)
        self._firings = FIRINGS.full_name(settings)
        self._signing_key = settings.signing_key.get_secret_value().encode()
        self._ledgers = {stage: Ledger(stage, accounts) for stage in ("match", "match_crossings")}

    def open(self, batch: Batch, work: Work) -> Sitting:
        """See Member (panel.py)."""
        stage = "match" if batch.topic == self._events else "match_crossings"
        return Sitting(batch, work, self._ledgers[stage].open(work, batch), stage)

    def judge(self, sitting: Sitting, reading: Reading) -> None:
        """One firing per event and trigger; the same pair always gives the same execution id."""
        batch, work, page, _ = sitting
        page.turn(reading.records)
        matches, events = self._index.matches, reading.events
        for number in self._index.sift([event for _, event, _ in events]):
            record, event, _ = events[number]
            trigger_ids = matches(event) if event.source != MANUAL else self._asked_for(event)
            if not trigger_ids:
                continue
            workspace = event.workspace or DEFAULT_WORKSPACE
            if (reason := _unfit(record.value or b"", event, self._signing_key)) is not None:
                self._bury(sitting, record, reason)
                page.count(record, workspace, "dead")
            else:
                identify(batch, record, event)
                for trigger_id in trigger_ids:
                    self._fire(work, trigger_id, event, workspace)
                page.count(record, workspace, "fired")
                page.note(record, workspace, "firings", len(trigger_ids))
        page.count_rest(events, "filtered")
        self._redirect(sitting, reading)

    def close(self, sitting: Sitting) -> None:
        """See Member."""
        sitting.page.close()

    def _asked_for(self, event: Event) -> Sequence[str]:
        return (event.type,) if event.type in self._rows.triggers else ()

    def _fire(self, work: Work, trigger_id: str, event: Event, workspace: str) -> None:
        """To the trigger's key; where a workspace has a quota, to the workspace's first, to be counted there (gate.py)."""
        value = encode(Firing(derived_id("execution", trigger_id, event.id), trigger_id, event))
        has_quota = firing_rate(self._rows.workspaces.get(workspace)) is not None
        key, headers = (workspace.encode(), [(KIND_HEADER, QUOTA)]) if has_quota else (trigger_id.encode(), [])
        work.outputs.add(self._firings, partition_of(key, self._settings.partitions), key, value, headers)

    def _redirect(self, sitting: Sitting, reading: Reading) -> None:
        batch, work, page, _ = sitting
        for record, key, partition in reading.misplaced:
            if len(record.value or b"") > LARGEST_EVENT_BYTES:
                self._bury(sitting, record, f"is misplaced, and larger than the {LARGEST_EVENT_BYTES} bytes forwarded")
                page.count(record, NOBODY, "dead")
                continue
            headers = [*record.headers, (ORIGIN_HEADER, origin_of(batch.topic, batch.partition, record.offset))]
            work.outputs.add(self._events, partition, key, record.value, headers)
            page.count(record, NOBODY, "forwarded")
        for record, error in reading.unreadable:
            self._bury(sitting, record, error)
            page.count(record, NOBODY, "dead")

    def _bury(self, sitting: Sitting, record: Record, error: str) -> None:
        batch, work, _, stage = sitting
        headers = dead_letter_headers(record.headers, batch.topic, batch.partition, record.offset, stage, error)
        work.outputs.add(dead_letter_topic(self._settings), batch.partition, record.key, record.value, headers)


def _unfit(value: bytes, event: Event, signing_key: bytes) -> str | None:
    """Why nobody can be told of an event that came straight from Kafka: a firing with it would not be readable, or it lies."""
    if deep_field(value) is not None:
        return f"is nested deeper than {NESTING_LIMIT} levels"
    if len(value) > LARGEST_EVENT_BYTES // GROWTH and len(encode_event(event)) > LARGEST_EVENT_BYTES:
        return f"is larger than the {LARGEST_EVENT_BYTES} bytes that agents are told of"
    workspace = event.workspace or DEFAULT_WORKSPACE
    if event.lineage is not None and not is_genuine(event.lineage, workspace, signing_key):
        return f"lineage: {forged(workspace)}"
    return None
