"""`touchline dead list`, `show`, `redrive` and `discard`: what was given up on, and what is to become of it, through the API.

Exit codes: 0 when all that was asked was done, 1 when something was refused or there is no such letter, 2 for a command that is
misspelt. With --json, what the API answered goes to stdout, for scripts; faults go to stderr either way.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple
from urllib.parse import quote

import typer

from touchline.options import API_URL, ApiKey, ApiUrl

if TYPE_CHECKING:
    from touchline.api import Api

app = typer.Typer(help="Dead letters: what a stage gave up on.", no_args_is_help=True)

URL = "/api/v1/dead-letters"
LETTERS_SHOWN = 50
LETTERS_AT_ONCE = 5_000
"""Of --all, by one call: each looks at all of them again, and one of some ten seconds is answered before anybody gives up."""
LONGEST_AGO = "365d"

State = Literal["open", "redriving", "redriven", "discarded", "all"]
Stage = Annotated[str | None, typer.Option(help="The stage that gave up: match, gate, dispatch, executions_in, …")]
Trigger = Annotated[str | None, typer.Option(help="The trigger's id.")]
Workspace = Annotated[str | None, typer.Option(help="The workspace; else every one that the key sees.")]
Reason = Annotated[str | None, typer.Option(help="A part of the reason, in any case.")]
Since = Annotated[str | None, typer.Option(help="Died from then on: how long ago (30m, 2h, 7d) or a time (RFC 3339).")]
Until = Annotated[str | None, typer.Option(help="Died before then: how long ago, or a time.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="What `touchline dead list` calls id.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="What `touchline dead list` calls id.")]
All = Annotated[bool, typer.Option("--all", help="All open ones that the other options name, the oldest first.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="With --all: only say which.")]
Again = Annotated[bool, typer.Option("--again", help="Also those that were redriven or discarded before.")]


class Outcome(NamedTuple):
    """The ids of what was done, and of what was not, each with the API's problem."""

    ids: list[str]
    refused: list[dict[str, Any]]


@app.command("list")
def list_letters(
    stage: Stage = None,
    trigger: Trigger = None,
    workspace: Workspace = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    state: Annotated[State, typer.Option(help="Where they stand.")] = "open",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, at most.")] = LETTERS_SHOWN,
    as_json: Json = False,
    api: ApiUrl = API_URL,
    key: ApiKey = None,
) -> None:
    """List dead letters, the newest first."""
    from touchline.api import Api
    from touchline.dead_view import print_json, print_letters

    with Api(api, key) as client:
        wanted = _wanted(stage, trigger, workspace, reason, since, until)
        page = client.ask("GET", URL, state=state, limit=limit, **wanted)
    (print_json if as_json else print_letters)(page["dead_letters"])
    if page["next_cursor"]:
        print("there are more: raise --limit, or say which", file=sys.stderr)
    if not page["searched"]["complete"]:
        print(f"only the newest {page['searched']['records']} records were looked at: say --since when", file=sys.stderr)


@app.command()
def show(letter_id: Id, as_json: Json = False, api: ApiUrl = API_URL, key: ApiKey = None) -> None:
    """Show one with all that it was: where it lay, its headers and its value."""
    from touchline.api import Api
    from touchline.dead_view import print_json, print_letter

    with Api(api, key) as client:
        (print_json if as_json else print_letter)(client.ask("GET", f"{URL}/{quote(letter_id, safe='')}"))


@app.command()
def redrive(
    ids: Ids = None,
    every: All = False,
    stage: Stage = None,
    trigger: Trigger = None,
    workspace: Workspace = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    again: Again = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    api: ApiUrl = API_URL,
    key: ApiKey = None,
) -> None:
    """Put records back where they lay, with the ids they had. Exit 1 when one was not."""
    from touchline.api import Api

    if every and again:
        raise typer.BadParameter("--again goes with ids: what was decided is taken back one by one")
    wanted = _wanted(stage, trigger, workspace, reason, since, until)
    _check_choice(ids, wanted, every=every, dry_run=dry_run)
    with Api(api, key) as client:
        outcome = _all(client, "redrive", wanted, dry_run) if every else _each(client, "redrive", ids or (), again=again)
    _tell(outcome, "would be redriven" if dry_run else "redriven", as_json=as_json)


