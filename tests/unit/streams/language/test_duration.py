"""Durations: what people write, and nothing that could be misread."""

import pytest

from streams.errors import InvalidTrigger
from streams.language.duration import parse_duration


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("1d", 86_400_000), ("7d", 604_800_000)],
)
def test_a_duration_is_a_number_and_its_unit(text: str, milliseconds: int) -> None:
    """Up to the longest that is accepted."""
    assert parse_duration(text, "window", "7d") == milliseconds


@pytest.mark.parametrize(
    "given", ["", "30", 30, None, True, "s", "-1s", "1.5h", "1h30m", " 1s", "1s\n", "1w", "\u0661s", "1M", "9" * 10 + "s"]
)
def test_anything_else_is_refused(given: object) -> None:
    """A number alone does not say of what."""
    with pytest.raises(InvalidTrigger, match="30s"):
        parse_duration(given, "window", "7d")


@pytest.mark.parametrize("given", ["0s", "8d", "604800001ms"])
def test_too_little_and_too_much_are_refused(given: str) -> None:
    """The message says what is accepted at most."""
    with pytest.raises(InvalidTrigger, match="at most 7d"):
        parse_duration(given, "window", "7d")
