"""The index of all enabled triggers: which of them does this event match? Pure: the rule beside the match stage.

A trigger is filed under its event key, then under the value of one equality of its filter, or under each value of an `in`;
what is left of the filter is a closure. So an event touches only the triggers that share its key and that value. Changing
one row costs one row.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from streams.event import Event
from streams.filter import Predicate, Test, compile_filter, field_getter, is_scalar, scalar_key
from streams.trigger import Condition, Trigger, parse_condition

Path = tuple[str, ...]
Filed = dict[str, tuple[Test, str]]
"""Trigger id → what is left of its filter, and its workspace."""


class Shelf(NamedTuple):
    """The triggers of one source:type: those without an equality or an `in`, and the others by field and value."""

    plain: Filed
    by_field: dict[Path, tuple[Callable[[Any], Any], dict[object, Filed]]]


class Index:
    """All triggers by what they ask for. Adding a trigger that is already there replaces it."""

    def __init__(self) -> None:
        self.conditions: dict[str, Condition] = {}
        self._by_key: dict[tuple[str, str], Shelf] = {}
        self._by_watch: dict[str, set[str]] = {}

    def add(self, trigger: Trigger) -> Condition:
        """File a trigger. Raises InvalidTrigger when its condition cannot be understood."""
        condition = parse_condition(trigger)
        self.remove(trigger.id)
        self.conditions[trigger.id] = condition
        if condition.watch is not None:
            self._by_watch.setdefault(condition.watch.id, set()).add(trigger.id)
        chooser, rest = _split(condition.predicates)
        entry = compile_filter(rest), trigger.workspace
        for filed in self._drawers(condition, chooser):
            filed[trigger.id] = entry
        return condition

    def remove(self, trigger_id: str) -> Condition | None:
        """Take a trigger out; what it asked for, None when it was not there."""
        condition = self.conditions.pop(trigger_id, None)
        if condition is None:
            return None
        if condition.watch is not None:
            users = self._by_watch[condition.watch.id]
            users.discard(trigger_id)
            if not users:
                del self._by_watch[condition.watch.id]
        chooser, _ = _split(condition.predicates)
        for filed in self._drawers(condition, chooser):
            filed.pop(trigger_id, None)
        self._tidy(condition, chooser)
        return condition

    def matches(self, event: Event) -> Sequence[str]:
        """The ids of the triggers this event matches. A crossing concerns those who asked for exactly its watch."""
        if event.watch:
            return tuple(self._by_watch.get(event.watch, ()))
        shelf = self._by_key.get((event.source, event.type))
        if shelf is None:
            return ()
        matched = _passing(shelf.plain, event)
        for get, by_value in shelf.by_field.values():
            value = get(event.payload)
            if is_scalar(value):
                filed = by_value.get(scalar_key(value))
                if filed:
                    matched += _passing(filed, event)
        return matched

    def _drawers(self, condition: Condition, chooser: Predicate | None) -> list[Filed]:
        shelf = self._by_key.setdefault((condition.source, condition.type), Shelf({}, {}))
        if chooser is None:
            return [shelf.plain]
        _, by_value = shelf.by_field.setdefault(chooser.path, (field_getter(chooser.path), {}))
        return [by_value.setdefault(value, {}) for value in _values(chooser)]

    def _tidy(self, condition: Condition, chooser: Predicate | None) -> None:
        key = condition.source, condition.type
        shelf = self._by_key[key]
        if chooser is not None:
            _, by_value = shelf.by_field[chooser.path]
            for value in _values(chooser):
                if not by_value[value]:
                    del by_value[value]
            if not by_value:
                del shelf.by_field[chooser.path]
        if not shelf.plain and not shelf.by_field:
            del self._by_key[key]


def _split(predicates: tuple[Predicate, ...]) -> tuple[Predicate | None, tuple[Predicate, ...]]:
    """The predicate a trigger is filed under, an equality before an `in`, and those that are left to be tested."""
    equal = [predicate for predicate in predicates if predicate.operator == "eq" and is_scalar(predicate.value)]
    for chooser in (*equal, *(predicate for predicate in predicates if predicate.operator == "in")):
        return chooser, tuple(other for other in predicates if other is not chooser)
    return None, predicates


def _values(chooser: Predicate) -> set[object]:
    return {scalar_key(value) for value in (chooser.value if chooser.operator == "in" else [chooser.value])}


def _passing(filed: Filed, event: Event) -> list[str]:
    bound, payload = event.workspace, event.payload
    return [
        trigger_id for trigger_id, (test, workspace) in filed.items() if (not bound or bound == workspace) and test(payload)
    ]
