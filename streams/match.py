"""match: finds the triggers an event or a crossing concerns, and writes a firing for each (the second stage)."""

from collections.abc import Sequence

from streams.dead import dead_letter_headers, dead_letter_topic
from streams.engine.batch import Batch, Record
from streams.engine.stage import Work
from streams.event import ORIGIN_HEADER, Event, derived_id
from streams.execution import Firing, encode
from streams.index import Index
from streams.reading import Reader, Reading, identify, origin_of
from streams.rows import Rows
from streams.settings import Settings
from streams.topics import EVENTS, FIRINGS, partition_of

MANUAL = "manual"


class Match:
    """Judges batches of events and crossings against the index. Also forwards misplaced records and buries unreadable ones."""

    def __init__(self, settings: Settings, reader: Reader, rows: Rows, index: Index) -> None:
        self._settings = settings
        self._reader = reader
        self._rows = rows
        self._index = index
        self._events = EVENTS.full_name(settings)
        self._firings = FIRINGS.full_name(settings)

    def judge(self, batch: Batch) -> Work:
        """One firing per event and trigger; the same pair always gives the same execution id."""
        work = Work()
        reading = self._reader.read(batch)
        matched = 0
        for record, event, _ in reading.events:
            trigger_ids = self._concerned(event)
            if trigger_ids:
                matched += 1
                identify(batch, record, event)
                for trigger_id in trigger_ids:
                    self._fire(work, trigger_id, event)
        stage = "match" if batch.topic == self._events else "match_crossings"
        work.counts[f"{stage}.read"] += len(batch.records)
        work.counts[f"{stage}.matched"] += matched
        work.counts[f"{stage}.unmatched"] += len(reading.events) - matched
        self._redirect(work, batch, reading, stage)
        return work

    def _concerned(self, event: Event) -> Sequence[str]:
        if event.source == MANUAL:
            return (event.type,) if event.type in self._rows.triggers else ()
        return self._index.matches(event)

    def _fire(self, work: Work, trigger_id: str, event: Event) -> None:
        firing = Firing(derived_id("execution", trigger_id, event.id), trigger_id, event)
        key = trigger_id.encode()
        work.outputs.add(self._firings, partition_of(key, self._settings.partitions), key, encode(firing))
        work.counts["match.firing"] += 1

    def _redirect(self, work: Work, batch: Batch, reading: Reading, stage: str) -> None:
        for record, key, partition in reading.misplaced:
            headers = [*record.headers, (ORIGIN_HEADER, origin_of(batch, record))]
            work.outputs.add(self._events, partition, key, record.value, headers)
            work.counts[f"{stage}.forwarded"] += 1
        for record, error in reading.unreadable:
            self._bury(work, batch, record, stage, error)

    def _bury(self, work: Work, batch: Batch, record: Record, stage: str, error: str) -> None:
        headers = dead_letter_headers(record.headers, batch.topic, batch.partition, record.offset, stage, error)
        work.outputs.add(dead_letter_topic(self._settings), batch.partition, record.key, record.value, headers)
        work.counts[f"{stage}.dead"] += 1
