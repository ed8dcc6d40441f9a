"""Random filters, event keys, payloads and rows: small worlds in which everything meets everything."""

import random
from typing import Any

from streams.trigger import Trigger
from streams.workspace import DEFAULT_WORKSPACE

VALUES: list[Any] = ["a", "b", "ab", "abcab", "", 0, 1, 1.0, 2, -1.5, 2**53, 2**53 + 1, 2.0**53, 10**400, True, False, None]
NUMBERS = [0, 1, 1.0, 2, -1.5, 3.25, 100, 2**53, 2**53 + 1, -(2**60), 10**400, 1e300, -1e-9]
TEXTS = ["", "a", "b", "ab", "abc", "abcab", "bcabc", "cab", "xyz", "abcabcabcabcabc"]
FIELDS = ["x", "y", "z", "deep.x", "deep.er.y"]
SOURCES, TYPES = ["feed", "stocks", "error.disk", "error.net"], ["goal", "card", "price"]
EXPRESSIONS = [
    "feed:goal",
    "feed:card",
    "stocks:price",
    "error.*:*",
    "*:goal",
    "*:*",
    "[feed, stocks]:goal",
    "[feed, error.*]:c*",
    "e*k:*r*",
]
PATTERNS = [None, None, None, "(feed|stocks):.*", ".*:(goal|card)", "error[.].+:price"]
WORKSPACES = [DEFAULT_WORKSPACE, "theirs"]


def random_filter(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    """A filter of up to three conditions, nested up to three levels."""
    asked: dict[str, Any] = {}
    for field in chance.sample(FIELDS, chance.choice([0, 1, 1, 2, 3]) or (depth and 1)):
        asked[field] = _condition(chance)
    if depth < 3 and chance.random() < 0.3:
        word = chance.choice(["any", "all", "not"])
        if word == "not":
            asked["not"] = random_filter(chance, depth + 1)
        else:
            asked[word] = [random_filter(chance, depth + 1) for _ in range(chance.randint(1, 3))]
    return asked


def _condition(chance: random.Random) -> Any:
    conditions: dict[str, Any] = {
        "eq": chance.choice([*VALUES, [1, "a"], {"k": 1}]),
        "ne": chance.choice([*VALUES, [1, "a"]]),
        "in": chance.sample(VALUES, chance.randint(1, 4)),
        "contains": chance.choice([*TEXTS, *VALUES]),
        "prefix": chance.choice(TEXTS),
        "exists": chance.random() < 0.5,
    } | {bound: chance.choice(NUMBERS) for bound in ("gt", "gte", "lt", "lte")}
    choice = chance.random()
    if choice < 0.3:
        return chance.choice(VALUES)
    if choice < 0.45:
        lower, upper = chance.choice(["gt", "gte"]), chance.choice(["lt", "lte"])
        return {lower: conditions[lower], upper: conditions[upper]}
    names = chance.sample(sorted(conditions), chance.choice([1, 1, 1, 2]))
    return {name: conditions[name] for name in names}


def random_value(chance: random.Random) -> Any:
    """A JSON value of any type."""
    choice = chance.random()
    if choice < 0.4:
        return chance.choice(VALUES)
    if choice < 0.6:
        return chance.choice(NUMBERS)
    if choice < 0.8:
        return chance.choice(TEXTS)
    if choice < 0.9:
        return [chance.choice([*VALUES, {"k": 1}]) for _ in range(chance.randrange(4))]
    return chance.choice([{}, {"k": 1}, [1, "a"], {"x": 1}])


def random_payload(chance: random.Random) -> Any:
    """An object with most of the fields, sometimes something else."""
    if chance.random() < 0.03:
        return chance.choice([None, 1, "a", [1], True])
    payload: dict[str, Any] = {field: random_value(chance) for field in ("x", "y", "z") if chance.random() < 0.8}
    if chance.random() < 0.7:
        payload["deep"] = {"x": random_value(chance), "er": chance.choice([{"y": random_value(chance)}, random_value(chance)])}
    return payload


def random_trigger(chance: random.Random, trigger_id: str) -> Trigger:
    """A valid row; many share an event key."""
    return trigger(
        trigger_id,
        chance.choice(EXPRESSIONS[:3] if chance.random() < 0.7 else EXPRESSIONS),
        workspace=chance.choice(WORKSPACES),
        pattern=chance.choice(PATTERNS),
        match_filter=random_filter(chance),
    )


def trigger(trigger_id: str, expression: str = "feed:goal", **fields: Any) -> Trigger:
    """A row with the fields that matter to the index."""
    return Trigger(id=trigger_id, name=trigger_id, schedule_expression=expression, agent_id="agent", hub_id="hub", **fields)
