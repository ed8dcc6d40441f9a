"""What a watch asks of an event, one check at a time: whether it is looked at, its side, and whether it crossed. Pure."""

from collections.abc import Iterator

from streams.check import Check, check_clauses, shown
from streams.event import Event
from streams.language.comparison import RANGES, is_number, is_scalar
from streams.language.filter import Path, Predicate, field_value
from streams.language.watch import ABOVE, ANY_CHANGE, BELOW, Watch


def is_crossing(event: Event, watch: Watch) -> bool:
    """Whether an event is a crossing itself, of whichever watch, or looks like one that a feed has sent."""
    return bool(event.watch) or (
        watch.terms is None and (event.type == watch.event_type or event.type.endswith((ABOVE, BELOW)))
    )


def check_own(event: Event, watch: Watch) -> Check:
    """A crossing concerns those who asked for exactly its watch."""
    note = ""
    if not event.watch:
        note = "a feed sent this crossing; a trigger learns only from those that touchline itself detects"
    elif event.watch != watch.id:
        note = "the crossing is of another threshold or value; a trigger learns only from its own"
    return Check("crossing", not note, "eq", watch.id, event.watch, note)


def check_input(event: Event, watch: Watch) -> list[Check]:
    """Whether the watch looks at this event, and whether what it finds there is such that it can cross."""
    checks = [Check("source", event.source == watch.source, "eq", watch.source, event.source)]
    if watch.terms is not None and watch.terms.input_type is not None:
        checks.append(Check("type", event.type == watch.terms.input_type, "eq", watch.terms.input_type, event.type))
    checks += check_clauses((Predicate(path, "eq", value) for path, value in watch.chosen_by), event.payload)
    checks += _check_keys(event, watch)
    return [*checks, _check_change(event, watch) if watch.operator == ANY_CHANGE else _check_side(event, watch)]


def check_crossed(watch: Watch, crossing: Event | None) -> Check:
    """Whether an event that could cross did."""
    if crossing is not None:
        return Check("crossed", True, found=crossing.id)
    if watch.operator == ANY_CHANGE:
        return Check("crossed", False, note=f"{_name(watch.field)} is what it was before, or was seen first")
    held_for_ms = watch.terms.held_for_ms if watch.terms is not None else 0
    late = f", or has not stayed there for {held_for_ms / 1000:g} s" if held_for_ms else ""
    note = f"{_name(watch.field)} did not cross {watch.threshold}: it was on this side before, or was seen first{late}"
    return Check("crossed", False, note=note)


def _check_keys(event: Event, watch: Watch) -> Iterator[Check]:
    for path in watch.terms.key or () if watch.terms is not None else ():
        value = field_value(path, event.payload)
        note = "" if is_scalar(value) else f"{_name(path)} is part of the key, and is missing or no single value"
        yield Check(_name(path), not note, "exists", True, note=note)


def _check_change(event: Event, watch: Watch) -> Check:
    name, value = _name(watch.field), field_value(watch.field, event.payload)
    if not is_scalar(value):
        return Check(name, False, "exists", True, note=f"{name} is missing or no single value, so it did not change")
    return Check(name, True, "exists", True, value)


def _check_side(event: Event, watch: Watch) -> Check:
    name, value = _name(watch.field), field_value(watch.field, event.payload)
    if not is_number(value):
        return Check(name, False, watch.operator, watch.threshold, note=f"{name} is no number, so nothing could cross")
    across = RANGES[watch.operator](value, watch.threshold)
    if across or _is_back(value, watch):
        return Check(name, True, watch.operator, watch.threshold, value, note="" if across else "back, which is told too")
    band = f", within its hysteresis of {watch.terms.hysteresis}" if watch.terms is not None and _tells_back(watch) else ""
    note = f"{name} is {shown(value)}, which does not lie across the threshold ({watch.operator} {watch.threshold}){band}"
    return Check(name, False, watch.operator, watch.threshold, value, note)


def _tells_back(watch: Watch) -> bool:
    return watch.terms is not None and watch.terms.direction == "both"


def _is_back(value: float, watch: Watch) -> bool:
    if watch.terms is None or not _tells_back(watch):
        return False
    return value < (watch.terms.release if watch.terms.hysteresis else watch.threshold or 0)


def _name(path: Path) -> str:
    return ".".join(path)
