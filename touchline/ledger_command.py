"""`touchline ledger`: what became of every record, and whether it adds up, for a person to read."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from touchline.api import Api


def print_ledger(api: Api, workspace: str | None) -> bool:
    """Ask, print, and say whether all sums balance; those of one workspace alone cannot. Raises TouchlineError."""
    found = api.ask("GET", "/api/v1/ledger", workspace=workspace)
    console = Console(soft_wrap=True, highlight=False)
    if "workspace" in found:
        console.print(_table(found["workspace"], _of_workspace(found)))
        return True
    console.print(_table("all workspaces", _of_installation(found)))
    for fault in found["faults"]:
        console.print(escape(fault["sentence"]), style="bold red")
    if found["executions"] is None:
        console.print("Postgres does not answer, so executions were not compared.", style="yellow")
    console.print("The sums balance." if found["balanced"] else "The sums do not balance.", style="bold")
    balanced: bool = found["balanced"]
    return balanced


Row = tuple[str, str, str, str]


def _table(title: str, rows: Iterator[Row]) -> Table:
    table = Table("stage", "what became of it", title=escape(title), title_justify="left", box=None)
    table.add_column("records", justify="right")
    table.add_column("", style="dim")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _of_installation(found: dict[str, Any]) -> Iterator[Row]:
    for stage in found["stages"]:
        yield stage["stage"], f"records of {stage['topic']}", str(stage["records"]), ""
        yield from _counts(stage)
        yield "", "under way", str(stage["under_way"]), ""
        yield "", "vanished", str(stage["vanished"]), ""
        yield "", "difference", str(stage["difference"]), ""
    executions = found["executions"]
    if executions is not None:
        yield "executions", "made by the gate", str(executions["told"]), ""
        for status, count in sorted(executions["statuses"].items()):
            yield "", status, str(count), ""
        yield "", "under way", str(executions["under_way"]), ""


def _of_workspace(found: dict[str, Any]) -> Iterator[Row]:
    for name, stage in found["stages"].items():
        yield name, "", "", ""
        yield from _counts(stage)
    for status, count in sorted((found["executions"] or {}).items()):
        yield "executions", status, str(count), ""


def _counts(stage: dict[str, Any]) -> Iterator[Row]:
    for outcome, count in sorted(stage["outcomes"].items()):
        yield "", outcome, str(count), ""
    for note, count in sorted(stage["notes"].items()):
        yield "", note, str(count), "beside"
