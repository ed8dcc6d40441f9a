"""A row's shaping, understood: its columns judged, its templates and queries compiled, and remembered by their text. Pure."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from streams.errors import InvalidTrigger
from streams.language.bounds import check_bounds
from streams.language.comparison import MISSING
from streams.shaping.budget import Budget, encode, evaluate_at
from streams.shaping.query import Query, compile_query
from streams.shaping.scope import FIELDS, Evaluate, check_member
from streams.shaping.template import MARKS, Template, compile_text, compile_value
from streams.shaping.value import kind_of

MAXIMUM_TEMPLATE_CHARACTERS = 16_384
"""All templates of a row together; a long prompt has a few thousand. The worst takes a quarter of a second to parse, once."""
MAXIMUM_QUERIES = 200
"""Names in one `input_mapping`."""
REMEMBERED_PARTS = 100_000
"""Of all recipes that are remembered: some 100 MB at most, and room for several thousand rows as people write them."""
BYTES_PER_PART = 1_000
CHARACTERS_PER_PART = 2
"""A query's shortest selectors."""

Columns = tuple[Any, Any, Any, Any, Any]
"""payload_transform, input, input_template, input_mapping, intent_template: None where a row has none."""
NAMES = ("payload_transform", "input", "input_template", "input_mapping", "intent_template")

Find = Callable[[dict[str, Any], Budget], Any]


class Recipe(NamedTuple):
    """What becomes of an event. Each part gives a JSON value, or MISSING, and raises ShapingFailed."""

    payload: Evaluate | None
    literal: Any
    template: Evaluate | None
    mapping: tuple[tuple[str, Find], ...] | None
    message: Evaluate | None
    parts: int
    """What it weighs: the nodes of its templates, the selectors of its queries."""


def compile_recipe(columns: Columns) -> Recipe:
    """Understand a row's columns. Raises InvalidTrigger naming the path inside the row and what is accepted."""
    for name, column in zip(NAMES, columns, strict=True):
        check_bounds(column, name)
    transform, literal, template, mapping, intent = columns
    if _template_characters((transform, template, intent)) > MAXIMUM_TEMPLATE_CHARACTERS:
        raise InvalidTrigger("", f"the row's templates have more than {MAXIMUM_TEMPLATE_CHARACTERS:,} characters together")
    _check_merge(literal, template, mapping)
    transforming = None if transform is None else compile_value(transform, "payload_transform")
    making = None if template is None else compile_value(template, "input_template")
    telling = None if intent is None else _compile_intent(intent)
    finding = None if mapping is None else _compile_mapping(mapping)
    queries = 0 if mapping is None else sum(map(len, mapping.values())) // CHARACTERS_PER_PART
    return Recipe(
        payload=None if transforming is None else transforming.evaluate,
        literal=literal,
        template=None if making is None else making.evaluate,
        mapping=finding,
        message=None if telling is None else telling.evaluate,
        parts=queries + sum(one.parts for one in (transforming, making, telling) if one is not None),
    )


def _template_characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value) if any(mark in value for mark in MARKS) else 0
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return 0
    return sum(map(_template_characters, value))


def _check_merge(literal: Any, template: Any, mapping: Any) -> None:
    """Several of them are merged, which only objects can be; a template that is one text may become an object."""
    if mapping is not None and not isinstance(mapping, dict):
        raise InvalidTrigger("input_mapping", 'must be an object of queries, such as {"repo": "$.payload.repo"}')
    if sum(column is not None for column in (literal, template, mapping)) > 1:
        if not isinstance(literal, (dict, type(None))):
            raise InvalidTrigger("input", "must be an object, since it is merged with input_template or input_mapping")
        if not isinstance(template, (dict, str, type(None))):
            raise InvalidTrigger("input_template", "must be an object, since it is merged with input or input_mapping")


def _compile_intent(intent: Any) -> Template:
    if not isinstance(intent, str):
        raise InvalidTrigger("intent_template", "must be a text, such as Review {{ payload.repo }}")
    return compile_text(intent, "intent_template")


def _compile_mapping(mapping: dict[str, Any]) -> tuple[tuple[str, Find], ...]:
    if len(mapping) > MAXIMUM_QUERIES:
        raise InvalidTrigger("input_mapping", f"may hold {MAXIMUM_QUERIES} queries")
    return tuple((name, _compile_find(query, f"input_mapping.{name}")) for name, query in mapping.items())


def _compile_find(text: Any, path: str) -> Find:
    if not isinstance(text, str):
        raise InvalidTrigger(path, f"must be a JSONPath, such as $.payload.repo, and is {kind_of(text)}")
    try:
        query = compile_query(text)
        _check_beginning(query.first)
    except InvalidTrigger as error:
        raise InvalidTrigger(path, error.message) from error
    return lambda document, budget: evaluate_at(path, lambda: _found(query, document, budget))


def _found(query: Query, document: dict[str, Any], budget: Budget) -> Any:
    values = query.select(document, document, budget)
    for value in values:
        budget.embed(value)
    if query.is_singular:
        return values[0] if values else MISSING
    return values


def _check_beginning(keys: tuple[str | int, ...]) -> None:
    """A query starts from one name: from all of them at once it would find everything twice, in event and in payload."""
    if not keys or keys[0] not in FIELDS:
        raise InvalidTrigger("", f"must begin with {', '.join(f'$.{name}' for name in FIELDS)}")
    if len(keys) > 1:
        check_member(str(keys[0]), keys[1])


class Recipes:
    """Recipes by the text of their columns, the least recently used forgotten. What is invalid is remembered as such."""

    def __init__(self, maximum_parts: int = REMEMBERED_PARTS) -> None:
        self._maximum_parts = maximum_parts
        self._known: OrderedDict[bytes, tuple[Recipe | InvalidTrigger, int]] = OrderedDict()
        self._parts = 0

    def find(self, columns: Columns) -> Recipe:
        """The recipe of a row. Raises InvalidTrigger."""
        text = encode(columns)
        found = self._known.get(text)
        if found is None:
            found = self._remember(text, columns)
        else:
            self._known.move_to_end(text)
        if isinstance(found[0], InvalidTrigger):
            raise InvalidTrigger(found[0].path, found[0].message)
        return found[0]

    def __len__(self) -> int:
        return len(self._known)

    def _remember(self, text: bytes, columns: Columns) -> tuple[Recipe | InvalidTrigger, int]:
        recipe: Recipe | InvalidTrigger
        try:
            recipe = compile_recipe(columns)
            parts = recipe.parts
        except InvalidTrigger as error:
            recipe, parts = InvalidTrigger(error.path, error.message), 0
        self._known[text] = found = recipe, 1 + parts + len(text) // BYTES_PER_PART
        self._parts += found[1]
        while self._parts > self._maximum_parts and len(self._known) > 1:
            self._parts -= self._known.popitem(last=False)[1][1]
        return found
