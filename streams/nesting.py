"""How deep JSON may be nested: deeper than Python's readers and writers follow, each gives up at another level. Pure."""

import re

import msgspec

NESTING_LIMIT = 100
"""Levels of lists and objects: the stages wrap an event a few levels more, and all must stay far below Python's own limit."""

_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def deep_field(text: bytes) -> str | None:
    """Which field of a JSON object is nested deeper than NESTING_LIMIT, "" when the text is no object; None when all is well.

    Nothing is decoded, so the depth itself does no harm.
    """
    if text.count(b"[") + text.count(b"{") <= NESTING_LIMIT:
        return None
    depth, field = 0, b'""'
    for found in _TOKENS.finditer(text):
        token = found[0]
        if token in b"[{":
            depth += 1
            if depth > NESTING_LIMIT:
                return str(msgspec.json.decode(field)) if text.lstrip()[:1] == b"{" else ""
        elif token in b"]}":
            depth -= 1
        elif depth == 1:
            field = token
    return None
