"""match_filter: what each operator means, and what is refused when it is written."""

import json
import random
import time
from typing import Any

import pytest

from streams.errors import InvalidTrigger
from streams.language.bounds import MAXIMUM_BYTES, MAXIMUM_LEVELS
from streams.language.comparison import MISSING
from streams.language.filter import (
    MAXIMUM_CHOICES,
    AllOf,
    AnyOf,
    Negation,
    Predicate,
    compile_filter,
    field_getter,
    field_value,
    parse_filter,
)

PAYLOAD = {"team": "Mexico", "minute": 90, "penalty": True, "odds": 1.5, "note": None, "score": {"home": 2}, "tags": ["a"]}


@pytest.mark.parametrize(
    ("match_filter", "matches"),
    [
        (None, True),
        ({}, True),
        ({"team": "Mexico"}, True),
        ({"team": "mexico"}, False),
        ({"minute": 90.0}, True),
        ({"minute": "90"}, False),
        ({"penalty": 1}, False),
        ({"penalty": True}, True),
        ({"note": None}, True),
        ({"missing": None}, False),
        ({"score": {"eq": {"home": 2}}}, True),
        ({"score": {"eq": {"home": True}}}, False),
        ({"tags": ["a"]}, True),
        ({"score.home": {"gte": 2}}, True),
        ({"score.away": {"gte": 0}}, False),
        ({"team.name": "Mexico"}, False),
        ({"team": {"ne": "Peru"}}, True),
        ({"team": {"ne": "Mexico"}}, False),
        ({"team": {"ne": 3}}, False),
        ({"missing": {"ne": "Peru"}}, False),
        ({"minute": {"gt": 89, "lt": 91}}, True),
        ({"minute": {"gt": 90}}, False),
        ({"minute": {"lte": 90}}, True),
        ({"penalty": {"gte": 0}}, False),
        ({"team": {"gte": 0}}, False),
        ({"team": {"in": ["Peru", "Mexico"]}}, True),
        ({"penalty": {"in": [1]}}, False),
        ({"score": {"in": ["x", None]}}, False),
        ({"team": "Mexico", "minute": {"gt": 90}}, False),
        ({"note": {"eq": None}}, True),
        ({"team": {"eq": None}}, False),
        ({"note": {"ne": None}}, False),
        ({"team": {"ne": None}}, True),
        ({"missing": {"ne": None}}, False),
        ({"note": {"ne": 3}}, False),
        ({"penalty": {"ne": False}}, True),
        ({"penalty": {"ne": 0}}, False),
        ({"tags": {"ne": ["b"]}}, True),
        ({"team": {"contains": "xic"}}, True),
        ({"team": {"contains": ""}}, True),
        ({"team": {"contains": "XIC"}}, False),
        ({"tags": {"contains": "a"}}, True),
        ({"tags": {"contains": "A"}}, False),
        ({"minute": {"contains": 9}}, False),
        ({"score": {"contains": "home"}}, False),
        ({"team": {"prefix": "Mex"}}, True),
        ({"team": {"prefix": "ex"}}, False),
        ({"tags": {"prefix": "a"}}, False),
        ({"note": {"exists": True}}, True),
        ({"note": {"exists": False}}, False),
        ({"missing": {"exists": True}}, False),
        ({"missing": {"exists": False}}, True),
        ({"team.name": {"exists": False}}, True),
        ({"score.home": {"exists": True}}, True),
        ({"any": [{"team": "Peru"}, {"minute": {"gte": 90}}]}, True),
        ({"any": [{"team": "Peru"}, {"minute": {"gt": 90}}]}, False),
        ({"any": [{"team": "Mexico", "minute": 1}, {"team": "Peru", "minute": 90}]}, False),
        ({"all": [{"team": "Mexico"}, {"minute": {"gte": 90}}], "penalty": True}, True),
        ({"all": [{"team": "Mexico"}, {"minute": {"gt": 90}}]}, False),
        ({"not": {"team": "Peru"}}, True),
        ({"not": {"team": "Mexico", "minute": 1}}, True),
        ({"not": {"team": "Mexico", "minute": 90}}, False),
        ({"not": {"missing": "x"}}, True),
        ({"not": {"any": [{"team": "Peru"}, {"not": {"penalty": True}}]}}, True),
        ({"any": {"eq": 1}}, False),
        ({"all": {"exists": False}}, True),
        ({"not": {"exists": {"eq": 1}}}, True),
    ],
)
def test_a_filter_matches_without_coercion(match_filter: Any, matches: bool) -> None:
    """Each operator compares values of its own type; missing fields and other types are no match."""
    assert compile_filter(parse_filter(match_filter))(PAYLOAD) is matches


