"""Regular expressions within JSONPath: `match()` and `search()` take I-Regexps (RFC 9485), which run as RE2. Pure.

RE2's time is linear in the text, so no pattern hangs; the rest of its cost is counted. What RE2 has beyond the RFC works too,
such as (?i). What neither can read matches nothing when it comes from an event, as the RFC says; in a trigger it is refused.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import re2  # type: ignore[import-untyped]  # google-re2 ships without types

from streams.errors import InvalidTrigger
from streams.shaping.budget import Budget

MAXIMUM_PATTERN_BYTES = 65_536
"""What one compiled pattern may take, its automaton's cache included; a usual one takes 5 KB."""
MAXIMUM_FOUND_CHARACTERS = 100
"""A pattern that comes from the event and is longer matches nothing."""
COMPILED_STEPS = 500
"""What a pattern from the event costs, whether or not it is remembered: a replay must come out the same."""
INSTRUCTIONS_PER_STEP = 256
"""Bytes of text times instructions of the pattern's program that take a microsecond when RE2 must follow all at once."""


class Expression(NamedTuple):
    """A pattern, ready to run. `size` is the length of its program in instructions."""

    compiled: Any
    size: int

    def is_in(self, text: str, *, whole: bool, budget: Budget) -> bool:
        """Whether it matches the whole of a text, or is found within. Raises Refused."""
        value = text.encode()
        budget.spend(1 + len(value) * self.size // INSTRUCTIONS_PER_STEP)
        return (self.compiled.fullmatch(value) if whole else self.compiled.search(value)) is not None


def compile_written(pattern: str) -> Expression:
    """A pattern that stands in a trigger. Raises InvalidTrigger, its path empty."""
    try:
        return _compile(pattern)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise InvalidTrigger("", f"has a regular expression that RE2 does not accept: {reason}") from error


def compile_found(pattern: str, budget: Budget) -> Expression | None:
    """A pattern that an event brings, None for one that cannot be read. Raises Refused."""
    budget.spend(COMPILED_STEPS)
    return _remembered(pattern) if len(pattern) <= MAXIMUM_FOUND_CHARACTERS else None


@lru_cache(maxsize=1_000)
def _remembered(pattern: str) -> Expression | None:
    try:
        return _compile(pattern)
    except re2.error:
        return None


def _compile(pattern: str) -> Expression:
    options = re2.Options()
    options.max_mem = MAXIMUM_PATTERN_BYTES
    options.log_errors = False
    options.never_capture = True
    compiled = re2.compile(_translated(pattern), options)
    return Expression(compiled, compiled.programsize)


def _translated(pattern: str) -> str:
    """A dot is any character but a line's end, which is two characters to the RFC and one to RE2 (RFC 9485, 5.3)."""
    parts: list[str] = []
    escaped = in_class = False
    for character in pattern:
        parts.append(r"[^\n\r]" if character == "." and not escaped and not in_class else character)
        in_class = in_class if escaped else character == "[" or (in_class and character != "]")
        escaped = character == "\\" and not escaped
    return "".join(parts)
