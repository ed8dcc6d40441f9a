"""Finding dead letters on their topic, which has no index: backwards from its end, within the time of one search.

A letter's resolutions lie behind it in its own partition, so whoever reads backwards knows them all when the letter comes. For
the same reason every page is read from the end, and its cursor, an offset of each partition, only says what to leave out.
"""

import base64
import binascii
from collections import defaultdict
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, NamedTuple

import msgspec

from ingest.authentication import Caller
from ingest.dead_wanted import Found, Known, Wanted, concern_for
from ingest.record_search import RecordSearch, Spans
from streams.dead import Concern, DeadLetter, Place, read_letter
from streams.errors import InvalidInput
from streams.resolution import History, Resolution, Standing, read_history, read_resolution
from streams.settings import Settings
from streams.topics import DEAD

FIRST_CHUNK_RECORDS = 200
"""A partition's records of the first chunk, then twice as many each time: a page is often among them, and letters are large."""
CHUNK_RECORDS = 50_000
"""Records read, of all partitions, before what of them is not wanted is forgotten: a few tens of megabytes."""
REASON_LENGTH = 500
"""What a list shows of a reason, which may quote the record that it is about."""


class Page(NamedTuple):
    """Newest first; `complete` tells whether the search had the time to look at all that was asked for."""

    found: list[Found]
    next_cursor: str | None
    complete: bool


class DeadSearch:
    """Searches once, for the letters that `caller` sees, that are `wanted` and that stand so (None: anyhow)."""

    def __init__(
        self,
        settings: Settings,
        search: RecordSearch,
        caller: Caller,
        wanted: Wanted,
        standing: Standing | None,
        now_ms: int,
    ) -> None:
        self._settings = settings
        self._search = search
        self._caller = caller
        self._wanted = wanted
        self._standing = standing
        self._now_ms = now_ms
        self._resolutions: dict[Place, list[Resolution]] = defaultdict(list)
        self._chunk: dict[int, list[tuple[DeadLetter, Concern]]] = defaultdict(list)
        self._bounds: dict[int, int] = {}
        """Of each partition, the offset from which on letters are left out."""
        self._reached_ms: dict[int, float] = defaultdict(lambda: inf)
        self._order_ms: dict[int, float] = defaultdict(lambda: inf)

    async def page(self, limit: int, cursor: str | None) -> Page:
        """The newest letters from the cursor on. Raises InvalidInput for a cursor no page has given, and Unavailable."""
        spans = await self._spans()
        self._bounds |= {number: bound for number, bound in _read_cursor(cursor).items() if bound < self._bounds.get(number, 0)}
        gathered: dict[int, list[tuple[float, Found]]] = defaultdict(list)

        def take(order_ms: float, found: Found) -> None:
            mine = gathered[found.letter.place.partition]
            if len(mine) <= limit:
                mine.append((order_ms, found))

        def newest(oldest_ms: float) -> list[Found]:
            certain = [one for mine in gathered.values() for one in mine if one[0] >= oldest_ms]
            certain.sort(key=lambda one: (-one[0], one[1].letter.place.partition, -one[1].letter.place.offset))
            return [found for _, found in certain]

        complete = await self._read_backwards(spans, take, lambda oldest_ms: len(newest(oldest_ms)) > limit)
        found = newest(-inf)
        if len(found) <= limit:
            return Page(found, None, complete)
        for one in found[:limit]:
            self._bounds[one.letter.place.partition] = one.letter.place.offset
        return Page(found[:limit], _write_cursor(self._bounds), complete)

    async def oldest(self, admits: Callable[[DeadLetter], bool]) -> tuple[Known, bool]:
        """All letters that `admits` takes, oldest first, and whether those are all. Raises Unavailable."""
        gathered: list[tuple[float, Place, History]] = []

        def take(order_ms: float, found: Found) -> None:
            if admits(found.letter):
                gathered.append((order_ms, found.letter.place, found.history))

        complete = await self._read_backwards(await self._spans(), take, lambda _: False)
        return Known({place: history for _, place, history in sorted(gathered)}, self._bounds), complete

    async def _spans(self) -> Spans:
        places = [(DEAD, number) for number in range(self._settings.partitions)]
        spans = await self._search.spans(places, self._wanted.since_ms)
        self._bounds = {partition.partition: end for partition, (_, end) in spans.items()}
        return spans

    async def _read_backwards(
        self, spans: Spans, take: Callable[[float, Found], None], is_enough: Callable[[float], bool]
    ) -> bool:
        """Read all partitions side by side until it is enough; whether there was time for it.

        `take` is given what was found, and by what time to order it; `is_enough` the time from which on all has been read.
        """
        left = {partition: span for partition, span in spans.items() if span[0] < span[1]}
        size = FIRST_CHUNK_RECORDS
        while left:
            size = min(size, max(CHUNK_RECORDS // len(spans), 1))
            chunks = {partition: (max(begin, end - size), end) for partition, (begin, end) in left.items()}
            if not (await self._search.first(chunks, self._look)).complete:
                return False  # where the letters of this chunk stand, nobody knows
            self._settle(take)
            left = {partition: (begin, chunks[partition][0]) for partition, (begin, _) in left.items()}
            left = {partition: span for partition, span in left.items() if span[0] < span[1]}
            if left and is_enough(max(self._reached_ms[partition.partition] for partition in left)):
                break
            size *= 2
        return True

    def _look(self, record: Any) -> None:
        number = record.partition
        self._reached_ms[number] = min(self._reached_ms[number], record.timestamp)
        letter = read_letter(record)
        if letter is None:
            if (resolution := read_resolution(record)) is not None:
                self._resolutions[resolution.letter].append(resolution)
        elif record.offset < self._bounds[number] and self._wanted.admits(letter):
            concern = concern_for(self._caller, letter, self._settings)
            if concern is not None and self._wanted.concerns(concern):
                shortened = letter._replace(value=None, headers=[], reason=letter.reason[:REASON_LENGTH])
                self._chunk[number].append((shortened, concern))

    def _settle(self, take: Callable[[float, Found], None]) -> None:
        """All behind the chunk has been read, so that it is known where its letters stand."""
        for number, letters in self._chunk.items():
            for letter, concern in reversed(letters):
                history = read_history(self._resolutions.pop(letter.place, ()))
                if self._standing in (None, history.standing(self._now_ms)):
                    # Clocks differ, and the order within a partition is its own: none counts as later than one behind it.
                    self._order_ms[number] = min(letter.at_ms, self._order_ms[number])
                    take(self._order_ms[number], Found(letter, concern, history))
            letters.clear()


def _write_cursor(bounds: Mapping[int, int]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([bounds[number] for number in sorted(bounds)])).decode()


def _read_cursor(cursor: str | None) -> dict[int, int]:
    """The offset of each partition below which letters are asked for. Raises InvalidInput."""
    if cursor is None:
        return {}
    try:
        return dict(enumerate(msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=list[int])))
    except (msgspec.DecodeError, UnicodeError, binascii.Error, ValueError) as error:
        raise InvalidInput("cursor", "must be the next_cursor of an earlier page") from error