@pytest.mark.parametrize(
    ("wanted", "value", "equal"),
    [
        (2**53, 2**53 + 1, False),
        (2**53 + 1, 2**53 + 1, True),
        (2**53 + 1, 9007199254740992.0, False),
        (2**53, 9007199254740992.0, True),
        (10**400, 1e308, False),
        (0.1, json.loads("0.1"), True),
        (0.1, json.loads("0.1000000000000000055511151231257827"), True),
        (0.3, 0.1 + 0.2, False),
        (0.0, -0.0, True),
        (1, True, False),
        (0, False, False),
        ("1", 1, False),
    ],
)
def test_numbers_compare_exactly_and_types_apart(wanted: Any, value: Any, equal: bool) -> None:
    """Also inside lists, objects, `in` and `contains`; a range sees the same difference."""
    payload = {"x": value, "list": [value], "object": {"y": value}}
    filters: list[Any] = [
        {"x": wanted},
        {"x": {"in": [wanted, "other"]}},
        {"list": [wanted]},
        {"list": {"contains": wanted}},
        {"object": {"eq": {"y": wanted}}},
        {"object.y": wanted},
    ]
    assert [compile_filter(parse_filter(one))(payload) for one in filters] == [equal] * len(filters)


def test_ranges_compare_large_integers_exactly() -> None:
    """One above 2**53 is greater than 2**53, whether that is an integer or a double."""
    above = compile_filter(parse_filter({"x": {"gt": 2**53}}))
    assert [above({"x": 2**53 + 1}), above({"x": 2**53}), above({"x": 9007199254740992.0}), above({"x": 10**400})] == [
        True,
        False,
        False,
        True,
    ]


def test_clauses_say_what_was_asked() -> None:
    """They can be looked into: `all` and several fields are one AND, the rest keeps its shape."""
    given = {"a.b": {"gte": 1, "lt": 5}, "all": [{"c": 1}, {"any": [{"d": 1, "e": 2}, {"not": {"f": {"prefix": "x"}}}]}]}
    assert parse_filter(given) == (
        Predicate(("a", "b"), "gte", 1),
        Predicate(("a", "b"), "lt", 5),
        Predicate(("c",), "eq", 1),
        AnyOf(
            (
                AllOf((Predicate(("d",), "eq", 1), Predicate(("e",), "eq", 2))),
                Negation(Predicate(("f",), "prefix", "x")),
            )
        ),
    )


@pytest.mark.parametrize(
    ("path", "value"), [("team", "Mexico"), ("score.home", 2), ("note", None), ("away", MISSING), ("team.name", MISSING)]
)
def test_a_field_is_told_from_a_missing_one(path: str, value: Any) -> None:
    """null is there; what is not there is MISSING, by both ways of asking."""
    parts = tuple(path.split("."))
    assert field_value(parts, PAYLOAD) is field_getter(parts)(PAYLOAD)
    assert field_value(parts, PAYLOAD) == value


@pytest.mark.parametrize("payload", [None, [], "text", 3, True, {}])
def test_a_payload_of_any_shape_is_judged(payload: Any) -> None:
    """A payload that is no object has no fields, and that is no match, never an error."""
    assert compile_filter(parse_filter({"a.b": 1}))(payload) is False


@pytest.mark.parametrize(
    ("match_filter", "path", "accepted"),
    [
        ([], "match_filter", "object"),
        ({"price": {"above": 3}}, "match_filter.price.above", "gte"),
        ({"price": {}}, "match_filter.price", "eq"),
        ({"price": {"gte": "3"}}, "match_filter.price.gte", "number"),
        ({"price": {"gte": True}}, "match_filter.price.gte", "number"),
        ({"price": {"gte": float("nan")}}, "match_filter.price.gte", "finite"),
        ({"team": {"in": []}}, "match_filter.team.in", "one or more"),
        ({"team": {"in": "Mexico"}}, "match_filter.team.in", "list"),
        ({"a..b": 1}, "match_filter.a..b", "dots"),
        ({"": 1}, "match_filter.", "dots"),
        ({"a": {"b": {"gte": 1}}}, "match_filter.a.b", "eq, ne, gt"),
        ({"a": [1, {"b": float("inf")}]}, "match_filter.a.1.b", "finite"),
        ({"a": {"eq": object()}}, "match_filter.a.eq", "JSON"),
        ({"a": {"eq": {1: 2}}}, "match_filter.a.eq", "no text"),
        ({"a": "\ud800"}, "match_filter.a", "surrogate"),
        ({"a": {"eq": "x\0"}}, "match_filter.a.eq", "NUL"),
        ({"a": 10**5000}, "match_filter.a", "digits"),
        ({"a": {"contains": ["x"]}}, "match_filter.a.contains", "text"),
        ({"a": {"prefix": 3}}, "match_filter.a.prefix", "text"),
        ({"a": {"exists": 1}}, "match_filter.a.exists", "true or false"),
        ({"a": {"exists": None}}, "match_filter.a.exists", "true or false"),
        ({"a": {"in": [[1]]}}, "match_filter.a.in", "texts"),
        ({"a": {"in": [0] * (MAXIMUM_CHOICES + 1)}}, "match_filter.a.in", "10000"),
        ({"any": []}, "match_filter.any", "one or more"),
        ({"all": {"a": 1}}, "match_filter.all", "list"),
        ({"any": "x"}, "match_filter.any", '{"any": {"eq"'),
        ({"any": [{"a": 1}, {}]}, "match_filter.any.1", "one or more fields"),
        ({"any": [{"a": 1}, {"b": {"near": 1}}]}, "match_filter.any.1.b.near", "gte"),
        ({"not": {}}, "match_filter.not", "one or more fields"),
        ({"not": [{"a": 1}]}, "match_filter.not", "filter"),
        ({"not": {"eq": 1}}, "match_filter.not", "whole filter"),
    ],
)
def test_a_wrong_filter_is_refused_by_path(match_filter: Any, path: str, accepted: str) -> None:
    """The error names the path inside the row and what would be accepted."""
    with pytest.raises(InvalidTrigger) as refused:
        parse_filter(match_filter)
    assert refused.value.path == path
    assert accepted in refused.value.message


