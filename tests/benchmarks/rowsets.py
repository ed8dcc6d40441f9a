"""What rows ask for, and the events they are asked about, when matching alone is measured. The same in every run."""

import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from streams.trigger import Trigger

MATCHES_WANTED = 4
"""Triggers that an event of the mix matches on average; DESIGN 5 measured with 2.4 to 8."""
MATCHING_SHARE = 0.85
"""Of the mix: rows an event with the right symbol matches, counted by symbols asked for (0.4 + 0.3 / 2 + 0.2 * 3 / 2)."""
LETTERS = "abcdefghijklmnop"
WRITTEN_AT = "2026-11-21 10:28:45.123456+00:00"

Filter = dict[str, Any]


class RowSet(NamedTuple):
    """One way to ask. `row` gives the filter of one row out of so many, `payload` an event's payload."""

    name: str
    row: Callable[[random.Random, int, int], Filter]
    payload: Callable[[random.Random, int], dict[str, Any]]


def triggers(rows: RowSet, count: int) -> Iterator[Trigger]:
    """The first `count` rows."""
    chance = random.Random(2026)
    for number in range(count):
        asked = rows.row(chance, number, count)
        name = f"{number:08}-9e9b-7c6e-8f00-5b1d0c4a77f2"  # as long as the ids that Postgres gives
        yield Trigger(
            id=name,
            name=f"row {number}",
            schedule_expression="stocks:price",
            agent_id="agent",
            hub_id="hub",
            supervisor_message="Look at what happened, and say what it means in one line.",
            match_filter=asked,
            created_at=WRITTEN_AT,
            updated_at=WRITTEN_AT,
        )


def symbols(count: int) -> int:
    """So many symbols that an event matches MATCHES_WANTED of `count` mixed rows."""
    return max(1, round(count * MATCHING_SHARE / MATCHES_WANTED))


def _mixed(chance: random.Random, number: int, count: int) -> Filter:
    chosen = [f"S{chance.randrange(symbols(count))}" for _ in range(3)]
    price = {"gte": chance.randrange(10_000) / 100}
    match number % 10:
        case 0 | 1 | 2 | 3:
            return {"symbol": chosen[0]}
        case 4 | 5 | 6:
            return {"symbol": chosen[0], "price": price}
        case 7 | 8:
            return {"symbol": {"in": chosen}, "price": price}
        case _:
            return {"order": f"O{chance.randrange(count)}"}


def _tick(chance: random.Random, count: int) -> Filter:
    return {
        "symbol": f"S{chance.randrange(symbols(count))}",
        "price": chance.randrange(10_000) / 100,
        "order": f"O{chance.randrange(count)}",
    }


def _text(chance: random.Random, length: int) -> str:
    return "".join(chance.choices(LETTERS, k=length))


def _line(chance: random.Random, _count: int) -> dict[str, Any]:
    return {"text": _text(chance, 40)}


def _status(_chance: random.Random, _count: int) -> dict[str, Any]:
    return {"status": "7"}


def _price(chance: random.Random, _count: int) -> dict[str, Any]:
    return {"price": chance.random() * 100, "volume": chance.random() * 100}


def _low_price(chance: random.Random, count: int) -> dict[str, Any]:
    return {"price": chance.random() * 200 * MATCHES_WANTED / count}


def _one_bound(chance: random.Random, _number: int, _count: int) -> Filter:
    return {"price": {"gte": chance.random() * 100}}


def _band(chance: random.Random, _number: int, count: int) -> Filter:
    low = chance.random() * 100
    return {"price": {"gte": low, "lt": low + 100 * MATCHES_WANTED / count}}


def _two_fields(chance: random.Random, _number: int, _count: int) -> Filter:
    return {"price": {"gte": chance.random() * 100}, "volume": {"lt": chance.random() * 100}}


MIX = RowSet("the mix", _mixed, _tick)
ALONE = (
    RowSet("prefix only", lambda chance, *_: {"text": {"prefix": _text(chance, 4)}}, _line),
    RowSet("contains only", lambda chance, *_: {"text": {"contains": _text(chance, 5)}}, _line),
    RowSet("ne only, 50 values", lambda chance, *_: {"status": {"ne": f"{chance.randrange(50)}"}}, _status),
    RowSet("not only, all different", lambda _chance, number, _count: {"not": {"status": f"{number}"}}, _status),
    RowSet("one bound, few pass", _one_bound, _low_price),
    RowSet("one bound, half pass", _one_bound, _price),
    RowSet("two bounds of one field", _band, _price),
    RowSet("bounds of two fields", _two_fields, _price),
)
"""Rows that have nothing else."""
