"""`touchline why EVENT TRIGGER`: the API's judgement, as a tree that people read."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from streams.check import shown
from touchline.api import Api

FIRES = ("fired", "would_fire")
"""The outcomes with which the command ends with 0."""
_MARKS = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]?[/]"}


def why(api: Api, event_id: str, trigger_id: str, **narrowed: str | None) -> bool:
    """Print why the event did or did not fire the trigger; whether it did or would. Raises TouchlineError."""
    answer = api.ask("GET", "/api/v1/why", event_id=event_id, trigger_id=trigger_id, **narrowed)
    Console(soft_wrap=True, highlight=False).print(tree(answer))
    return answer["outcome"] in FIRES


def tree(answer: dict[str, Any]) -> Tree:
    """The judgement with the sentence on top, and under it every check in the order it was asked."""
    event, trigger = answer["event"], answer["trigger"]
    root = Tree(f"[bold]{escape(answer['sentence'])}[/]")
    root.add(escape(f"event {event['id']}: {event['source']}:{event['type']}, accepted {event['accepted_at']}"))
    root.add(escape(f"trigger {trigger['id']}: {trigger['name']}, in {trigger['workspace']}"))
    _grow(root.add(escape(answer["judged_by"])), answer["checks"])
    if answer["checks_now"]:
        _grow(root.add("the row as it is now"), answer["checks_now"])
    if answer["crossing"]:
        root.add(escape(f"crossing {answer['crossing']['id']}: {shown(answer['crossing']['payload'])}"))
    if answer["execution"]:
        root.add(escape(f"execution {answer['execution']['execution_id']}: {answer['execution']['status']}"))
    return root


def _grow(branch: Tree, checks: list[dict[str, Any]]) -> None:
    for check in checks:
        _grow(branch.add(f"{_MARKS[check['holds']]} {escape(_line(check))}"), check.get("checks", []))


def _line(check: dict[str, Any]) -> str:
    told: str = check["asks"]
    if "wanted" in check:
        told += f" {check['operator']} {shown(check['wanted'])}: "
        told += f"found {shown(check['found'])}" if "found" in check else "missing"
    elif "found" in check:
        told += f": {shown(check['found'])}"
    return f"{told} ({check['note']})" if check.get("note") else told
