"""Templates: texts, and JSON values whose texts are templates. Jinja parses them, `expression` and `statement` run them. Pure.

"Review {{ payload.repo }}"                            a text
"{{ payload.stars }}"                                  a text that is one expression keeps its type: a number here
{"repo": "{{ payload.repo }}", "n": 3}                 a JSON value; the names of members are no templates
What is missing reads as nothing within a text. Where it stands alone, a member of an object is left out, and an item of a
list is null (as JSON.stringify does with what is undefined; ECMA-262, 25.5.2).
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from jinja2 import Environment, TemplateError, nodes

from streams.errors import InvalidTrigger
from streams.language.comparison import MISSING
from streams.shaping.budget import evaluate_at
from streams.shaping.expression import compile_expression
from streams.shaping.scope import FIELDS, Evaluate, Scope
from streams.shaping.statement import Run, compile_body

MARKS = ("{{", "{%", "{#")
"""What makes a text a template."""
_jinja = Environment(keep_trailing_newline=True, autoescape=False)  # noqa: S701  # it parses only; nothing here is HTML


class Template(NamedTuple):
    """A template or a value made of templates, ready to run. `parts` counts the nodes of its syntax trees: what it weighs."""

    evaluate: Evaluate
    parts: int


def compile_text(text: str, path: str) -> Template:
    """Understand a text. Raises InvalidTrigger naming the path inside the row; `evaluate` raises ShapingFailed, likewise."""
    tree = _parse(text, path)
    try:
        run = compile_body(tree.body, set(FIELDS))
    except (InvalidTrigger, RecursionError) as error:
        raise _refusal(error, path) from error
    return Template(lambda scope: evaluate_at(path, lambda: _run(run, scope)), _count_parts(tree))


def compile_value(value: Any, path: str) -> Template:
    """Understand a JSON value whose texts are templates; it may come out as MISSING. Raises like `compile_text`."""
    if isinstance(value, str):
        return _compile_leaf(value, path)
    if isinstance(value, dict):
        return _compile_object(value, path)
    if isinstance(value, list):
        items = [compile_value(item, f"{path}.{index}") for index, item in enumerate(value)]
        return Template(lambda scope: [_null_if_missing(item.evaluate(scope)) for item in items], _sum_parts(items))
    return Template(lambda scope: value, 1)


def _null_if_missing(value: Any) -> Any:
    return None if value is MISSING else value


def _sum_parts(templates: Iterable[Template]) -> int:
    return 1 + sum(template.parts for template in templates)


def _compile_object(value: dict[str, Any], path: str) -> Template:
    for name in value:
        if any(mark in name for mark in MARKS):
            raise InvalidTrigger(f"{path}.{name}", "the name of a member is no template")
    members = {name: compile_value(inner, f"{path}.{name}") for name, inner in value.items()}

    def evaluate(scope: Scope) -> dict[str, Any]:
        made = [(name, inner.evaluate(scope)) for name, inner in members.items()]
        return {name: inner for name, inner in made if inner is not MISSING}

    return Template(evaluate, _sum_parts(members.values()))


def _compile_leaf(text: str, path: str) -> Template:
    if not any(mark in text for mark in MARKS):
        return Template(lambda scope: text, 1)
    tree = _parse(text, path)
    alone = _only_expression(tree)
    if alone is None:
        return compile_text(text, path)
    try:
        expression = compile_expression(alone, FIELDS)
    except (InvalidTrigger, RecursionError) as error:
        raise _refusal(error, path) from error
    return Template(lambda scope: evaluate_at(path, lambda: _embedded(expression, scope)), _count_parts(tree))


def _only_expression(tree: nodes.Template) -> nodes.Expr | None:
    """The expression that is all of a text, if it is."""
    inner = [node for output in tree.body for node in (output.nodes if isinstance(output, nodes.Output) else (None, None))]
    return inner[0] if len(inner) == 1 and not isinstance(inner[0], nodes.TemplateData) else None


def _count_parts(tree: nodes.Node) -> int:
    waiting: list[nodes.Node] = [tree]
    parts = 0
    while waiting:
        waiting += waiting.pop().iter_child_nodes()
        parts += 1
    return parts


def _embedded(expression: Evaluate, scope: Scope) -> Any:
    value = expression(scope)
    if value is not MISSING:
        scope.budget.embed(value)
    return value


def _run(run: Run, scope: Scope) -> str:
    """What a template writes; what it sets is gone afterwards."""
    out: list[str] = []
    run(Scope(dict(scope.names), scope.budget), out)
    return "".join(out)


def _parse(text: str, path: str) -> nodes.Template:
    try:
        return _jinja.parse(text)
    except TemplateError as error:
        raise InvalidTrigger(path, f"line {getattr(error, 'lineno', 1)}: {error.message}") from error
    except (RecursionError, ValueError, OverflowError) as error:  # hundreds of brackets, a number of thousands of digits
        raise _refusal(error, path) from error


def _refusal(error: Exception, path: str) -> InvalidTrigger:
    if isinstance(error, InvalidTrigger):
        return InvalidTrigger(path, error.message)
    if isinstance(error, RecursionError):
        return InvalidTrigger(path, "is nested too deep, or has an expression of hundreds of parts")
    return InvalidTrigger(path, f"is no template: {error}")
