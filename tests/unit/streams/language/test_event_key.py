"""Event keys: which source and type a row listens to, and what is refused when it is written."""

import random
import re
import time

import pytest

from streams.errors import InvalidTrigger
from streams.language.event_key import (
    MAXIMUM_PATTERN_CHARACTERS,
    MAXIMUM_SOURCES,
    EventKey,
    compile_glob,
    compile_pattern,
    parse_event_key,
)


@pytest.mark.parametrize(
    ("expression", "pattern", "key", "is_exact"),
    [
        ("sports_feed:goal", None, EventKey(("sports_feed",), "goal"), True),
        ("s3:ObjectCreated:Put", None, EventKey(("s3",), "ObjectCreated:Put"), True),
        ("[sports_feed, stats_feed]:goal", None, EventKey(("sports_feed", "stats_feed"), "goal"), True),
        ("[https://example.com/feed]:goal", None, EventKey(("https://example.com/feed",), "goal"), True),
        ("[a,a,b]:x", None, EventKey(("a", "b"), "x"), True),
        ("error.*:*", None, EventKey(("error.*",), "*"), False),
        ("*:goal", None, EventKey(("*",), "goal"), False),
        ("[a,b.*]:x", None, EventKey(("a", "b.*"), "x"), False),
        ("sports_feed:goal", ".*l", EventKey(("sports_feed",), "goal", ".*l"), False),
        ("", "feed:.*", EventKey(("*",), "*", "feed:.*"), False),
    ],
)
def test_an_expression_is_understood(expression: str, pattern: str | None, key: EventKey, is_exact: bool) -> None:
    """One source, several, wildcards, a pattern; only plain names are exact."""
    assert parse_event_key(expression, pattern) == key
    assert key.is_exact is is_exact


@pytest.mark.parametrize(
    ("expression", "pattern", "source", "event_type", "matches"),
    [
        ("feed:goal", None, "feed", "goal", True),
        ("feed:goal", None, "feed", "goals", False),
        ("feed:goal", None, "Feed", "goal", False),
        ("error.*:*", None, "error.db", "timeout", True),
        ("error.*:*", None, "error.", "x", True),
        ("error.*:*", None, "error", "x", False),
        ("error.*:*", None, "errors", "x", False),
        ("*:goal", None, "any source at all", "goal", True),
        ("*_feed:g*l", None, "sports_feed", "goal", True),
        ("*_feed:g*l", None, "sports_feed", "gl", True),
        ("*_feed:g*l", None, "sports_feed", "g", False),
        ("f?ed:[g]oal", None, "feed", "goal", False),
        ("[a,b.*]:x", None, "b.c", "x", True),
        ("[a,b.*]:x", None, "c", "x", False),
        ("", "(sports|stats)_.*:goal", "stats_feed", "goal", True),
        ("", "(sports|stats)_.*:goal", "stats_feed", "own_goal", False),
        ("", "goal", "feed", "goal", False),
        ("feed:*", ".*:(goal|card)", "feed", "card", True),
        ("feed:*", ".*:(goal|card)", "other", "card", False),
        ("", "(?i)FEED:é.", "feed", "éa", True),
    ],
)
def test_a_key_matches_whole_names(expression: str, pattern: str | None, source: str, event_type: str, matches: bool) -> None:
    """* is any run of characters and nothing else is special; a pattern speaks of all of source:type."""
    if expression == "f?ed:[g]oal":
        assert EventKey(("f?ed",), "[g]oal").matches(source, event_type) is matches
    else:
        assert parse_event_key(expression, pattern).matches(source, event_type) is matches


def test_a_glob_agrees_with_its_regular_expression() -> None:
    """50,000 random globs and names, stars next to each other and overlapping ends among them."""
    chance = random.Random(3)
    for _ in range(50_000):
        glob = "".join(chance.choices("ab*", k=chance.randrange(1, 7)))
        name = "".join(chance.choices("ab", k=chance.randrange(8)))
        expected = re.fullmatch(".*".join(map(re.escape, glob.split("*"))), name) is not None
        assert compile_glob(glob)(name) is expected, (glob, name)


@pytest.mark.parametrize(
    ("expression", "pattern", "path", "accepted"),
    [
        ("", None, "schedule_expression", "sports_feed:goal"),
        ("goal", None, "schedule_expression", "sports_feed:goal"),
        ("feed:", None, "schedule_expression", "the type must be"),
        (":goal", None, "schedule_expression", "the source must be"),
        ("[a,b]", None, "schedule_expression", "[sports_feed,stats_feed]:goal"),
        ("[a,b:goal", None, "schedule_expression", "[sports_feed,stats_feed]:goal"),
        ("[]:goal", None, "schedule_expression", "the source must be"),
        ("[a,]:goal", None, "schedule_expression", "the source must be"),
        ("feed:[goal,card]", None, "schedule_expression", ".*:(goal|card)"),
        ("feed:go\nal", None, "schedule_expression", "control character"),
        ("feed:" + "x" * 257, None, "schedule_expression", "at most 256"),
        (f"[{','.join(map(str, range(MAXIMUM_SOURCES + 1)))}]:x", None, "schedule_expression", "at most 1000"),
        ("goal", "feed:.*", "schedule_expression", "sports_feed:goal"),
        ("", "", "pattern", ".*:(goal|card)"),
        ("", "(", "pattern", "missing )"),
        ("", "(?=x)", "pattern", "invalid perl operator"),
        ("", r"(a)\1", "pattern", "invalid escape sequence"),
        ("", "x{2000}", "pattern", "invalid repetition size"),
        ("", r"(\pL{1,100}){10}", "pattern", "too large"),
        ("", "x" * (MAXIMUM_PATTERN_CHARACTERS + 1), "pattern", "1000 characters"),
        ("", "\ud800", "pattern", "surrogate"),
        ("", "a\0", "pattern", "regular expression"),
    ],
)
def test_a_wrong_key_is_refused_with_what_is_accepted(expression: str, pattern: str | None, path: str, accepted: str) -> None:
    """The error names the column; a bad pattern carries RE2's own reason."""
    with pytest.raises(InvalidTrigger) as refused:
        parse_event_key(expression, pattern)
    assert refused.value.path == path
    assert accepted in refused.value.message


@pytest.mark.parametrize("pattern", ["(a+)+b:x", "(a|aa)*b:x", "(.*a){12}b:x", ".{1,200}b:.{1,40}"])
def test_no_pattern_can_hang_a_worker(pattern: str) -> None:
    """What takes other engines hours is over in milliseconds on the longest names there are."""
    test = compile_pattern(pattern)
    started = time.perf_counter()
    for _ in range(10):
        assert test("a" * 256 + ":" + "x" * 256) is False
    assert time.perf_counter() - started < 1


def test_a_name_that_is_no_unicode_is_judged_too() -> None:
    """A lone surrogate in a name is a character like any other, never an error."""
    assert parse_event_key("*:x", ".*:x").matches("\ud800", "x") is True
    assert parse_event_key("*:x", "a*:x").matches("\ud800", "x") is False
