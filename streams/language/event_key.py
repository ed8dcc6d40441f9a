"""An event key: which events a trigger listens to, by source and type. Pure.

sports_feed:goal                   one source, one type; a type may hold colons, a source in brackets may too
error.*:*    *:goal                * stands for any run of characters, none included, anywhere; nothing else is special
[sports_feed, stats_feed]:goal     any of these sources
pattern: "(sports|stats)_.*:goal"  RE2 (https://github.com/google/re2/wiki/Syntax) over the whole of source:type
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import re2  # type: ignore[import-untyped]  # google-re2 ships without types

from streams.errors import InvalidEvent, InvalidTrigger
from streams.event import check_name

EVERYTHING = "*:*"
"""The expression of a row that only gives a pattern."""
MAXIMUM_SOURCES = 1_000
"""The sources one key may list; above that, a wildcard or a pattern says it shorter."""
MAXIMUM_PATTERN_CHARACTERS = 1_000
MAXIMUM_PATTERN_BYTES = 262_144
"""What one compiled pattern may take, its automaton's cache included; `.{1,255}:.{1,255}` fits, a usual one takes 5 KB."""

ACCEPTED = "source:type is accepted, such as sports_feed:goal, error.*:* or [sports_feed,stats_feed]:goal"

TextTest = Callable[[str], bool]


class EventKey(NamedTuple):
    """`sources` are names or globs, of which one must match, and so is `type`; `pattern` narrows further."""

    sources: tuple[str, ...]
    type: str
    pattern: str | None = None

    @property
    def is_exact(self) -> bool:
        """Whether every part is a plain name, so that each source with the type can be looked up."""
        return self.pattern is None and "*" not in self.type and "*" not in "".join(self.sources)

    def matches(self, source: str, event_type: str) -> bool:
        """Whether an event of this source and type is meant."""
        if not compile_glob(self.type)(event_type) or not any(compile_glob(one)(source) for one in self.sources):
            return False
        return self.pattern is None or compile_pattern(self.pattern)(f"{source}:{event_type}")


@lru_cache(maxsize=10_000)  # a million rows share a few keys
def parse_event_key(expression: str, pattern: str | None = None) -> EventKey:
    """Read a row's `schedule_expression` and `pattern`; with a pattern the expression may be empty.

    Raises InvalidTrigger naming the column and what is accepted.
    """
    if pattern is not None:
        compile_pattern(pattern)
    sources, event_type = split_expression(expression or EVERYTHING if pattern is not None else expression)
    return EventKey(sources, event_type, pattern)


def split_expression(expression: str) -> tuple[tuple[str, ...], str]:
    """The sources and the type of an expression. Raises InvalidTrigger."""
    if expression.startswith("["):
        listed, found, event_type = expression[1:].partition("]:")
        sources = tuple(dict.fromkeys(source.strip() for source in listed.split(",")))
    else:
        source, found, event_type = expression.partition(":")
        sources = (source,)
    if not found:
        raise InvalidTrigger("schedule_expression", f"is no event key; {ACCEPTED}")
    if len(sources) > MAXIMUM_SOURCES:
        raise InvalidTrigger("schedule_expression", f"lists {len(sources)} sources; at most {MAXIMUM_SOURCES} are accepted")
    if event_type.startswith("["):
        raise InvalidTrigger("schedule_expression", f"lists types; give a pattern, such as .*:(goal|card). {ACCEPTED}")
    try:
        for source in sources:
            check_name("source", source)
        check_name("type", event_type)
    except InvalidEvent as error:
        raise InvalidTrigger("schedule_expression", f"the {error.path} {error.message}; {ACCEPTED}") from error
    return sources, event_type


@lru_cache(maxsize=10_000)
def compile_glob(glob: str) -> TextTest:
    """The test of a name against one part of a key."""
    first, *others = glob.split("*")
    if not others:
        return lambda name: name == glob
    *middle, last = others
    shortest = len(first) + len(last)

    def test(name: str) -> bool:
        if len(name) < shortest or not name.startswith(first) or not name.endswith(last):
            return False
        place, end = len(first), len(name) - len(last)
        for part in middle:  # the leftmost place for each part leaves most room for those behind it
            found = name.find(part, place, end)
            if found < 0:
                return False
            place = found + len(part)
        return True

    return test


@lru_cache(maxsize=1_000)
def compile_pattern(pattern: str) -> TextTest:
    """The test of a whole `source:type` against a pattern. It takes time in proportion to the text, whatever the pattern.

    Raises InvalidTrigger with RE2's reason.
    """
    if not pattern or "\0" in pattern:
        raise InvalidTrigger("pattern", "must be a regular expression over source:type, such as .*:(goal|card)")
    if len(pattern) > MAXIMUM_PATTERN_CHARACTERS:
        raise InvalidTrigger("pattern", f"is longer than the {MAXIMUM_PATTERN_CHARACTERS} characters that are accepted")
    try:
        regular_expression = re2.compile(pattern, _pattern_options())
    except UnicodeEncodeError as error:
        raise InvalidTrigger("pattern", "holds half a surrogate pair; Unicode text is accepted") from error
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise InvalidTrigger("pattern", f"is no regular expression that RE2 accepts: {reason}") from error
    full_match = regular_expression.fullmatch
    return lambda text: full_match(text.encode(errors="replace")) is not None


def _pattern_options() -> "re2.Options":
    options = re2.Options()
    options.max_mem = MAXIMUM_PATTERN_BYTES
    options.log_errors = False
    options.never_capture = True
    return options
