"""Redriving and discarding dead letters: claim, read on, put back, confirm (the protocol is in streams/resolution.py)."""

import time
import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from http import HTTPStatus
from time import monotonic
from typing import Any, NamedTuple

from aiokafka import TopicPartition

from ingest.authentication import Caller
from ingest.dead_wanted import Found, Known, concern_for
from ingest.dead_writer import DeadWriter
from ingest.problems import problem
from ingest.record_search import RecordSearch
from streams.dead import DeadLetter, Place, dead_letter_topic, read_letter
from streams.errors import Unavailable
from streams.redrive import Restored, prepare_redrive
from streams.resolution import CLAIM_SECONDS, UNTOUCHED, History, Outcome, Resolution, Standing, read_history, read_resolution
from streams.settings import Settings
from streams.topics import DEAD

VALUES_BYTES = 64 * 1024 * 1024
"""Values held at once, of which one may have 8 MiB; of what is asked for beyond that, nothing is found."""


class Resolved(NamedTuple):
    """What was done, in the order asked for, and why the rest was not."""

    done: list[Found]
    refused: dict[Place, Exception]


class DeadLetters:
    """Letters by their places, for one call. Every method raises Unavailable."""

    def __init__(self, settings: Settings, search: RecordSearch, caller: Caller) -> None:
        self._settings = settings
        self._search = search
        self._caller = caller
        self._letters: dict[Place, DeadLetter] = {}
        self._histories: dict[Place, History] = {}
        self._resolutions: dict[Place, list[Resolution]] = defaultdict(list)
        self._read_to: dict[int, int] = {}

    async def read(self, places: Collection[Place], known: Known | None = None) -> list[Found]:
        """Those of these letters that the caller sees, in that order. What is `known` of them is not looked for again.

        Each partition is read from the first of them on, to its end, or, when all behind it is known, to the last of them.
        """
        asked = {place for place in places if place.partition < self._settings.partitions}
        offsets: dict[int, list[int]] = defaultdict(list)
        for number, offset in asked:
            offsets[number].append(offset)
        spans = await self._search.spans([(DEAD, number) for number in offsets], None)
        room_bytes = VALUES_BYTES

        def look(record: Any) -> None:
            nonlocal room_bytes
            place = Place(record.partition, record.offset)
            if place in asked and room_bytes > 0 and (letter := read_letter(record)) is not None:
                self._letters[place] = letter
                room_bytes -= len(letter.value or b"")
            self._look(record)

        if known is None:
            self._read_to = {partition.partition: end for partition, (_, end) in spans.items()}
            ends = self._read_to
        else:
            self._histories, self._read_to = known.histories, dict(known.read_to)
            ends = {number: max(mine) + 1 for number, mine in offsets.items()}
        begun = {one: (max(begin, min(offsets[one.partition])), ends[one.partition]) for one, (begin, _) in spans.items()}
        _check_complete((await self._search.first(begun, look)).complete)
        return self._found(place for place in places if place in self._letters)

    async def read_on(self, found: Sequence[Found], read_to: dict[int, int]) -> list[Found]:
        """The same letters with what was told of them since, up to these offsets of their partitions."""
        self._search.begin_anew()
        topic = dead_letter_topic(self._settings)
        spans = {TopicPartition(topic, number): (self._read_to[number], end) for number, end in read_to.items()}
        _check_complete((await self._search.first(spans, self._look)).complete)
        self._read_to |= read_to
        return self._found(one.letter.place for one in found)

    def _look(self, record: Any) -> None:
        if (resolution := read_resolution(record)) is not None:
            self._resolutions[resolution.letter].append(resolution)

    def _found(self, places: Any) -> list[Found]:
        found = []
        for place in places:
            letter = self._letters[place]
            if (concern := concern_for(self._caller, letter, self._settings)) is not None:
                history = read_history(self._resolutions[place], self._histories.get(place, UNTOUCHED))
                found.append(Found(letter, concern, history))
        return found


