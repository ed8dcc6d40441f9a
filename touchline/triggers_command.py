"""`touchline triggers apply`, `diff` and `export`: files made true, or compared, through the HTTP API.

The server itself judges what a file says (`ingest/drafts.py`), so a dry run tells the same faults as the real one, in the same
words, with the file's lines. What a file makes wrong is told, and what is right is applied.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from streams.check import shown
from streams.language.comparison import same
from touchline.api import Api, problem_of
from touchline.trigger_export import export
from touchline.trigger_files import FileTrigger, read_files

URL = "/api/v1/triggers"
DRAFTS = 200
"""Triggers judged by one call: with a message of a few KiB each, far below what a body may weigh."""


class Wanted(NamedTuple):
    """A trigger of a file, and the columns it would be stored with."""

    trigger: FileTrigger
    columns: dict[str, Any]


class Change(NamedTuple):
    """One row to write: the line that tells of it, the call, and what a refusal is told about."""

    line: str
    method: str
    path: str
    body: dict[str, Any] | None
    trigger: FileTrigger | None


class Plan(NamedTuple):
    """What differs between files and rows."""

    changes: list[Change]
    unchanged: int


class Outcome(NamedTuple):
    """How many rows were to be changed, and what could not be done."""

    changes: int
    faults: list[str]


def apply(api: Api, paths: Sequence[Path], workspace: str | None, *, prune: bool, dry_run: bool) -> Outcome:
    """Make the files true, or only say what that would change: a line a row, faults on stderr. Raises TouchlineError."""
    wanted, faults = _read_wanted(api, paths, workspace)
    if prune and faults:
        faults.append("--prune: nothing is deleted as long as the files hold faults")
    plan = _compare(api, wanted, workspace, prune=prune and not faults)
    for change in plan.changes:
        response = None if dry_run else api.call(change.method, change.path, change.body)
        if response is not None and not response.is_success:
            faults += _told(change, response)
        else:
            print(change.line if response is None or response.status_code != 202 else f"{change.line} (live later)")
    print(f"= {plan.unchanged} unchanged")
    for fault in faults:
        print(f"! {fault}", file=sys.stderr)
    return Outcome(len(plan.changes), faults)


def export_rows(api: Api, workspace: str | None) -> None:
    """Print every trigger as YAML. Raises TouchlineError."""
    sys.stdout.write(export(api.triggers(workspace)))


def _read_wanted(api: Api, paths: Sequence[Path], workspace: str | None) -> tuple[dict[tuple[str, str], Wanted], list[str]]:
    """The triggers of the files by workspace and name, as the server would store them, and every fault."""
    triggers, faults = read_files(paths)
    wanted: dict[tuple[str, str], Wanted] = {}
    for begin in range(0, len(triggers), DRAFTS):
        some = triggers[begin : begin + DRAFTS]
        results = api.ask("POST", f"{URL}/drafts", [_body(trigger, workspace) for trigger in some])["results"]
        for trigger, result in zip(some, results, strict=True):
            fault = _faults(trigger, result["problem"]) if "problem" in result else []
            columns = result.get("trigger", {"workspace": "", "name": ""})
            first = wanted.get((columns["workspace"], columns["name"]))
            if not fault and workspace not in (None, columns["workspace"]):
                fault = [f"{trigger.place('workspace')}: {trigger.name}: workspace: is not the {workspace} of --workspace"]
            elif first is not None:
                fault = [f"{trigger.place()}: {trigger.name}: stands at {first.trigger.place()} already"]
            if fault:
                faults += fault
            else:
                wanted[columns["workspace"], columns["name"]] = Wanted(trigger, columns)
    return wanted, faults


def _body(trigger: FileTrigger, workspace: str | None) -> dict[str, Any]:
    return ({"workspace": workspace} if workspace else {}) | {"name": trigger.name} | trigger.columns


def _compare(api: Api, wanted: Mapping[tuple[str, str], Wanted], workspace: str | None, *, prune: bool) -> Plan:
    """What is to be written; only the workspaces of the files, and the one that is named, are looked at."""
    named = {workspace} if workspace else set()
    rows = {
        (row["workspace"], row["name"]): row for one in sorted({one for one, _ in wanted} | named) for row in api.triggers(one)
    }
    changes = [_creation(one) for identity, one in wanted.items() if identity not in rows]
    updates = [_update(one, rows[identity]) for identity, one in wanted.items() if identity in rows]
    changes += [update for update in updates if update is not None]
    if prune:
        changes += [_deletion(row) for identity, row in rows.items() if identity not in wanted]
    return Plan(changes, updates.count(None))


def _creation(one: Wanted) -> Change:
    return Change(f"+ {one.trigger.name}", "POST", URL, one.columns, one.trigger)


def _update(one: Wanted, row: Mapping[str, Any]) -> Change | None:
    """The columns that differ; `enabled` only when the file speaks of it."""
    differing = {
        column: value
        for column, value in one.columns.items()
        if not same(row.get(column), value) and (column != "enabled" or column in one.trigger.columns)
    }
    if not differing:
        return None
    told = "; ".join(f"{column}: {shown(row.get(column))} -> {shown(value)}" for column, value in differing.items())
    return Change(f"~ {one.trigger.name}: {told}", "PATCH", f"{URL}/{row['id']}", differing, one.trigger)


def _deletion(row: Mapping[str, Any]) -> Change:
    return Change(f"- {row['name']}", "DELETE", f"{URL}/{row['id']}", None, None)


def _told(change: Change, response: httpx.Response) -> list[str]:
    problem = problem_of(response) or {"detail": f"the API answered {response.status_code}"}
    return [f"{change.line}: {problem.get('detail')}"] if change.trigger is None else _faults(change.trigger, problem)


def _faults(trigger: FileTrigger, problem: Mapping[str, Any]) -> list[str]:
    """A problem's faults, each with the file's line it is about."""
    errors = problem.get("errors") or [{"path": "", "message": problem.get("detail", "was refused")}]
    return [
        ": ".join(filter(None, (trigger.place(fault["path"]), trigger.name, fault["path"], fault["message"])))
        for fault in errors
    ]
