"""What a trigger costs that no value leads to: said when it is written, never a reason to refuse it. Pure."""

from collections.abc import Iterator

from streams.language.event_key import EVERYTHING, EventKey, split_expression
from streams.matching.lookup import bounds, selective, tests
from streams.trigger import Condition

LOOKED_UP = "eq, in, prefix, contains, or two bounds of one number"


def cost_of(condition: Condition) -> str | None:
    """A warning for who wrote the row, None when nothing but the events it may match will ever touch it."""
    return "; ".join(_costs(condition)) or None


def _costs(condition: Condition) -> Iterator[str]:
    key, clauses = condition.key, condition.clauses
    if condition.watch is not None:
        return
    if key.pattern is not None and (key.sources, key.type) == split_expression(EVERYTHING):
        yield (
            "pattern: is tried on every source:type that comes, once each; "
            "a schedule_expression beside it, such as error.*:*, leaves it fewer"
        )
    if not clauses or next(selective(clauses), None) is not None:
        return
    if next(tests(clauses), None) is not None:
        yield f"match_filter: is tested on every {_told(key)} event; one of {LOOKED_UP} would lead only the right ones to it"
    elif len(clauses) == 1:
        yield f"match_filter: meets every {_told(key)} event on its side of the number; one of {LOOKED_UP} would narrow that"
    elif next(bounds(clauses), None) is not None:
        yield (
            f"match_filter: is tested on every {_told(key)} event on the right side of one of its numbers; "
            f"one of {LOOKED_UP} would narrow that"
        )


def _told(key: EventKey) -> str:
    """The key as a row writes it."""
    sources = key.sources[0] if len(key.sources) == 1 else f"[{','.join(key.sources)}]"
    return f"{sources}:{key.type}"
