"""What a batch of `events` says, and where each event belongs."""

import random
from collections.abc import Sequence
from typing import cast

import msgspec
import pytest
from faust.types import TP

from streams import reading
from streams.engine.batch import Batch
from streams.reading import Reader
from streams.rows import Rows
from streams.topics import EVENTS
from tests.unit.streams.detecting import HOME, SETTINGS, Record, SpreadSources

Told = tuple[int, bytes | str]
"""A record's offset, and the key of its event, or why there is none."""


class OneSpread(SpreadSources):
    """Rows of a source whose subjects lie apart."""

    spread_sources = frozenset({"games"})


def told(reader: Reader, records: Sequence[Record]) -> list[Told]:
    """What the reader makes of these records, by offset."""
    batch = Batch(TP(EVENTS.full_name(SETTINGS), HOME), [records], 0, records[0].offset, records[-1].offset)
    found: list[Told] = []
    for portion in reader.portions(batch):
        found += [(record.offset, key) for record, _, key in portion.events]
        found += [(record.offset, key + b" elsewhere") for record, key, _ in portion.misplaced]
        found += [(record.offset, error) for record, error in portion.unreadable]
    return sorted(found, key=lambda one: one[0])


@pytest.mark.parametrize("places", [reading.PLACES, 5])
def test_what_is_remembered_of_names_changes_nothing(monkeypatch: pytest.MonkeyPatch, places: int) -> None:
    """An event's key and place are the same whatever was read before it, also when what is remembered is given up."""
    monkeypatch.setattr(reading, "PLACES", places)
    chance = random.Random(7)
    records = []
    for offset in range(1_000):
        event = {
            "source": chance.choice(["games", "stocks", ""]),
            "type": chance.choice(["goal", "price", ""]),
            "subject": chance.choice([None, "a", "b"]),
            "partitionkey": chance.choice([None, "a", "b"]),
            "specversion": chance.choice(["", "", "1.0", "0.3"]),
        }
        value = msgspec.json.encode(event) if chance.random() < 0.9 else b"rubbish"
        records.append(Record(offset, 0, None, value))
    reader = Reader(SETTINGS, cast("Rows", OneSpread()))
    alone = [told(Reader(SETTINGS, cast("Rows", OneSpread())), [record])[0] for record in records]
    assert told(reader, records) == alone
    keys = {key.removesuffix(b" elsewhere") for _, key in alone if isinstance(key, bytes)}
    assert keys == {b"games", b"games/a", b"games/b", b"stocks", b"a", b"b"}
    assert any(isinstance(error, str) for _, error in alone)
