"""JSON values as templates and queries see them: what a name leads to, what is true, how a value reads as text. Pure."""

import math
from collections.abc import Callable
from typing import Any

from streams.language.comparison import MISSING, is_number, is_scalar, same
from streams.shaping.budget import Budget, Refused, encode

COMPARED_BYTES_PER_STEP = 8
"""Lists and objects are compared in Python, member by member; two bytes of JSON hold one."""
LARGEST_NUMBER = 2**63
"""Numbers that are worked out stay within 64 bits: larger ones cost ever more, and few readers of JSON take them."""


def member(value: Any, key: Any) -> Any:
    """The member of an object by its name or of a list by its index, -1 the last. MISSING when there is none."""
    if value.__class__ is dict:
        return value.get(key, MISSING) if key.__class__ is str else MISSING
    if value.__class__ is list and key.__class__ is int and -len(value) <= key < len(value):
        return value[key]
    return MISSING


def is_true(value: Any) -> bool:
    """What `if` takes for true: all but false, null, what is missing, 0 and what is empty."""
    return value is not MISSING and bool(value)


def text_of(value: Any) -> str:
    """A value within a text: a text as it is, nothing for null and what is missing, JSON for the rest."""
    if isinstance(value, str):
        return value
    if value is None or value is MISSING:
        return ""
    return encode(value).decode()


def equal(budget: Budget, left: Any, right: Any) -> bool:
    """JSON equality: types are never coerced. What is missing equals itself only."""
    if left is MISSING or right is MISSING:
        return left is right
    if not (is_scalar(left) or is_scalar(right)):
        budget.read(left, COMPARED_BYTES_PER_STEP)
        budget.read(right, COMPARED_BYTES_PER_STEP)
    elif left.__class__ is str and right.__class__ is str:
        budget.read(left)
    return same(left, right)


def less(budget: Budget, left: Any, right: Any) -> bool:
    """Order among numbers or among texts; false for all else, as in a filter."""
    if left.__class__ is str and right.__class__ is str:
        budget.read(left)
        return bool(left < right)
    return is_number(left) and is_number(right) and bool(left < right)


def is_in(budget: Budget, value: Any, container: Any) -> bool:
    """Whether a text holds a text, a list a value, an object a name."""
    if container.__class__ is list:
        budget.spend(len(container))
        return any(equal(budget, value, item) for item in container)
    if container.__class__ is str:
        budget.read(container)
    return value.__class__ is str and isinstance(container, (str, dict)) and value in container


COMPARISONS: dict[str, Callable[[Budget, Any, Any], bool]] = {
    "==": equal,
    "!=": lambda budget, left, right: not equal(budget, left, right),
    "<": less,
    ">": lambda budget, left, right: less(budget, right, left),
    "<=": lambda budget, left, right: less(budget, left, right) or equal(budget, left, right),
    ">=": lambda budget, left, right: less(budget, right, left) or equal(budget, left, right),
    "in": is_in,
    "not in": lambda budget, left, right: not is_in(budget, left, right),
}
"""Of two values, neither of them coerced: whether they compare so. None of them raises anything but Refused."""


def checked(number: float) -> float:
    """A number that was worked out. Raises Refused when it is none that JSON can hold in 64 bits."""
    if not (abs(number) <= LARGEST_NUMBER if isinstance(number, int) else math.isfinite(number)):
        raise Refused("works out a number that is too large: 64 bits are kept")
    return number


def kind_of(value: Any) -> str:
    """What a value is, in words."""
    if value is None or value is MISSING:
        return "nothing"
    if is_number(value):
        return "a number"
    return {str: "a text", bool: "true or false", list: "a list", dict: "an object"}[value.__class__]
