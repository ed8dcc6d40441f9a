"""Dead letters: a record that cannot be handled goes to `dead` with its reason and where it lay (invariant 6)."""

from collections.abc import Sequence

from streams.settings import Settings
from streams.topics import DEAD

Headers = list[tuple[str, bytes]]


def dead_letter_topic(settings: Settings) -> str:
    """The dead-letter topic's full name."""
    return DEAD.full_name(settings)


def dead_letter_headers(
    headers: Sequence[tuple[str, bytes]], topic: str, partition: int, offset: int, stage: str, error: str
) -> Headers:
    """The headers of a dead letter: the record's own, then its coordinates, the stage that gave up on it, and why."""
    return [
        *headers,
        ("topic", topic.encode()),
        ("partition", str(partition).encode()),
        ("offset", str(offset).encode()),
        ("stage", stage.encode()),
        ("error", error.encode(errors="replace")),
    ]
