"""JSONPath: the examples of RFC 9535, and what a mapping of queries makes of an event.

The compliance suite of the RFC's authors (703 cases) passes as well; it is on no package registry, so it is not run here.
"""

from typing import Any

import pytest

from streams.errors import InvalidTrigger
from streams.shaping.budget import Budget
from streams.shaping.query import compile_query
from streams.shaping.shape import check_shaping
from tests.unit.streams.shaping.shaping import PAYLOAD, row, shaped

BOOKS = [
    {"category": "reference", "author": "Nigel Rees", "title": "Sayings of the Century", "price": 8.95},
    {"category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99},
    {"category": "fiction", "author": "Herman Melville", "title": "Moby Dick", "isbn": "0-553-21311-3", "price": 8.99},
    {
        "category": "fiction",
        "author": "J. R. R. Tolkien",
        "title": "The Lord of the Rings",
        "isbn": "0-395-19395-8",
        "price": 22.99,
    },
]
BICYCLE = {"color": "red", "price": 399}
STORE = {"store": {"book": BOOKS, "bicycle": BICYCLE}}
AUTHORS = [book["author"] for book in BOOKS]
LETTERS = ["a", "b", "c", "d", "e", "f", "g"]
FILTERED: dict[str, Any] = {
    "a": [3, 5, 1, 2, 4, 6, {"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}],
    "o": {"p": 1, "q": 2, "r": 3, "s": 5, "t": {"u": 6}},
    "e": "f",
}
DESCENDED: dict[str, Any] = {"o": {"j": 1, "k": 2}, "a": [5, 3, [{"j": 4}, {"k": 6}]]}
NULLS: dict[str, Any] = {"a": None, "b": [None], "c": [{}], "null": 1}


def select(query: str, document: Any) -> list[Any]:
    """The values a query selects, in order."""
    return compile_query(query).select(document, document, Budget())


@pytest.mark.parametrize(
    ("query", "document", "selected"),
    [
        ("$.store.book[*].author", STORE, AUTHORS),
        ("$..author", STORE, AUTHORS),
        ("$.store.*", STORE, [BOOKS, BICYCLE]),
        ("$.store..price", STORE, [8.95, 12.99, 8.99, 22.99, 399]),
        ("$..book[2]", STORE, [BOOKS[2]]),
        ("$..book[2].author", STORE, ["Herman Melville"]),
        ("$..book[2].publisher", STORE, []),
        ("$..book[-1]", STORE, [BOOKS[3]]),
        ("$..book[0,1]", STORE, BOOKS[:2]),
        ("$..book[:2]", STORE, BOOKS[:2]),
        ("$..book[?@.isbn]", STORE, BOOKS[2:]),
        ("$..book[?@.price<10]", STORE, [BOOKS[0], BOOKS[2]]),
        ("$", {"k": "v"}, [{"k": "v"}]),
        ("$.o['j j']['k.k']", {"o": {"j j": {"k.k": 3}}}, [3]),
        ('$["\'"]["@"]', {"'": {"@": 2}}, [2]),
        ("$[1]", ["a", "b"], ["b"]),
        ("$[-2]", ["a", "b"], ["a"]),
        ("$[1:3]", LETTERS, ["b", "c"]),
        ("$[5:]", LETTERS, ["f", "g"]),
        ("$[1:5:2]", LETTERS, ["b", "d"]),
        ("$[5:1:-2]", LETTERS, ["f", "d"]),
        ("$[::-1]", LETTERS, LETTERS[::-1]),
        ("$[0, 3]", LETTERS, ["a", "d"]),
        ("$[0:2, 5]", LETTERS, ["a", "b", "f"]),
        ("$[0, 0]", LETTERS, ["a", "a"]),
        ("$.a[?@.b == 'kilo']", FILTERED, [{"b": "kilo"}]),
        ("$.a[?(@.b == 'kilo')]", FILTERED, [{"b": "kilo"}]),
        ("$.a[?@>3.5]", FILTERED, [5, 4, 6]),
        ("$.a[?@.b]", FILTERED, FILTERED["a"][6:]),
        ("$[?@.*]", FILTERED, [FILTERED["a"], FILTERED["o"]]),
        ("$[?@[?@.b]]", FILTERED, [FILTERED["a"]]),
        ("$.o[?@<3, ?@<3]", FILTERED, [1, 2, 1, 2]),
        ('$.a[?@<2 || @.b == "k"]', FILTERED, [1, {"b": "k"}]),
        ('$.a[?match(@.b, "[jk]")]', FILTERED, [{"b": "j"}, {"b": "k"}]),
        ('$.a[?search(@.b, "[jk]")]', FILTERED, [{"b": "j"}, {"b": "k"}, {"b": "kilo"}]),
        ("$.o[?@>1 && @<4]", FILTERED, [2, 3]),
        ("$.o[?@.u || @.x]", FILTERED, [{"u": 6}]),
        ("$.a[?@.b == $.x]", FILTERED, [3, 5, 1, 2, 4, 6]),
        ("$.a[?@ == @]", FILTERED, FILTERED["a"]),
        ("$..j", DESCENDED, [1, 4]),
        ("$..[0]", DESCENDED, [5, {"j": 4}]),
        ("$..o", DESCENDED, [{"j": 1, "k": 2}]),
        ("$.a..[0, 1]", DESCENDED, [5, 3, {"j": 4}, {"k": 6}]),
        ("$.o..[*, *]", DESCENDED, [1, 2, 1, 2]),
        ("$.a", NULLS, [None]),
        ("$.a[0]", NULLS, []),
        ("$.a.d", NULLS, []),
        ("$.b[?@]", NULLS, [None]),
        ("$.b[?@==null]", NULLS, [None]),
        ("$.c[?@.d==null]", NULLS, []),
        ("$.null", NULLS, [1]),
        (
            "$[?length(@.title) > 5 && count(@.*) == 2 && value(@..color) == 'red']",
            [{"title": "a longer", "color": "red"}, {}],
            [{"title": "a longer", "color": "red"}],
        ),
        ("$[?match(@, 'a.c')]", ["abc", "a\nc", "xabcx"], ["abc"]),
        ("$[?search(@, '[a.]c')]", ["abc", "a.c", "xac"], ["a.c", "xac"]),
        ("$.v[?match(@, $.p)]", {"p": "(a|b)+", "v": ["ab", "abc"]}, ["ab"]),
        ("$.v[?match(@, $.p)]", {"p": "(", "v": ["ab", "("]}, []),
    ],
)
def test_a_query_selects(query: str, document: Any, selected: list[Any]) -> None:
    """The tables of RFC 9535, sections 1.5 and 2.2 to 2.6."""
    assert select(query, document) == selected


@pytest.mark.parametrize(
    ("comparison", "holds"),
    [
        ("$.absent1 == $.absent2", True),
        ("$.absent1 <= $.absent2", True),
        ("$.absent == 'g'", False),
        ("$.absent1 != $.absent2", False),
        ("$.absent != 'g'", True),
        ("1 <= 2", True),
        ("1 > 2", False),
        ("13 == '13'", False),
        ("'a' <= 'b'", True),
        ("'a' > 'b'", False),
        ("$.obj == $.arr", False),
        ("$.obj != $.arr", True),
        ("$.obj == $.obj", True),
        ("$.obj != $.obj", False),
        ("$.arr == $.arr", True),
        ("$.obj == 17", False),
        ("$.obj != 17", True),
        ("$.obj <= $.arr", False),
        ("$.obj < $.arr", False),
        ("$.obj <= $.obj", True),
        ("$.arr <= $.arr", True),
        ("1 <= $.arr", False),
        ("1 >= $.arr", False),
        ("1 > $.arr", False),
        ("1 < $.arr", False),
        ("true <= true", True),
        ("true > true", False),
    ],
)
def test_a_comparison_holds(comparison: str, holds: bool) -> None:
    """RFC 9535, table 11."""
    document = {"obj": {"x": "y"}, "arr": [2, 3]}
    assert bool(select(f"$[?{comparison}]", document)) is holds


@pytest.mark.parametrize(
    "query",
    [
        "",
        "payload",
        "$.",
        "$.payload[",
        " $.payload",
        "$.payload ",
        "$.payload[01]",
        "$.payload[9007199254740992]",
        "$.payload[?@.a==1e400]",
        "$.payload[?@.a == @.*]",
        "$.payload[?length(@.*) < 3]",
        "$.payload[?count(1) == 1]",
        "$.payload[?count(foo(@.*)) == 1]",
        "$.payload[?match(@.timezone, 'Europe/.*') == true]",
        "$.payload[?value(@..color)]",
        "$.payload | $.event",
        "$.payload[?@ in ['a']]",
        "$.payload.~a",
    ],
)
def test_what_the_rfc_does_not_have_is_refused(query: str) -> None:
    """Types of functions included (RFC 9535, table 13); nothing of the library's own dialect gets in."""
    with pytest.raises(InvalidTrigger) as refused:
        check_shaping(row(input_mapping={"a": query}))
    assert refused.value.path == "input_mapping.a"
    assert "is no JSONPath of RFC 9535, such as $.payload.commits[*].id" in refused.value.message


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("$", "must begin with $.event, $.payload, $.events, $.trigger, $.lineage"),
        ("$..name", "must begin with $.event"),
        ("$.repo", "must begin with $.event"),
        ("$['event','payload']", "must begin with $.event"),
        ("$.event.playload", "event has no playload"),
        ("$.payload[?match(@, '(')]", "RE2 does not accept"),
        ("$.payload" + ".a" * 600, "longer than 1,000 characters"),
        (3, "must be a JSONPath, such as $.payload.repo, and is a number"),
    ],
)
def test_a_query_says_where_it_may_begin(query: Any, reason: str) -> None:
    """A query over everything would find each member of the payload twice, in the event and beside it."""
    with pytest.raises(InvalidTrigger) as refused:
        check_shaping(row(input_mapping={"a": query}))
    assert refused.value.path == "input_mapping.a"
    assert reason in refused.value.message


def test_a_singular_query_gives_the_value_and_any_other_a_list() -> None:
    """What the query is decides it, not what the event holds, so that an input always has the same shape."""
    made = shaped(
        input_mapping={
            "repo": "$.payload.repo",
            "first": "$.payload.commits[0].id",
            "null": "$.payload.assignee",
            "missing": "$.payload.nothing",
            "ids": "$.payload.commits[*].id",
            "by_bea": "$.payload.commits[?@.author.name == 'bea'].id",
            "none": "$.payload.nothing[*]",
            "one": "$.payload.commits[1:2].id",
            "chain": "$.lineage.trigger_chain",
            "who": "$.trigger.agent_id",
        }
    ).input
    assert made == {
        "repo": "acme/site",
        "first": "c1",
        "null": None,
        "ids": [commit["id"] for commit in PAYLOAD["commits"]],
        "by_bea": ["c1", "c3"],
        "none": [],
        "one": ["c2"],
        "chain": ["t0", "t1"],
        "who": "reviewer",
    }
