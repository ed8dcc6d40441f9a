"""What stands between {{ and }}: a Jinja expression, compiled to closures that count their steps. Pure.

Jinja parses (https://jinja.palletsprojects.com/templates/), nothing of it runs: what is not listed here is refused when the
template is written. There are no calls and no attributes of Python objects, only members of JSON values.

payload.repo  payload["a b"]  payload.commits[0].message  payload.commits[:3]     what is missing is nothing, never an error
"text" 1 2.5 true false none ["open", "new"]     == != < <= > >= in, not in, and, or, not, is defined, is none
a ~ b (joins as texts)   + - * / // % (numbers; + joins texts too)   a if condition else b   a | filter("argument")
"""

import inspect
from collections.abc import Callable, Collection
from typing import Any

from jinja2 import nodes

from streams.errors import InvalidTrigger
from streams.language.bounds import check_bounds
from streams.language.comparison import MISSING, is_number
from streams.shaping import operation
from streams.shaping.budget import Refused
from streams.shaping.filters import FILTERS
from streams.shaping.scope import Evaluate, check_member
from streams.shaping.value import checked, is_true

ACCEPTED = (
    "names, members, texts, numbers, lists of these, comparisons, and, or, not, in, if else, ~, + - * / // %, and filters"
)
COMPARED = {"eq": "==", "ne": "!=", "lt": "<", "gt": ">", "lteq": "<=", "gteq": ">=", "in": "in", "notin": "not in"}
"""Jinja's names of the comparisons."""

TESTS: dict[str, Callable[[Any], bool]] = {
    "defined": lambda value: value is not MISSING,
    "undefined": lambda value: value is MISSING,
    "none": lambda value: value is None or value is MISSING,
    "string": lambda value: value.__class__ is str,
    "number": is_number,
    "boolean": lambda value: value.__class__ is bool,
    "mapping": lambda value: value.__class__ is dict,
    "sequence": lambda value: value.__class__ is list,
}


def compile_expression(node: nodes.Node, known: Collection[str]) -> Evaluate:
    """The closure that evaluates this part of a template. `known` are the names it may use.

    Raises InvalidTrigger, its path empty, for what is not accepted.
    """
    compiler = _COMPILERS.get(type(node))
    if compiler is None:
        raise refusal(node, f"{type(node).__name__.lower()} is not accepted; {ACCEPTED} are")
    return compiler(node, known)


def refusal(node: nodes.Node, message: str) -> InvalidTrigger:
    """Why this part of a template is not accepted, and where it stands."""
    return InvalidTrigger("", f"line {node.lineno}: {message}")


def _path(node: nodes.Expr, known: Collection[str]) -> Evaluate:
    """What leads to a value, and the names and indices of the members behind it, all in one closure."""
    keys: list[Any] = []
    while isinstance(node, (nodes.Getattr, nodes.Getitem)):
        if isinstance(node, nodes.Getattr):
            keys.append(node.attr)
        elif isinstance(node.arg, nodes.Const):
            check_bounds(node.arg.value, "")
            keys.append(node.arg.value)
        else:
            return operation.members(_item(node, known), keys[::-1])
        node = node.node
    keys.reverse()
    if not isinstance(node, nodes.Name):
        return operation.members(compile_expression(node, known), keys)
    if node.name not in known:
        raise refusal(node, f"there is no {node.name}; there are {', '.join(sorted(known))}")
    if keys:
        check_member(node.name, keys[0])
    return operation.named(node.name, keys)


def _item(node: nodes.Getitem, known: Collection[str]) -> Evaluate:
    base = compile_expression(node.node, known)
    if not isinstance(node.arg, nodes.Slice):
        return operation.item(base, compile_expression(node.arg, known))
    if node.arg.step is not None:
        raise refusal(node, "a slice has no step; [start:stop] is accepted")
    start, stop = (
        operation.constant(None) if bound is None else compile_expression(bound, known)
        for bound in (node.arg.start, node.arg.stop)
    )
    return operation.part(base, start, stop)


def _constant(node: nodes.Const, known: Collection[str]) -> Evaluate:
    check_bounds(node.value, "")  # "\ud800" and "\x00" can be written here, and are no text that JSON and Postgres keep
    try:
        if is_number(node.value):
            checked(node.value)
    except Refused as error:
        raise refusal(node, "a number of at most 64 bits is accepted") from error
    return operation.constant(node.value)