def _nested(levels: int) -> Any:
    inner: Any = {"a": 1}
    for _ in range(levels):
        inner = {"not": inner}
    return inner


def test_a_filter_may_nest_as_deep_as_the_limit() -> None:
    """The limit itself is accepted; one level more is refused with its path."""
    assert compile_filter(parse_filter(_nested(MAXIMUM_LEVELS - 1)))({"a": 2}) is True
    with pytest.raises(InvalidTrigger, match=f"at most {MAXIMUM_LEVELS} levels") as refused:
        parse_filter(_nested(MAXIMUM_LEVELS))
    assert refused.value.path.startswith("match_filter.not.not")


def _aliased() -> Any:
    level: Any = [1] * 10
    for _ in range(20):
        level = [level] * 10
    return level


@pytest.mark.parametrize(
    "match_filter",
    [
        _nested(10_000),
        {"a": "x" * 10_000_000},
        {"a": {"in": ["x" * 10] * 800_000}},
        {f"field{number}": number for number in range(500_000)},
        {"a": ["x" * (MAXIMUM_BYTES - 9)]},
        {"a": _aliased()},
    ],
    ids=["deep", "long", "many choices", "many fields", "one byte too long", "aliases of aliases"],
)
def test_a_filter_beyond_the_limits_is_refused_at_once(match_filter: Any) -> None:
    """10,000 levels and 10 MB cost a moment and no recursion."""
    started = time.perf_counter()
    with pytest.raises(InvalidTrigger, match=r"too deep|too large") as refused:
        parse_filter(match_filter)
    assert refused.value.path.startswith("match_filter")
    assert len(refused.value.path) < 300
    assert time.perf_counter() - started < 1


def test_a_text_of_backslashes_is_no_nul() -> None:
    """What merely looks like an escaped NUL is text like any other."""
    assert compile_filter(parse_filter({"a": "\\u0000"}))({"a": "\\u0000"}) is True


# The language once more, slowly and differently: by JSON's types, straight from the filter as it was written.


def _type(value: Any) -> str:
    for kind, name in ((bool, "boolean"), (int, "number"), (float, "number"), (str, "text"), (list, "list"), (dict, "object")):
        if isinstance(value, kind):
            return name
    return "null" if value is None else "something else"


def _equal(left: Any, right: Any) -> bool:
    if _type(left) != _type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(_equal(one, other) for one, other in zip(left, right, strict=True))
    if isinstance(left, dict):
        return set(left) == set(right) and all(_equal(left[name], right[name]) for name in left)
    return bool(left == right)


def _found(path: str, payload: Any) -> list[Any]:
    for part in path.split("."):
        if not isinstance(payload, dict) or part not in payload:
            return []
        payload = payload[part]
    return [payload]


def _holds(operator: str, wanted: Any, found: list[Any]) -> bool:
    if operator == "exists":
        return bool(found) is wanted
    if not found:
        return False
    (value,) = found
    if operator == "ne":
        return (wanted is None or _type(value) == _type(wanted)) and not _equal(value, wanted)
    if operator in ("gt", "gte", "lt", "lte"):
        if _type(value) != "number":
            return False
        return bool({"gt": value > wanted, "gte": value >= wanted, "lt": value < wanted, "lte": value <= wanted}[operator])
    if operator == "contains" and _type(value) == "text":
        return _type(wanted) == "text" and bool(wanted in value)
    if operator == "contains":
        return _type(value) == "list" and any(_equal(item, wanted) for item in value)
    if operator == "prefix":
        return _type(value) == "text" and bool(value[: len(wanted)] == wanted)
    return any(_equal(value, choice) for choice in (wanted if operator == "in" else [wanted]))


