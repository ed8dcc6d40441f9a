"""Dead letters as people read them, and as scripts do."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

LONG = ("headers", "value", "value_base64")
"""What is shown last, below everything that fits on a line."""
LINE_LENGTH = 1_000
"""Of a table that goes to a file or to another command: long enough for every reason that a list shows."""


def print_letters(letters: Sequence[Mapping[str, Any]]) -> None:
    """A table, one letter a row."""
    table = Table("id", "died at (UTC)", "state", "stage", "trigger", "reason", box=None)
    table.columns[-1].overflow = "fold"
    for letter in letters:
        shown = (letter["id"], letter["died_at"][:19], letter["state"], letter["stage"], letter["trigger_id"] or "-")
        table.add_row(*map(escape, shown), escape(letter["reason"]))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = LINE_LENGTH
    console.print(table)


def print_letter(letter: Mapping[str, Any]) -> None:
    """All that is known of one."""
    console = Console(soft_wrap=True, highlight=False)
    for name, value in letter.items():
        if name not in LONG and value is not None:
            console.print(f"[bold]{name}[/] {escape(str(value))}")
    for name in LONG:
        if name in letter and letter[name] != []:
            shown = letter[name] if name == "value_base64" else json.dumps(letter[name], indent=2, ensure_ascii=False)
            console.print(f"[bold]{name}[/]\n{escape(shown)}")


def print_json(answer: Any) -> None:
    """What the API answered, indented."""
    print(json.dumps(answer, indent=2, ensure_ascii=False))
