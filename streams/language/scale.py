"""Ordered scales: what "at least high" means. A comparison of words becomes the list of the words it holds for. Pure."""

from collections.abc import Mapping, Sequence

from streams.errors import InvalidTrigger

DEFAULT_SCALE = ("debug", "info", "low", "notice", "medium", "warning", "high", "error", "critical")
"""From least to most. The words of logs and those of alerts are one order: low, medium and high lie just below the notice,
warning and error of a log, so that "at least high" includes errors."""

Scales = Mapping[str, Sequence[str]]
"""A workspace's own scales, each from least to most, by the field they are for; that of `*` is for every other field."""


def words_that(operator: str, word: str, field: str, scales: Scales, where: str) -> list[str]:
    """The words of `field`'s scale that are `operator` (gt, gte, lt, lte) than `word`, in the scale's order.

    Raises InvalidTrigger naming the scale's words when it lacks this one, or when none is beyond it.
    """
    scale = scales.get(field) or scales.get("*") or DEFAULT_SCALE
    if word not in scale:
        raise InvalidTrigger(where, f"{word[:40]!r} is not on the scale of {field}, which is: {', '.join(scale)}")
    place = list(scale).index(word)
    words = {"gt": scale[place + 1 :], "gte": scale[place:], "lt": scale[:place], "lte": scale[: place + 1]}[operator]
    if not words:
        raise InvalidTrigger(where, f"holds for no word: {word} ends the scale of {field}, which is: {', '.join(scale)}")
    return list(words)
