"""A watch: one value, and the threshold whose crossing a trigger asked to be told of. Pure.

`{"symbol": "AAPL", "price": {"gte": 100}}` on `stocks:price_cross_above` watches, in every event of source `stocks`
whose `symbol` is "AAPL", the number in `price`: it crosses when it goes from below 100 to 100 or above. The
equalities choose the value; without one, each subject (or the whole source) is a value of its own.
"""

from typing import Any, NamedTuple

import msgspec

from streams.errors import InvalidTrigger
from streams.event import derived_id
from streams.filter import Predicate, is_scalar

ABOVE, BELOW = "_cross_above", "_cross_below"
_OPERATORS = {ABOVE: ("gte", "gt"), BELOW: ("lte", "lt")}


class Watch(NamedTuple):
    """What to look at and for. Two triggers that ask the same share one watch; two workspaces never do.

    `chosen_by` are the equalities; the value is across when `operator` holds between it and `threshold`.
    """

    id: str
    source: str
    field: tuple[str, ...]
    chosen_by: tuple[tuple[tuple[str, ...], Any], ...]
    operator: str
    threshold: float
    event_type: str
    workspace: str


def parse_watch(workspace: str, source: str, event_type: str, predicates: tuple[Predicate, ...]) -> Watch | None:
    """The watch a trigger on `source:event_type` implies; None when the type is no crossing.

    Raises InvalidTrigger when the type is a crossing but the filter names no single threshold.
    """
    suffix = next((end for end in (ABOVE, BELOW) if event_type.endswith(end) and event_type != end), None)
    if suffix is None:
        return None
    name = event_type.removesuffix(suffix)
    field = tuple(name.split("."))
    example = f'{{"{name}": {{"{_OPERATORS[suffix][0]}": 100}}}}'
    thresholds = [predicate for predicate in predicates if predicate.path == field]
    if len(thresholds) != 1 or thresholds[0].operator not in _OPERATORS[suffix]:
        raise InvalidTrigger(f"match_filter.{name}", f"must give the one threshold to watch, such as {example}")
    others = [predicate for predicate in predicates if predicate.path != field]
    for predicate in others:
        if predicate.operator != "eq" or not is_scalar(predicate.value):
            raise InvalidTrigger(
                f"match_filter.{'.'.join(predicate.path)}",
                f"next to the threshold a crossing takes equalities, which choose the value to watch, such as {example}",
            )
    chosen_by = tuple(sorted((predicate.path, predicate.value) for predicate in others))
    operator, threshold = thresholds[0].operator, thresholds[0].value
    identity = msgspec.json.encode([workspace, source, event_type, chosen_by, operator, float(threshold)]).decode()
    return Watch(derived_id("watch", identity), source, field, chosen_by, operator, threshold, event_type, workspace)
