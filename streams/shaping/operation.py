"""What the parts of an expression do when it runs, each a closure over its operands that counts its steps. Pure."""

import operator
from collections.abc import Callable
from typing import Any

from streams.language.comparison import MISSING, is_number
from streams.shaping.budget import Refused
from streams.shaping.scope import Evaluate, Scope
from streams.shaping.value import COMPARISONS, checked, is_true, kind_of, member, text_of

ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}


def constant(value: Any, steps: int = 1) -> Evaluate:
    """The same value always."""

    def evaluate(scope: Scope) -> Any:
        scope.budget.spend(steps)
        return value

    return evaluate


def named(name: str, keys: list[Any]) -> Evaluate:
    """A name, and the members that follow it."""
    steps = 1 + len(keys)

    def evaluate(scope: Scope) -> Any:
        scope.budget.spend(steps)
        value = scope.names.get(name, MISSING)
        for key in keys:
            value = member(value, key)
        return value

    return evaluate


def members(base: Evaluate, keys: list[Any]) -> Evaluate:
    """The members that follow anything else than a name."""

    def evaluate(scope: Scope) -> Any:
        scope.budget.spend(len(keys))
        value = base(scope)
        for key in keys:
            value = member(value, key)
        return value

    return evaluate if keys else base


def item(base: Evaluate, key: Evaluate) -> Evaluate:
    """The member whose name or index is worked out."""

    def evaluate(scope: Scope) -> Any:
        scope.budget.spend(1)
        return member(base(scope), key(scope))

    return evaluate


def part(base: Evaluate, start: Evaluate, stop: Evaluate) -> Evaluate:
    """Some of a list or of a text."""

    def evaluate(scope: Scope) -> Any:
        value, bounds = base(scope), (start(scope), stop(scope))
        if not all(bound is None or bound.__class__ is int for bound in bounds):
            raise Refused("[start:stop] takes whole numbers")
        if value.__class__ is not list and value.__class__ is not str:
            return MISSING
        found = value[slice(*bounds)]
        scope.budget.spend(1 + len(found))
        return found

    return evaluate


def both(left: Evaluate, right: Evaluate) -> Evaluate:
    """`and`: the left one if it is not true, else the right one."""

    def evaluate(scope: Scope) -> Any:
        value = left(scope)
        return right(scope) if is_true(value) else value

    return evaluate


def either(left: Evaluate, right: Evaluate) -> Evaluate:
    """`or`: the left one if it is true, else the right one."""

    def evaluate(scope: Scope) -> Any:
        value = left(scope)
        return value if is_true(value) else right(scope)

    return evaluate


def joined(parts: list[Evaluate]) -> Evaluate:
    """`~`: the texts of all parts, one behind the other."""

    def evaluate(scope: Scope) -> Any:
        values = [each(scope) for each in parts]
        for value in values:
            scope.budget.read(value)
        return "".join(map(text_of, values))

    return evaluate


def compared(first: Evaluate, rest: list[tuple[str, Evaluate]]) -> Evaluate:
    """`a < b <= c`. What is missing compares as null."""
    comparisons = [(COMPARISONS[symbol], operand) for symbol, operand in rest]

    def evaluate(scope: Scope) -> bool:
        left = _nothing_as_null(first(scope))
        for comparison, operand in comparisons:
            right = _nothing_as_null(operand(scope))
            if not comparison(scope.budget, left, right):
                return False
            left = right
        return True

    return evaluate


def _nothing_as_null(value: Any) -> Any:
    return None if value is MISSING else value


def worked_out(symbol: str, left: Evaluate, right: Evaluate) -> Evaluate:
    """Arithmetic on numbers; + joins texts too."""
    work_out = ARITHMETIC[symbol]

    def evaluate(scope: Scope) -> Any:
        one, other = left(scope), right(scope)
        scope.budget.spend(1)
        if symbol == "+" and one.__class__ is str and other.__class__ is str:
            scope.budget.read(one)
            scope.budget.read(other)
            return one + other
        if not is_number(one) or not is_number(other):
            raise Refused(f"{symbol} takes two numbers, and found {kind_of(one)} and {kind_of(other)}")
        try:
            return checked(work_out(checked(one), checked(other)))
        except ZeroDivisionError as error:
            raise Refused(f"{symbol} divides by zero") from error

    return evaluate


def negative(operand: Evaluate) -> Evaluate:
    """The number below zero that is as far from it."""

    def evaluate(scope: Scope) -> Any:
        value = operand(scope)
        if not is_number(value):
            raise Refused(f"- takes a number, and found {kind_of(value)}")
        return -checked(value)

    return evaluate


def filtered(work: Callable[..., Any], operand: Evaluate, given: list[Evaluate], by_name: dict[str, Evaluate]) -> Evaluate:
    """What a filter makes of a value."""

    def evaluate(scope: Scope) -> Any:
        value = operand(scope)
        scope.budget.spend(1)
        arguments = [argument(scope) for argument in given]
        return work(scope.budget, value, *arguments, **{name: argument(scope) for name, argument in by_name.items()})

    return evaluate
