"""The filters of templates: `payload.title | default("untitled") | truncate(80)`. Pure.

They are Jinja's by name and meaning, on JSON values; each counts its steps before it takes them, and gives JSON again.

any value   default(value)  string  int  float  tojson  length
texts       upper  lower  capitalize  title  trim  replace(old, new)  truncate(length, end="…")  split(separator)
numbers     abs  round(digits)
lists       first  last  join(separator)  map(attribute="author.name")  sort(attribute="date", reverse=true)
            selectattr("draft")  selectattr("state", "==", "open")  rejectattr, alike  unique  reverse  sum  min  max
objects     items (a list of [name, value])
"""

from collections.abc import Callable
from typing import Any

from streams.language.comparison import MISSING, is_number
from streams.shaping.budget import BYTES_PER_STEP, Budget, Refused, encode
from streams.shaping.value import COMPARISONS, checked, is_true, kind_of, member, text_of

Filter = Callable[..., Any]
LONGEST_NUMBER = 40
"""Characters of a text that is read as a number."""
LONGEST_ATTRIBUTE = 200
"""Characters of a path into the items of a list."""


def _text(budget: Budget, value: Any) -> str:
    budget.read(value)
    return text_of(value)


def _list(budget: Budget, value: Any, name: str) -> list[Any]:
    if value is MISSING or value is None:
        return []
    if not isinstance(value, list):
        raise Refused(f"{name} takes a list, and found {kind_of(value)}")
    budget.spend(len(value))
    return value


def _of_text(work: Callable[[str], str]) -> Filter:
    return lambda budget, value: work(_text(budget, value))


def _default(budget: Budget, value: Any, default_value: Any = "", boolean: Any = False) -> Any:
    """The value, or another when it is missing or null; with `boolean`, also when it is false, 0 or empty."""
    absent = value is MISSING or value is None or (is_true(boolean) and not is_true(value))
    return default_value if absent else value


def _int(budget: Budget, value: Any, default: Any = 0) -> Any:
    if value.__class__ is str and len(value) <= LONGEST_NUMBER and value.isdecimal():
        value = int(value)
    number = value if value.__class__ is int else _float(budget, value, None)
    return default if number is None else checked(int(checked(number)))


def _float(budget: Budget, value: Any, default: Any = 0.0) -> Any:
    if is_number(value):
        return float(checked(value))
    try:
        return checked(float(value)) if value.__class__ is str and len(value) <= LONGEST_NUMBER else default
    except (ValueError, Refused):
        return default


def _length(budget: Budget, value: Any) -> int:
    return len(value) if isinstance(value, (str, list, dict)) else 0