@app.command()
def discard(
    ids: Ids = None,
    every: All = False,
    stage: Stage = None,
    trigger: Trigger = None,
    workspace: Workspace = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    api: ApiUrl = API_URL,
    key: ApiKey = None,
) -> None:
    """Say that nothing is to be done about them. Exit 1 when one was decided before."""
    from touchline.api import Api

    wanted = _wanted(stage, trigger, workspace, reason, since, until)
    _check_choice(ids, wanted, every=every, dry_run=dry_run)
    with Api(api, key) as client:
        outcome = _all(client, "discard", wanted, dry_run) if every else _each(client, "discard", ids or ())
    _tell(outcome, "would be discarded" if dry_run else "discarded", as_json=as_json)


def _wanted(
    stage: str | None, trigger: str | None, workspace: str | None, reason: str | None, since: str | None, until: str | None
) -> dict[str, str]:
    """The filters that are given, as the API calls them."""
    wanted = {"stage": stage, "trigger_id": trigger, "workspace": workspace, "reason": reason}
    wanted |= {"since": _instant("--since", since), "until": _instant("--until", until)}
    return {name: value for name, value in wanted.items() if value is not None}


def _instant(option: str, text: str | None) -> str | None:
    """A time as RFC 3339; `2h` is two hours ago. Raises typer.BadParameter."""
    from streams.errors import InvalidTrigger
    from streams.language.duration import parse_duration

    if text is None:
        return None
    try:
        return (datetime.now(UTC) - timedelta(milliseconds=parse_duration(text, option, LONGEST_AGO))).isoformat()
    except InvalidTrigger:
        pass
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except ValueError as error:
        raise typer.BadParameter(f"{option}: accepted: 30m, 2h, 7d, or a time such as 2026-06-11T19:12:00Z") from error


def _check_choice(ids: Sequence[str] | None, wanted: dict[str, str], *, every: bool, dry_run: bool) -> None:
    """Raises typer.BadParameter unless it is plain which letters are meant: what is done cannot be undone."""
    if every == bool(ids) or (ids and (wanted or dry_run)):
        raise typer.BadParameter("say which: their ids, or --all with or without --stage, --trigger, --reason and so on")


def _each(api: "Api", action: str, ids: Sequence[str], *, again: bool = False) -> Outcome:
    """Do it to one after the other."""
    from touchline.api import problem_of

    outcome = Outcome([], [])
    for letter_id in ids:
        response = api.call("POST", f"{URL}/{quote(letter_id, safe='')}/{action}", again=again or None)
        if response.is_success:
            outcome.ids.append(letter_id)
        else:
            detail = {"detail": f"the API answered {response.status_code}"}
            outcome.refused.append({"id": letter_id, "problem": problem_of(response) or detail})
    return outcome


def _all(api: "Api", action: str, wanted: dict[str, str], dry_run: bool) -> Outcome:
    """Do it to all that died before now, call by call: what dies again meanwhile is not done twice."""
    now = datetime.now(UTC)
    wanted["until"] = min(now, datetime.fromisoformat(wanted.get("until", now.isoformat()))).isoformat()
    outcome = Outcome([], [])
    while True:
        answer = api.ask("POST", f"{URL}/{action}", limit=LETTERS_AT_ONCE, dry_run=dry_run or None, **wanted)
        outcome.ids.extend(answer["ids"])
        outcome.refused.extend(answer["refused"])
        if dry_run and answer["matched"] > len(answer["ids"]):
            print(f"{answer['matched']} in all, of which these are the oldest", file=sys.stderr)
        if dry_run or not answer["ids"] or answer["matched"] <= len(answer["ids"]) + len(answer["refused"]):
            return outcome


def _tell(outcome: Outcome, done: str, *, as_json: bool) -> None:
    """Print what came of it. Raises typer.Exit with the command's exit code."""
    from touchline.dead_view import print_json

    if as_json:
        print_json(outcome._asdict())
    else:
        for letter_id in outcome.ids:
            print(f"{letter_id} {done}")
        if len(outcome.ids) != 1:
            print(f"= {len(outcome.ids)} {done}")
    for refusal in outcome.refused:
        print(f"! {refusal['id']}: {refusal['problem'].get('detail')}", file=sys.stderr)
    raise typer.Exit(1 if outcome.refused else 0)