class Resolving:
    """Redrives or discards. Every method raises Unavailable; what was claimed by then is open again when the claim expires."""

    def __init__(self, settings: Settings, letters: DeadLetters, writer: DeadWriter, spread: frozenset[str]) -> None:
        self._settings = settings
        self._letters = letters
        self._writer = writer
        self._spread = spread

    async def redrive(self, places: Sequence[Place], *, again: bool = False, known: Known | None = None) -> Resolved:
        """Put letters back. `again` also takes those that were redriven or discarded before."""
        open_, refused = await self._open(places, known, again=again, redrive=True)
        begun_seconds = monotonic()
        won = await self._claim(open_, Outcome.REDRIVING, refused)
        if not won:
            return Resolved([], refused)
        now_ms = now()
        redrives = [
            prepare_redrive(one.letter, home, one.history.attempt, self._settings, self._spread, now_ms)
            for one in won
            if (home := one.letter.home(self._settings)) is not None
        ]
        if monotonic() - begun_seconds > CLAIM_SECONDS / 2:
            raise Unavailable("this took too long to be done safely; nothing was put back, try again in a minute")
        await self._writer.write([redrive.reopening for redrive in redrives if redrive.reopening is not None])
        await self._writer.write([redrive.record for redrive in redrives])
        confirmed = [one._replace(history=one.history._replace(outcome=Outcome.REDRIVEN, at_ms=now_ms)) for one in won]
        await self._tell([_resolution(one) for one in confirmed], confirmed)
        return Resolved(confirmed, refused)

    async def discard(self, places: Sequence[Place], known: Known | None = None) -> Resolved:
        """Say of letters that nothing is to be done about them."""
        open_, refused = await self._open(places, known, again=False, redrive=False)
        return Resolved(await self._claim(open_, Outcome.DISCARDED, refused), refused)

    async def _open(
        self, places: Sequence[Place], known: Known | None, *, again: bool, redrive: bool
    ) -> tuple[list[Found], dict[Place, Exception]]:
        open_: list[Found] = []
        refused: dict[Place, Exception] = {}
        found = {one.letter.place: one for one in await self._letters.read(places, known)}
        for place in dict.fromkeys(places):
            one = found.get(place)
            if one is None:
                refused[place] = no_letter(str(place))
            elif redrive and one.letter.home(self._settings) is None:
                refused[place] = _not_redrivable(one.letter)
            else:
                standing = one.history.standing(now())
                if standing is Standing.OPEN or (again and standing is not Standing.REDRIVING):
                    open_.append(one)
                else:
                    refused[place] = _resolved(place, standing)
        return open_, refused

    async def _claim(self, open_: list[Found], outcome: Outcome, refused: dict[Place, Exception]) -> list[Found]:
        """Those letters of which the claim made here holds; the others are refused."""
        if not open_:
            return []
        claims = [Resolution(one.letter.place, outcome, one.history.attempt + 1, uuid.uuid4().hex) for one in open_]
        offsets = await self._tell(claims, open_)
        read_to: dict[int, int] = {}
        for claim, offset in zip(claims, offsets, strict=True):
            read_to[claim.letter.partition] = max(offset + 1, read_to.get(claim.letter.partition, 0))
        won = []
        for claim, one in zip(claims, await self._letters.read_on(open_, read_to), strict=True):
            if one.history.claim == claim.claim:
                won.append(one)
            else:
                refused[claim.letter] = _resolved(claim.letter, one.history.standing(now()))
        return won

    async def _tell(self, resolutions: Sequence[Resolution], found: Sequence[Found]) -> list[int]:
        """Write resolutions behind their letters; their offsets."""
        return await self._writer.write(
            [
                Restored(DEAD, told.letter.partition, one.letter.key, b"", told.headers())
                for told, one in zip(resolutions, found, strict=True)
            ]
        )


def _resolution(found: Found) -> Resolution:
    history = found.history
    return Resolution(found.letter.place, history.outcome or Outcome.REDRIVING, history.attempt, history.claim)


def now() -> int:
    """The time, Unix milliseconds."""
    return time.time_ns() // 1_000_000


def no_letter(letter_id: str) -> Exception:
    """404."""
    detail = f"there is no dead letter {letter_id}; they are kept for 30 days"
    return problem(HTTPStatus.NOT_FOUND, detail, "no-such-dead-letter")


def _not_redrivable(letter: DeadLetter) -> Exception:
    detail = (
        f"this was a row of {letter.topic} that no topic could take: make the row smaller, and it comes again by itself;"
        " then discard this"
    )
    return problem(HTTPStatus.CONFLICT, detail, "not-redrivable")


def _resolved(place: Place, standing: Standing) -> Exception:
    if standing is Standing.REDRIVING:
        detail = f"dead letter {place} is being redriven by another call; in a minute it is redriven, or open again"
    else:
        detail = f"dead letter {place} is {standing} already; again=true (--again) redrives it once more"
    return problem(HTTPStatus.CONFLICT, detail, "dead-letter-resolved", state=standing)


def _check_complete(complete: bool) -> None:
    if not complete:
        raise Unavailable("there are more records on dead behind this than can be read in one go; nothing was changed")
