"""The feed: every fact of a run, from the seed, with its key and its place in that key's order. Pure."""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from touchline.torture.price_walk import walk

HTTP, KAFKA = "http", "kafka"
"""The two ways in. A key's facts all take the same one: between two ways nobody could say which fact came first."""

COLOURS = ("red", "green", "blue")
LINES = tuple(f"line-{number}" for number in range(6))
"""Plain sources, each a key of its own."""
ARENA, SUBJECTS = "arena", tuple(f"game-{number:02}" for number in range(16))
"""A source spread by subject."""
MARKET, MARKET_SYMBOLS = "market", tuple(f"M{number:03}" for number in range(160))
"""Prices spread by subject: each symbol is a key of its own."""
EXCHANGES = {
    "exchange": tuple(f"X{number:02}" for number in range(40)),
    "bourse": tuple(f"B{number:02}" for number in range(40)),
    "abroad": ("A1", "A2"),
}
"""Prices of many symbols under one key."""
SPREAD_SOURCES = frozenset({ARENA, MARKET, "switch"})
"""Declared `spread: subject`; `switch` is what the trigger changes in the middle of a run listen to."""
POISON = "poison"
"""The source of records that nobody can read."""

STRAY_KEYS = frozenset({"line-5", "abroad", "arena/game-03", "arena/game-07", "market/M007", "market/M033", "market/M101"})
"""Keys whose producer partitions as librdkafka does by default, and so mostly puts them into another partition."""

RATES = {ARENA: 20.0, MARKET: 35.0, "exchange": 7.0, "bourse": 7.0, "abroad": 7.0, POISON: 0.2} | dict.fromkeys(LINES, 4.0)
"""Facts a second: 100 in all, a third of what two cores bear beside everything that is restarted."""
REPEATED = 0.03
"""The share of facts that their sender sends twice in a row."""


class Fact(msgspec.Struct, frozen=True):
    """One thing that happened. `key` orders it, `sequence` is its place in that order. `copies`: how often it is sent."""

    at_seconds: float
    id: str
    source: str
    type: str
    subject: str | None
    payload: dict[str, Any]
    sequence: int
    door: str
    copies: int = 1

    @property
    def key(self) -> str:
        """The record's key on `events`, and what order is promised for."""
        return f"{self.source}/{self.subject}" if self.source in SPREAD_SOURCES else self.source

    @property
    def wire(self) -> bytes:
        """As it is sent: the plain object, or what nobody can read."""
        if self.source == POISON:
            return b"\xff not an event: " + self.id.encode()
        plain = {"id": self.id, "source": self.source, "type": self.type, "payload": self.payload}
        return msgspec.json.encode(plain | ({"subject": self.subject} if self.subject else {}))


class _Told(NamedTuple):
    """What a source tells next."""

    type: str
    subject: str | None
    payload: dict[str, Any]


def plan_feed(seed: int, seconds: float) -> list[Fact]:
    """All facts of a run of that length, by time."""
    facts = [fact for source in RATES for fact in _source(seed, source, seconds)]
    return sorted(facts, key=lambda fact: fact.at_seconds)


def _source(seed: int, source: str, seconds: float) -> Iterator[Fact]:
    chance = random.Random(f"{seed}/{source}")  # noqa: S311 -- a seed must replay
    story = _prices(source, chance) if source == MARKET or source in EXCHANGES else _moves(source, chance)
    sequences: dict[str, int] = {}
    for number in range(int(seconds * RATES[source])):
        told = next(story)
        place = f"{source}/{told.subject}" if source in SPREAD_SOURCES else source
        sequence = sequences[place] = sequences.get(place, 0) + 1
        yield Fact(
            at_seconds=(number + chance.random()) / RATES[source],
            id=f"{place}#{sequence}",
            source=source,
            type=told.type,
            subject=told.subject,
            payload=told.payload,
            sequence=sequence,
            door=door_of(source, told.subject),
            copies=2 if chance.random() < REPEATED and source != POISON else 1,
        )


def door_of(source: str, subject: str | None) -> str:
    """Which way this key's facts take; half of the feed takes each."""
    place = f"{source}/{subject}" if source in SPREAD_SOURCES else source
    if source in ("exchange", POISON) or place in STRAY_KEYS:
        return KAFKA
    if source == "bourse":
        return HTTP
    return (HTTP, KAFKA)[int(place[-1]) % 2]


def _moves(source: str, chance: random.Random) -> Iterator[_Told]:
    while True:
        subject = chance.choice(SUBJECTS) if source == ARENA else None
        yield _Told("move", subject, {"colour": chance.choice(COLOURS), "level": chance.randrange(10)})


def _prices(source: str, chance: random.Random) -> Iterator[_Told]:
    symbols = MARKET_SYMBOLS if source == MARKET else EXCHANGES[source]
    walks = {symbol: walk(random.Random(chance.random())) for symbol in symbols}  # noqa: S311 -- a seed must replay
    while True:
        symbol = chance.choice(symbols)
        yield _Told("price", symbol if source == MARKET else None, {"symbol": symbol, "price": next(walks[symbol])})