def _replace(budget: Budget, value: Any, old: Any, new: Any) -> str:
    text, old, new = _text(budget, value), _text(budget, old), _text(budget, new)
    if not old:
        raise Refused("replace takes a text to look for that is not empty")
    budget.spend(text.count(old) * (1 + len(new) // BYTES_PER_STEP))
    return text.replace(old, new)


def _truncate(budget: Budget, value: Any, length: Any = 255, *, end: Any = "…") -> str:
    """At most `length` characters, the end's included."""
    text, end = _text(budget, value), _text(budget, end)
    if length.__class__ is not int or length < len(end):
        raise Refused("truncate takes a length that has room for its end")
    return text if len(text) <= length else text[: length - len(end)] + end


def _split(budget: Budget, value: Any, separator: Any = None) -> list[str]:
    """The parts between a separator; without one, the words."""
    text = _text(budget, value)
    if separator is None:
        budget.spend(len(text) // 2)
        return text.split()
    if separator.__class__ is not str or not separator:
        raise Refused("split takes a separator that is a text and not empty")
    budget.spend(text.count(separator))
    return text.split(separator)


def _round(budget: Budget, value: Any, precision: Any = 0) -> Any:
    if not is_number(value) or precision.__class__ is not int or not 0 <= precision <= 20:
        raise Refused(f"round takes a number and up to 20 digits, and found {kind_of(value)}")
    return checked(round(checked(value), precision or None))


def _abs(budget: Budget, value: Any) -> Any:
    if not is_number(value):
        raise Refused(f"abs takes a number, and found {kind_of(value)}")
    return abs(checked(value))


def _end(index: int, name: str) -> Filter:
    return lambda budget, value: member(_list(budget, value, name), index)


def _join(budget: Budget, value: Any, separator: Any = "", attribute: Any = None) -> str:
    items = _list(budget, value, "join")
    texts = [_text(budget, item) for item in (items if attribute is None else _attributes(budget, items, attribute))]
    between = text_of(separator)
    budget.spend(len(texts) * (len(between) // BYTES_PER_STEP))
    return between.join(texts)


def _attributes(budget: Budget, items: list[Any], path: Any) -> list[Any]:
    """Of each item, the member that a dotted path leads to; MISSING where there is none."""
    if path.__class__ is not str or len(path) > LONGEST_ATTRIBUTE:
        raise Refused("an attribute is named by a short text, such as author.name")
    for key in path.split("."):
        budget.spend(len(items))
        items = [member(item, key) for item in items]
    return items


def _map(budget: Budget, value: Any, *, attribute: Any) -> list[Any]:
    """Of each item, the member of that name; null where there is none."""
    found = _attributes(budget, _list(budget, value, "map"), attribute)
    return [None if one is MISSING else one for one in found]


def _having(wanted: bool, name: str) -> Filter:
    def select(budget: Budget, value: Any, attribute: Any, comparison: Any = None, other: Any = None) -> list[Any]:
        items = _list(budget, value, name)
        found = _attributes(budget, items, attribute)
        if comparison is None:
            chosen = [is_true(one) for one in found]
        elif comparison.__class__ is str and comparison in COMPARISONS:
            chosen = [COMPARISONS[comparison](budget, one, other) for one in found]
        else:
            raise Refused(f'{name} takes a comparison such as "=="; there are {", ".join(COMPARISONS)}')
        return [item for item, is_chosen in zip(items, chosen, strict=True) if is_chosen is wanted]

    return select


def _ordered(budget: Budget, found: list[Any], name: str) -> list[Any]:
    """The values, if they have an order: all numbers or all texts. Raises Refused."""
    kinds = {str if one.__class__ is str else float if is_number(one) else None for one in found}
    if None in kinds or len(kinds) > 1:
        raise Refused(f"{name} takes a list of numbers or a list of texts")
    for one in found:
        budget.read(one)
    return found


def _sort(budget: Budget, value: Any, *, attribute: Any = None, reverse: Any = False) -> list[Any]:
    items = _list(budget, value, "sort")
    keys = _ordered(budget, items if attribute is None else _attributes(budget, items, attribute), "sort")
    order = sorted(range(len(items)), key=keys.__getitem__, reverse=is_true(reverse))
    return [items[position] for position in order]


def _unique(budget: Budget, value: Any) -> list[Any]:
    """Each value once, in the order of their first appearance."""
    items = _list(budget, value, "unique")
    budget.spend(2 * len(items))
    seen: dict[bytes, Any] = {}
    for item in items:
        budget.read(item)
        seen.setdefault(encode(item), item)
    return list(seen.values())


def _reverse(budget: Budget, value: Any) -> Any:
    if isinstance(value, str):
        return _text(budget, value)[::-1]
    return _list(budget, value, "reverse")[::-1]


def _sum(budget: Budget, value: Any, attribute: Any = None) -> Any:
    items = _list(budget, value, "sum")
    numbers = items if attribute is None else _attributes(budget, items, attribute)
    if not all(is_number(number) for number in numbers):
        raise Refused("sum takes a list of numbers")
    return checked(sum(map(checked, numbers)))


def _extreme(choose: Callable[[list[Any]], Any], name: str) -> Filter:
    def find(budget: Budget, value: Any) -> Any:
        items = _ordered(budget, _list(budget, value, name), name)
        return choose(items) if items else MISSING

    return find


def _items(budget: Budget, value: Any) -> list[Any]:
    if value is MISSING or value is None:
        return []
    if not isinstance(value, dict):
        raise Refused(f"items takes an object, and found {kind_of(value)}")
    budget.spend(len(value))
    return [[name, inner] for name, inner in value.items()]


def _to_json(budget: Budget, value: Any) -> str:
    budget.read(value)
    return encode(None if value is MISSING else value).decode()


FILTERS: dict[str, Filter] = {
    "default": _default,
    "string": _text,
    "int": _int,
    "float": _float,
    "tojson": _to_json,
    "length": _length,
    "upper": _of_text(str.upper),
    "lower": _of_text(str.lower),
    "capitalize": _of_text(str.capitalize),
    "title": _of_text(str.title),
    "trim": _of_text(str.strip),
    "replace": _replace,
    "truncate": _truncate,
    "split": _split,
    "abs": _abs,
    "round": _round,
    "first": _end(0, "first"),
    "last": _end(-1, "last"),
    "join": _join,
    "map": _map,
    "selectattr": _having(True, "selectattr"),
    "rejectattr": _having(False, "rejectattr"),
    "sort": _sort,
    "unique": _unique,
    "reverse": _reverse,
    "sum": _sum,
    "min": _extreme(min, "min"),
    "max": _extreme(max, "max"),
    "items": _items,
}
