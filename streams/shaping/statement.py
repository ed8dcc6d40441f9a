"""What stands between {% and %}: if, for and set of Jinja, compiled to closures that count their steps. Pure.

{% if payload.draft %}…{% elif … %}…{% else %}…{% endif %}
{% for commit in payload.commits %}{{ loop.index }}. {{ commit.message }}{% else %}none{% endfor %}
{% for name, value in payload.labels | items if value %}…{% endfor %}
{% set who = payload.user.name | default("somebody") %}        within a for, it holds until the end of the round, as in Jinja
"""

from collections.abc import Callable
from typing import Any

from jinja2 import nodes

from streams.language.comparison import MISSING
from streams.shaping.budget import Refused
from streams.shaping.expression import compile_expression, refusal
from streams.shaping.scope import FIELDS, Evaluate, Scope
from streams.shaping.value import is_true, kind_of, text_of

Run = Callable[[Scope, list[str]], None]
"""Runs a part of a template, adding what it writes to a list of texts."""

MAXIMUM_NAMES = 50
"""Names one template may set: each round of a loop starts with a copy of them."""
ROUND_STEPS = 4
"""What a round of a loop costs before it does anything."""
ACCEPTED = "{% if %}, {% for %} and {% set %}"


def compile_body(body: list[nodes.Node], known: set[str]) -> Run:
    """The closure that runs these parts one after another. `known` grows by what they set.

    Raises InvalidTrigger, its path empty, for what is not accepted. The closure raises Refused.
    """
    parts: list[Run] = []
    for node in body:
        if isinstance(node, nodes.Output):
            parts += [
                _literal(inner) if isinstance(inner, nodes.TemplateData) else _written(inner, known) for inner in node.nodes
            ]
            continue
        compiler = _COMPILERS.get(type(node))
        if compiler is None:
            raise refusal(node, f"{type(node).__name__.lower()} is not accepted; {ACCEPTED} are")
        parts.append(compiler(node, known))
    if len(parts) == 1:
        return parts[0]

    def run(scope: Scope, out: list[str]) -> None:
        for part in parts:
            part(scope, out)

    return run


def _literal(node: nodes.TemplateData) -> Run:
    text = node.data
    size_bytes = len(text.encode())

    def run(scope: Scope, out: list[str]) -> None:
        scope.budget.spend(1)
        scope.budget.write(size_bytes)
        out.append(text)

    return run


def _written(node: nodes.Node, known: set[str]) -> Run:
    evaluate = compile_expression(node, known)

    def run(scope: Scope, out: list[str]) -> None:
        value = evaluate(scope)
        scope.budget.read(value)
        text = text_of(value)
        scope.budget.write(len(text) if text.isascii() else len(text.encode()))
        out.append(text)

    return run


def _if(node: nodes.If, known: set[str]) -> Run:
    branches = [(compile_expression(one.test, known), compile_body(one.body, known)) for one in (node, *node.elif_)]
    otherwise = compile_body(node.else_, known)

    def run(scope: Scope, out: list[str]) -> None:
        for test, body in branches:
            scope.budget.spend(1)
            if is_true(test(scope)):
                return body(scope, out)
        return otherwise(scope, out)

    return run


def _set(node: nodes.Assign, known: set[str]) -> Run:
    (name,) = _new_names(node.target, known, 1)
    evaluate = compile_expression(node.node, known)
    known.add(name)

    def run(scope: Scope, out: list[str]) -> None:
        scope.budget.spend(1)
        scope.names[name] = evaluate(scope)

    return run


def _new_names(target: nodes.Node, known: set[str], at_most: int) -> list[str]:
    """The names a template gives to values, judged."""
    targets = target.items if isinstance(target, nodes.Tuple) else [target]
    names = [one.name for one in targets if isinstance(one, nodes.Name)]
    if len(names) != len(targets) or len(names) > at_most:
        raise refusal(target, "a plain name is accepted here")
    for name in names:
        if name in FIELDS or name == "loop":
            raise refusal(target, f"{name} stays what it is; choose another name")
    if len(known) > MAXIMUM_NAMES:
        raise refusal(target, f"at most {MAXIMUM_NAMES} names are accepted")
    return names


def _for(node: nodes.For, known: set[str]) -> Run:
    if node.recursive:
        raise refusal(node, "a loop is not recursive")
    targets = _new_names(node.target, known, 2)
    items = compile_expression(node.iter, known)
    inner = known | set(targets)
    test = None if node.test is None else compile_expression(node.test, inner)
    body = compile_body(node.body, inner | {"loop"})
    otherwise = compile_body(node.else_, known)

    def run(scope: Scope, out: list[str]) -> None:
        rounds = _rounds(scope, items, targets, test)
        for index, names in enumerate(rounds):
            names["loop"] = {
                "index": index + 1,
                "index0": index,
                "first": index == 0,
                "last": index + 1 == len(rounds),
                "length": len(rounds),
            }
            body(Scope(names, scope.budget), out)
        if not rounds:
            otherwise(scope, out)

    return run


def _rounds(scope: Scope, items: Evaluate, targets: list[str], test: Evaluate | None) -> list[dict[str, Any]]:
    """What each round of a loop knows."""
    values = items(scope)
    if values is None or values is MISSING:
        return []
    if values.__class__ is not list:
        raise Refused(f"for takes a list, and found {kind_of(values)}; an object becomes one with | items")
    scope.budget.spend(len(values) * (ROUND_STEPS + len(scope.names) // 8))
    rounds = [{**scope.names, **_named(targets, value)} for value in values]
    return rounds if test is None else [names for names in rounds if is_true(test(Scope(names, scope.budget)))]


def _named(targets: list[str], value: Any) -> dict[str, Any]:
    if len(targets) == 1:
        return {targets[0]: value}
    if value.__class__ is not list or len(value) != len(targets):
        raise Refused(f"for {', '.join(targets)} takes a list of pairs, such as {{{{ payload | items }}}} gives")
    return dict(zip(targets, value, strict=True))


_COMPILERS: dict[type[nodes.Node], Callable[[Any, set[str]], Run]] = {nodes.If: _if, nodes.For: _for, nodes.Assign: _set}
