"""YAML read with positions, and written: the values JSON has, by the core schema of YAML 1.2.

`yes`, `on` and `12:30` are texts, as YAML 1.2 has it (https://yaml.org/spec/1.2.2/, 10.3); dates are texts too. A key given
twice, a tag, `.nan` and `.inf` are refused. Anchors and aliases work; `<<` is a key like any other. Built from the parser's
events and not with the library's loader, which gives no lines, follows YAML 1.1, and recurses as deep as its input.
"""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import yaml

from streams.errors import InvalidInput

FILE_LIMIT_BYTES = 16 * 1024 * 1024
"""A file's size: some fifty thousand triggers."""
LEVELS = 60
"""Levels of mappings and lists: those of the deepest filter, and of what stands around it."""
VALUES = 2_000_000
"""Values of one file, counted as often as aliases repeat them."""

Path = tuple[str | int, ...]
Problems = (yaml.YAMLError, UnicodeError)

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Any] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_TEXT_TAGS = ("tag:yaml.org,2002:str", "!")


class Document(NamedTuple):
    """One document of a file: its value, and the line (from 1) each path inside it begins on; `()` is the whole."""

    value: Any
    lines: dict[Path, int]


def read_yaml(text: bytes, name: str) -> Iterator[Document]:
    """The documents of a file. Raises InvalidInput whose path is `name:line`."""
    if len(text) > FILE_LIMIT_BYTES:
        raise InvalidInput(name, f"has {len(text)} bytes; at most {FILE_LIMIT_BYTES} are accepted")
    composer = _Composer(name)
    events = _events(text, name)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            yield composer.document(events)


def write_yaml(documents: Sequence[Any]) -> str:
    """Documents as YAML that `read_yaml` reads as the same values. Texts of several lines are written as blocks."""
    return str(yaml.dump_all(documents, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120, explicit_start=True))


def _events(text: bytes, name: str) -> Iterator[Any]:
    line = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CBaseLoader):
            line = event.start_mark.line if event.start_mark else line
            yield event
    except Problems as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise InvalidInput(f"{name}:{(mark.line if mark else line) + 1}", f"is no YAML: {problem}") from error


class _Composer:
    """Puts values together from events, one document at a time, by a stack of its own."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def document(self, events: Iterator[Any]) -> Document:
        lines: dict[Path, int] = {}
        anchors: dict[str, tuple[Any, int]] = {}
        root: list[Any] = []
        stack: list[_Open] = [_Open(root, (), None, 0)]
        for event in events:
            if isinstance(event, yaml.DocumentEndEvent):
                break
            if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                closed = stack.pop()
                if closed.anchor:
                    anchors[closed.anchor] = closed.value, self._count - closed.begun
                continue
            top = stack[-1]
            if isinstance(top.value, dict) and top.key is None:
                top.key = self._key(event, top)
                lines[(*top.path, top.key)] = event.start_mark.line + 1
                continue
            path = top.next_path() if len(stack) > 1 else ()
            lines.setdefault(path, event.start_mark.line + 1)
            value = self._value(event, anchors)
            top.put(value)
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                if len(stack) > LEVELS:
                    raise self._fault(event, f"is nested too deep: at most {LEVELS} levels are accepted")
                stack.append(_Open(value, path, event.anchor, self._count))
            elif getattr(event, "anchor", None) and not isinstance(event, yaml.AliasEvent):
                anchors[event.anchor] = value, 1
        return Document(root[0] if root else None, lines)

    def _key(self, event: Any, top: "_Open") -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise self._fault(event, "has a key that is no text")
        self._counted(event, 1)
        key: str = event.value
        if key in top.value:
            raise self._fault(event, f"has the key {key} twice; the first stands on an earlier line")
        return key

    def _value(self, event: Any, anchors: dict[str, tuple[Any, int]]) -> Any:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise self._fault(event, f"names *{event.anchor}, which stands nowhere before it")
            value, size = anchors[event.anchor]
            self._counted(event, size)
            return value
        self._counted(event, 1)
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            raise self._fault(event, f"has the tag {event.tag}; plain YAML is accepted")
        if isinstance(event, yaml.MappingStartEvent):
            return {}
        if isinstance(event, yaml.SequenceStartEvent):
            return []
        if event.tag in _TEXT_TAGS or not event.implicit[0]:
            return event.value
        try:
            return plain_value(event.value)
        except ValueError as error:
            raise self._fault(event, str(error)) from error

    def _counted(self, event: Any, values: int) -> None:
        self._count += values
        if self._count > VALUES:
            raise self._fault(event, f"holds more than {VALUES} values, aliases counted as what they stand for")

    def _fault(self, event: Any, message: str) -> InvalidInput:
        return InvalidInput(f"{self._name}:{event.start_mark.line + 1}", message)


class _Open:
    """A mapping or list that is not complete yet. `begun`: how many values there were before it."""

    def __init__(self, value: Any, path: Path, anchor: str | None, begun: int) -> None:
        self.value, self.path, self.anchor, self.begun = value, path, anchor, begun
        self.key: str | None = None

    def next_path(self) -> Path:
        return (*self.path, self.key if self.key is not None else len(self.value))

    def put(self, value: Any) -> None:
        if isinstance(self.value, dict):
            self.value[self.key], self.key = value, None
        else:
            self.value.append(value)


def plain_value(text: str) -> Any:
    """What a scalar without quotes stands for. Raises ValueError for a number that JSON has not."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if not _FLOAT.fullmatch(text):
        return text
    number = float(text.replace(".", "", 1)) if "n" in text.lower() else float(text)
    if not math.isfinite(number):
        raise ValueError(f"is {text}; a finite number is accepted")
    return number


class _Dumper(yaml.CSafeDumper):
    """Writes no aliases. Texts that a reader of YAML, 1.1 or 1.2, might take for something else are put into quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    is_block = "\n" in text and all(line.isprintable() and line == line.strip() for line in text.split("\n"))
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if is_block else None)


def _write_float(dumper: yaml.CSafeDumper, number: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", msgspec.json.encode(number).decode())


_Dumper.add_representer(str, _write_text)
_Dumper.add_representer(float, _write_float)
# Beside the library's own of YAML 1.1, which want a point in a float and know no 0o17.
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(rf"^({_INTEGER.pattern})$"), list("-+0123456789"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(rf"^({_FLOAT.pattern})$"), list("-+.0123456789"))
