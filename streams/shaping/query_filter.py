"""The filters within JSONPath queries: `$.payload.commits[?@.author == 'bea' && match(@.id, 'a[0-9]+')]`. Pure.

What a filter compares is a value, or MISSING where the RFC says Nothing (RFC 9535, 2.3.5 and 2.4).
"""

from collections.abc import Callable
from typing import Any

from jsonpath.filter import (
    BaseExpression,
    FilterExpressionLiteral,
    FilterQuery,
    FunctionExtension,
    InfixExpression,
    Nil,
    PrefixExpression,
    RootFilterQuery,
    StringLiteral,
)

from streams.errors import InvalidTrigger
from streams.language.comparison import MISSING
from streams.shaping.budget import Budget
from streams.shaping.query import Select, compile_segments
from streams.shaping.regexp import compile_found, compile_written
from streams.shaping.value import COMPARISONS

Test = Callable[[Any, Any, Budget], bool]
"""Judges one value, in a whole document. Raises Refused."""
Find = Callable[[Any, Any, Budget], Any]
"""What one side of a comparison stands for."""


def compile_test(expression: BaseExpression) -> Test:
    """The closure that says whether a value passes. Raises InvalidTrigger for what the RFC does not have."""
    if isinstance(expression, FilterQuery):
        nodes = _nodes(expression)
        return lambda current, root, budget: bool(nodes(current, root, budget))
    if isinstance(expression, PrefixExpression):
        operand = compile_test(expression.right)
        return lambda current, root, budget: not operand(current, root, budget)
    if isinstance(expression, FunctionExtension) and expression.name in ("match", "search"):
        return _matching(expression.name, *expression.args)
    if not isinstance(expression, InfixExpression):
        raise _foreign(expression)
    if expression.operator in ("&&", "||"):
        return _both_or_either(expression.operator, compile_test(expression.left), compile_test(expression.right))
    return _comparing(expression.operator, _value(expression.left), _value(expression.right))


def _foreign(expression: BaseExpression) -> InvalidTrigger:
    return InvalidTrigger("", f"{expression} is not part of RFC 9535")


def _nodes(expression: BaseExpression) -> Select:
    if not isinstance(expression, FilterQuery):
        raise _foreign(expression)
    select = compile_segments(expression.path.segments)
    if isinstance(expression, RootFilterQuery):
        return lambda current, root, budget: select(root, root, budget)
    return select


def _value(expression: BaseExpression) -> Find:
    if isinstance(expression, Nil):
        return lambda current, root, budget: None
    if isinstance(expression, FilterExpressionLiteral):
        literal = expression.value
        return lambda current, root, budget: literal
    if isinstance(expression, FilterQuery):
        return _only(_nodes(expression))
    if isinstance(expression, FunctionExtension) and expression.name == "count":
        nodes = _nodes(expression.args[0])
        return lambda current, root, budget: len(nodes(current, root, budget))
    if isinstance(expression, FunctionExtension) and expression.name == "value":
        return _only(_nodes(expression.args[0]))
    if isinstance(expression, FunctionExtension) and expression.name == "length":
        return _length(_value(expression.args[0]))
    raise _foreign(expression)


def _only(nodes: Select) -> Find:
    """The one value that is selected, MISSING for none and for several."""

    def find(current: Any, root: Any, budget: Budget) -> Any:
        found = nodes(current, root, budget)
        return found[0] if len(found) == 1 else MISSING

    return find


def _length(find: Find) -> Find:
    def measure(current: Any, root: Any, budget: Budget) -> Any:
        value = find(current, root, budget)
        return len(value) if isinstance(value, (str, list, dict)) else MISSING

    return measure


def _both_or_either(operator: str, left: Test, right: Test) -> Test:
    if operator == "&&":
        return lambda current, root, budget: left(current, root, budget) and right(current, root, budget)
    return lambda current, root, budget: left(current, root, budget) or right(current, root, budget)


def _comparing(operator: str, left: Find, right: Find) -> Test:
    compare = COMPARISONS[operator]

    def test(current: Any, root: Any, budget: Budget) -> bool:
        budget.spend(1)
        return compare(budget, left(current, root, budget), right(current, root, budget))

    return test


def _matching(name: str, text: BaseExpression, pattern: BaseExpression) -> Test:
    find_text, find_pattern, whole = _value(text), _value(pattern), name == "match"
    written = compile_written(pattern.value) if isinstance(pattern, StringLiteral) else None

    def test(current: Any, root: Any, budget: Budget) -> bool:
        value, wanted = find_text(current, root, budget), find_pattern(current, root, budget)
        if value.__class__ is not str or wanted.__class__ is not str:
            return False
        expression = compile_found(wanted, budget) if written is None else written
        return expression is not None and expression.is_in(value, whole=whole, budget=budget)

    return test
