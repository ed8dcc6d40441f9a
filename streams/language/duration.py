"""A length of time as people write it: `500ms`, `30s`, `5m`, `2h`, `1d`. Pure."""

import re

from streams.errors import InvalidTrigger

UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")


def parse_duration(value: object, where: str, maximum: str) -> int:
    """A duration in milliseconds: more than nothing, and at most `maximum`, which is written the same way.

    Raises InvalidTrigger naming `where` and what is accepted. A number is no duration: it would not say of what.
    """
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidTrigger(where, f"must be a whole number and a unit, {', '.join(UNITS_MS)}, such as 30s or 5m")
    duration_ms = int(found[1]) * UNITS_MS[found[2]]
    number, unit = _DURATION.fullmatch(maximum).groups()  # type: ignore[union-attr]  # written in our own code
    if not 0 < duration_ms <= int(number) * UNITS_MS[unit]:
        raise InvalidTrigger(where, f"is {value}; more than nothing and at most {maximum} is accepted")
    return duration_ms
