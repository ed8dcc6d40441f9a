"""`touchline tree EVENT`: what one event caused, as a tree that people read."""

from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from touchline.api import Api

UNWRAPPED_COLUMNS = 10_000
"""The width of what is no terminal: rich cuts a tree's lines at 80 columns there, in the middle of an id."""
_COLOURS = {"COMPLETED": "green", "FAILED": "red", "TIMED_OUT": "red", "REFUSED": "red", "SKIPPED": "dim", "CANCELLED": "dim"}


def print_tree(api: Api, node_id: str, **narrowed: str | bool | None) -> None:
    """Print the tree below an event, a crossing or an execution. Raises TouchlineError."""
    answer = api.ask("GET", f"/api/v1/events/{quote(node_id, safe='')}/tree", **narrowed)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = UNWRAPPED_COLUMNS
    console.print(tree(answer["tree"]))
    for detached in answer["detached"]:
        console.print(tree(detached, "emitted by an execution that is not listed: "))
    for sentence in remarks(answer):
        console.print(escape(sentence), soft_wrap=True)


def tree(event: dict[str, Any], before: str = "") -> Tree:
    """An event with what it caused; `before` is said before it."""
    root = Tree(escape(before) + _event_line(event))
    _grow(root, event)
    return root


def remarks(answer: dict[str, Any]) -> list[str]:
    """What is to be known about the whole of an answer, a sentence each."""
    told = []
    if answer["event_id"] != answer["root_event_id"] != answer["tree"]["event_id"]:
        told.append(f"It all began with event {answer['root_event_id']}; --root shows the whole tree.")
    executions, events = answer["executions"], answer["events"]
    if not executions["complete"]:
        told.append(f"There are more executions than these {executions['count']}; ask for one of them to see what it led to.")
    if not events["complete"]:
        told.append(
            f"Not every record was looked at, only {events['records_searched']}: events that fired nobody may be missing."
        )
    return told


def _grow(branch: Tree, event: dict[str, Any]) -> None:
    for execution in event["executions"]:
        below = branch.add(_execution_line(execution))
        for emitted in execution["events"]:
            _grow(below.add(_event_line(emitted)), emitted)
    for crossing in event["crossings"]:
        _grow(branch.add(_event_line(crossing)), crossing)


def _event_line(event: dict[str, Any]) -> str:
    kind = "crossing" if event["caused_by"] else "event"
    name = f"{event['source']}:{event['type']}" if event["source"] else "its record was not found"
    subject = f" ({event['subject']})" if event["subject"] else ""
    accepted = f", accepted {event['accepted_at']}" if event["accepted_at"] else ""
    return escape(f"{kind} {event['event_id']}: {name}{subject}{accepted}")


def _execution_line(execution: dict[str, Any]) -> str:
    status = execution["status"]
    colour = _COLOURS.get(status, "yellow")
    name = execution["trigger_name"] or f"trigger {execution['trigger_id']}, which is gone"
    error = f": {execution['error']}" if execution["error"] else ""
    told = escape(f"execution {execution['execution_id']}{error}")
    return f"[bold]{escape(name)}[/] [{colour}]{status}[/] {told}"