def judged_naively(match_filter: Any, payload: Any) -> bool:
    """What a filter says of a payload, by asking it again and again."""
    for field, condition in (match_filter or {}).items():
        if field == "not":
            holds = not judged_naively(condition, payload)
        elif field in ("any", "all"):
            holds = (any if field == "any" else all)(judged_naively(inner, payload) for inner in condition)
        elif isinstance(condition, dict):
            holds = all(_holds(operator, wanted, _found(field, payload)) for operator, wanted in condition.items())
        else:
            holds = _holds("eq", condition, _found(field, payload))
        if not holds:
            return False
    return True


def _deep(levels: int, wrap: Any) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = wrap(value)
    return value


SCALARS: list[Any] = [
    *("", "a", "ab", "b", "1", "true", "null", "é"),
    *(0, 1, 2, -1, 2**53, 2**53 + 1, 10**400),
    *(0.0, -0.0, 1.0, 0.1, 1.5, 9007199254740992.0),
    *(True, False, None),
]
WANTED: list[Any] = [*SCALARS, [], ["a"], [1], [True], [1, ["a", None]], {}, {"b": 1}, {"b": True}, {"b": {"c": [1.0]}}]
ODD: list[Any] = [
    *WANTED,
    *(float("nan"), float("inf"), float("-inf"), "\ud800", "a\udfff", "x" * 100_000, -(10**400)),
    *([float("nan")], ["a", "ab"], [1.0, True, None], [[1]], [{"b": 1}], {"\ud800": 1}, {"b": float("nan")}),
    *(_deep(5_000, lambda value: [value]), _deep(5_000, lambda value: {"b": value}), _deep(5_000, lambda value: {"eq": value})),
]
NAMES = ["a", "b", "c", "a.b", "b.c", "a.b.c"]


def random_filter(chance: random.Random, levels: int = 2) -> dict[str, Any]:
    """A valid filter of any shape."""
    match_filter: dict[str, Any] = {}
    for _ in range(chance.randrange(1, 3)):
        kind = chance.random() if levels else 1.0
        if kind < 0.15:
            match_filter["any"] = [random_filter(chance, levels - 1) for _ in range(chance.randrange(1, 4))]
        elif kind < 0.3:
            match_filter["all"] = [random_filter(chance, levels - 1) for _ in range(chance.randrange(1, 4))]
        elif kind < 0.45:
            match_filter["not"] = random_filter(chance, levels - 1)
        else:
            match_filter[chance.choice(NAMES)] = _random_condition(chance)
    return match_filter


def _random_condition(chance: random.Random) -> Any:
    numbers = [value for value in SCALARS if _type(value) == "number"]
    texts = [value for value in SCALARS if _type(value) == "text"]
    if chance.random() < 0.2:
        return chance.choice([value for value in WANTED if not isinstance(value, dict)])
    condition: dict[str, Any] = {
        "eq": chance.choice(WANTED),
        "ne": chance.choice(WANTED),
        **{operator: chance.choice(numbers) for operator in ("gt", "gte", "lt", "lte")},
        "in": chance.sample(SCALARS, chance.randrange(1, 5)),
        "contains": chance.choice(SCALARS),
        "prefix": chance.choice(texts),
        "exists": chance.random() < 0.5,
    }
    return {operator: condition[operator] for operator in chance.sample(sorted(condition), chance.choice([1, 1, 1, 2]))}


def random_payload(chance: random.Random, levels: int = 3) -> Any:
    """A payload with the fields that filters ask for, of odd values."""
    if levels < 3 and chance.random() < 0.6:
        return chance.choice(ODD)
    if not levels or chance.random() < 0.05:
        return chance.choice(ODD)
    return {name: random_payload(chance, levels - 1) for name in ("a", "b", "c") if chance.random() < 0.8}


def test_a_compiled_filter_agrees_with_the_language_on_any_payload() -> None:
    """40,000 random pairs: NaN, lone surrogates, huge numbers and 5,000 levels never raise, and both judge alike."""
    chance = random.Random(5)
    verdicts = {True: 0, False: 0}
    for _ in range(4_000):
        match_filter = random_filter(chance)
        test = compile_filter(parse_filter(match_filter))
        for _ in range(10):
            payload = random_payload(chance)
            verdict = test(payload)
            assert verdict is judged_naively(match_filter, payload), (match_filter, str(payload)[:300])
            verdicts[verdict] += 1
    assert min(verdicts.values()) > 4_000