def _list(node: nodes.List | nodes.Tuple, known: Collection[str]) -> Evaluate:
    """A list of constants: one of anything else could double its size with each line of a template."""
    values = [item.value for item in node.items if isinstance(item, nodes.Const)]
    check_bounds(values, "")
    if len(values) != len(node.items):
        raise refusal(node, "a list may hold texts and numbers only; write it as JSON around the template")
    return operation.constant(values, 1 + len(values))


def _not(node: nodes.Not, known: Collection[str]) -> Evaluate:
    operand = compile_expression(node.node, known)
    return lambda scope: not is_true(operand(scope))


def _and(node: nodes.And, known: Collection[str]) -> Evaluate:
    return operation.both(compile_expression(node.left, known), compile_expression(node.right, known))


def _or(node: nodes.Or, known: Collection[str]) -> Evaluate:
    return operation.either(compile_expression(node.left, known), compile_expression(node.right, known))


def _choice(node: nodes.CondExpr, known: Collection[str]) -> Evaluate:
    test, chosen = compile_expression(node.test, known), compile_expression(node.expr1, known)
    other = operation.constant(MISSING) if node.expr2 is None else compile_expression(node.expr2, known)
    return lambda scope: chosen(scope) if is_true(test(scope)) else other(scope)


def _concat(node: nodes.Concat, known: Collection[str]) -> Evaluate:
    return operation.joined([compile_expression(part, known) for part in node.nodes])


def _compare(node: nodes.Compare, known: Collection[str]) -> Evaluate:
    rest = [(COMPARED[operand.op], compile_expression(operand.expr, known)) for operand in node.ops]
    return operation.compared(compile_expression(node.expr, known), rest)


def _arithmetic(node: nodes.BinExpr, known: Collection[str]) -> Evaluate:
    left, right = compile_expression(node.left, known), compile_expression(node.right, known)
    return operation.worked_out(str(node.operator), left, right)


def _negative(node: nodes.Neg, known: Collection[str]) -> Evaluate:
    return operation.negative(compile_expression(node.node, known))


def _test(node: nodes.Test, known: Collection[str]) -> Evaluate:
    test = TESTS.get(node.name)
    if test is None or node.args or node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
        raise refusal(node, f"is {node.name} is not accepted; is {', '.join(TESTS)} are")
    operand = compile_expression(node.node, known)
    return lambda scope: test(operand(scope))


def _filter(node: nodes.Filter, known: Collection[str]) -> Evaluate:
    work = FILTERS.get(node.name)
    if work is None or node.node is None or node.dyn_args is not None or node.dyn_kwargs is not None:
        raise refusal(node, f"there is no filter {node.name}; there are {', '.join(FILTERS)}")
    operand = compile_expression(node.node, known)
    given = [compile_expression(argument, known) for argument in node.args]
    by_name: dict[str, Evaluate] = {str(pair.key): compile_expression(pair.value, known) for pair in node.kwargs}
    signature = inspect.signature(work)
    try:
        signature.bind(None, None, *given, **by_name)
    except TypeError as error:
        raise refusal(node, f"{error}; the filter is {node.name}{_arguments(signature)}") from error
    return operation.filtered(work, operand, given, by_name)


def _arguments(signature: inspect.Signature) -> str:
    """What a filter is given beside the budget and the value: (length=255, *, end='…')."""
    parameters = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return str(inspect.Signature(parameters[2:]))


_COMPILERS: dict[type[nodes.Node], Callable[[Any, Collection[str]], Evaluate]] = {
    nodes.Name: _path,
    nodes.Getattr: _path,
    nodes.Getitem: _path,
    nodes.Const: _constant,
    nodes.List: _list,
    nodes.Tuple: _list,
    nodes.Not: _not,
    nodes.And: _and,
    nodes.Or: _or,
    nodes.CondExpr: _choice,
    nodes.Concat: _concat,
    nodes.Compare: _compare,
    nodes.Add: _arithmetic,
    nodes.Sub: _arithmetic,
    nodes.Mul: _arithmetic,
    nodes.Div: _arithmetic,
    nodes.FloorDiv: _arithmetic,
    nodes.Mod: _arithmetic,
    nodes.Neg: _negative,
    nodes.Test: _test,
    nodes.Filter: _filter,
}
