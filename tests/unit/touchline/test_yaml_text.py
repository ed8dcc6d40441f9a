"""YAML as files have it: values by the core schema of 1.2, lines, and nothing that runs, recurses or explodes."""

import random
import time
from typing import Any

import pytest

from streams.errors import InvalidInput
from streams.language.comparison import same
from touchline.yaml_text import read_yaml, write_yaml


def only(text: str) -> Any:
    """The value of a file's one document."""
    (document,) = read_yaml(text.encode(), "f.yaml")
    return document.value


def test_scalars_are_those_of_yaml_1_2() -> None:
    """`yes` and dates are texts, whatever older readers made of them."""
    text = "[yes, on, 12:30, 2026-06-11, 1_000, 017, 0x1F, 0o17, 1e3, -1.5, ~, null, true, '1', !!str 1, 1.0]"
    values = ["yes", "on", "12:30", "2026-06-11", "1_000", 17, 31, 15, 1000.0, -1.5, None, None, True, "1", "1", 1.0]
    assert same(only(text), values)


def test_every_path_has_its_line() -> None:
    """Also behind another document, and in flow style."""
    first, second = read_yaml(b"a: 1\nb:\n  - x\n  - {y: 2}\n---\nc: 3\n", "f.yaml")
    assert first.lines == {(): 1, ("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 1): 4, ("b", 1, "y"): 4}
    assert second.lines["c",] == 6


def test_an_alias_stands_for_its_anchor() -> None:
    """So that agents are written once."""
    assert only("a: &x {k: [1]}\nb: *x\n") == {"a": {"k": [1]}, "b": {"k": [1]}}


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
REFUSED = [
    ("a: 1\nb: 2\na: 3\n", 3, "twice"),
    ("a: .nan\n", 1, "finite"),
    ("a:\n  - 1e999\n", 2, "finite"),
    ("a: !!python/object/apply:os.system [x]\n", 1, "tag"),
    ("a: !secret x\n", 1, "tag"),
    ("? [1]\n: 2\n", 1, "key"),
    ("a: *b\n", 1, "nowhere"),
    ("a: &b [*b]\n", 1, "nowhere"),
    ("a: b: c\n", 1, "no YAML"),
    ("a:\n\tb: 1\n", 2, "no YAML"),
    ("a: \x01\n", 1, "no YAML"),
    ("[" * 1_000_000, 1, "too deep"),
    (BOMB, 7, "values"),
]


@pytest.mark.parametrize(("text", "line", "message"), REFUSED)
def test_what_is_refused_is_told_with_its_line_at_once(text: str, line: int, message: str) -> None:
    """Also the deep and the exploding, in a moment."""
    began = time.monotonic()
    with pytest.raises(InvalidInput) as raised:
        list(read_yaml(text.encode(), "f.yaml"))
    assert raised.value.path == f"f.yaml:{line}"
    assert message in raised.value.message
    assert time.monotonic() - began < 2


def test_bytes_that_are_no_text_are_refused() -> None:
    """By the file's name, at least."""
    with pytest.raises(InvalidInput, match=r"^f.yaml:1: is no YAML"):
        list(read_yaml(b"a: \xff", "f.yaml"))


LETTERS = "abc \n\t:#-{}[],&*!|>'\"%@`0123456789.eE+~é\u2028\x85\ufeff\x07\\/=?<>\U0001f600yn"
WORDS = ["yes", "no", "on", "1e3", "0o17", "017", "1_000", "null", "~", "true", "<<", "="]
WORDS += ["2026-01-02", "12:30", "0x1F", ".inf", "1.", "+1", "-", "---", "...", "%a"]


def random_value(chance: random.Random, depth: int = 0) -> Any:
    """Any JSON value, texts that YAML finds difficult among them."""
    choice = chance.random()
    if choice < 0.5:
        return "".join(chance.choices(LETTERS, k=chance.randrange(12)))
    if choice < 0.7 or depth > 3:
        return chance.choice([*WORDS, "- a", "a: b", "# x", "", 1, -1, 1.0, 1e300, -1e-9, 2**70, 1e16, 5e-324, True, None])
    if choice < 0.85:
        return [random_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    keys = ("".join(chance.choices(LETTERS, k=chance.randrange(12))) for _ in range(chance.randrange(4)))
    return {key: random_value(chance, depth + 1) for key in keys}


def test_what_is_written_is_read_back_as_it_was() -> None:
    """Any JSON value, its types included."""
    chance = random.Random(11)
    for _ in range(5_000):
        value = [random_value(chance)]
        text = write_yaml([value])
        assert same(only(text), value), text
