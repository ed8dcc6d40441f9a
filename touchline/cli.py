"""The command line. Each command loads only what it runs, so that `--help` is quick and `ingest` never loads Faust."""

import asyncio
import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.errors import InvalidInput, TouchlineError, Unavailable
from touchline import dead_command
from touchline.options import API_URL, ApiKey, ApiUrl

if TYPE_CHECKING:
    from streams.settings import Settings
    from touchline.triggers_command import Outcome

app = typer.Typer(
    name="touchline",
    help="An event backbone on Kafka that fires AI agents, once each.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
topics = typer.Typer(help="The topics on the broker.", no_args_is_help=True)
app.add_typer(topics, name="topics")
triggers = typer.Typer(help="Triggers as files.", no_args_is_help=True)
app.add_typer(triggers, name="triggers")
keys = typer.Typer(help="The API keys that callers need.", no_args_is_help=True)
app.add_typer(keys, name="keys")
workspaces = typer.Typer(help="What each workspace may have.", no_args_is_help=True)
app.add_typer(workspaces, name="workspaces")
app.add_typer(dead_command.app, name="dead")

FAILED = 1
"""The exit code of a command that could not do what it was asked; typer itself ends a misspelt one with 2."""

DATA_DIRECTORY = Path(".touchline")

TriggerPaths = Annotated[list[Path], typer.Argument(exists=True, help="YAML files, and directories of them.")]
TriggerWorkspace = Annotated[str | None, typer.Option("--workspace", help="The workspace; else the key's own, or default.")]
Prune = Annotated[bool, typer.Option("--prune", help="Also delete the workspace's triggers that no file names.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="TCP port to listen on; 0 takes a free one.")]
ListenPort = Annotated[int, typer.Option(min=1, max=65535, help="TCP port to listen on.")]
Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every one.")]
DataDirectory = Annotated[Path, typer.Option("--data-dir", file_okay=False, help="Where everything is kept.")]


class Limit(StrEnum):
    """A limit of a workspace: its column, and the option that sets it."""

    max_triggers = "max-triggers"
    max_depth = "max-depth"
    max_firings = "max-firings"
    max_queue = "max-queue"
    allowed_agents = "allow-agent"


def _majority(brokers: int) -> int:
    """Two brokers are worth less than one: without either there is no majority of controllers."""
    if brokers == 2:
        raise typer.BadParameter("two brokers cannot do without either; take 1, or 3")
    return brokers


@app.command()
def up(
    port: Port = 8700,
    data_directory: DataDirectory = DATA_DIRECTORY,
    workers: Annotated[int, typer.Option(min=1, help="How many worker processes share the partitions.")] = 1,
    brokers: Annotated[int, typer.Option(min=1, help="Kafka brokers: with 3, any one may die.", callback=_majority)] = 1,
    ask_for_keys: Annotated[bool, typer.Option("--keys", help="Ask every caller for an API key.")] = False,
) -> None:
    """Run all of it in the foreground, Kafka and Postgres included; Ctrl-C stops it.

    KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL, when set, replace the embedded broker and database.
    """
    from touchline.up import run

    run(_settings(logging.WARNING), data_directory, port, workers, brokers, ask_for_keys=ask_for_keys)


@app.command()
def demo(
    speed: Annotated[float | None, typer.Option(min=1, help="How many times faster than real play matches go.")] = None,
    data_directory: DataDirectory = DATA_DIRECTORY / "demo",
) -> None:
    """Replay the 2026 World Cup through a real broker; exit 0 only when all sums balance."""
    from touchline.up import run_demo

    raise typer.Exit(run_demo(_settings(logging.WARNING), data_directory, speed))


@app.command()
def torture(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long faults come; what was accepted may then take a while.")] = 3,
    seed: Annotated[int, typer.Option(help="What is done to whom and when; the same seed does the same again.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="How many worker processes share the partitions.")] = 3,
    data_directory: Annotated[
        Path | None, typer.Option("--data-dir", file_okay=False, help="An empty place to keep all in; else a temporary one.")
    ] = None,
) -> None:
    """Kill and freeze an installation's processes at random under a known feed; exit 0 only when no promise was broken."""
    from touchline.torture.run import prepare_environment, run

    prepare_environment()
    raise typer.Exit(run(_settings(logging.ERROR), data_directory, minutes * 60, seed, workers))


@app.command("migrate")
def migrate_schema() -> None:
    """Bring the database's schema up to date."""
    from touchline.migrate import migrate

    asyncio.run(migrate(_settings()))


@topics.command()
def create() -> None:
    """Create the topics that are missing."""
    from connectors.kafka.topics import create_topics

    asyncio.run(create_topics(_settings()))


@topics.command()
def describe() -> None:
    """List the topics, with their partitions and about how many records they hold."""
    from rich.console import Console
    from rich.table import Table

    from connectors.kafka.topics import describe_topics

    table = Table("topic", "partitions", "records, at most", "cleanup", box=None)
    for topic in asyncio.run(describe_topics(_settings())):
        table.add_row(topic.name, str(topic.partitions), str(topic.end_offset - topic.begin_offset), topic.cleanup_policy)
    Console().print(table)


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="What it is for, for people to read.")],
    scopes: Annotated[str, typer.Option(help="Any of ingest, triggers, executions, admin, with commas between.")],
    workspace: Annotated[str, typer.Option(help="The workspace it belongs to.")] = "default",
    installation: Annotated[bool, typer.Option("--installation", help="Make it a key for every workspace.")] = False,
    expires_days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Days until it expires; else it never does.")
    ] = None,
    data_directory: DataDirectory = DATA_DIRECTORY,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    from touchline.keys import create_key

    belongs_to = None if installation else workspace
    print(create_key(_settings(logging.WARNING), data_directory, belongs_to, name, scopes, expires_days))


@keys.command("list")
def list_keys(data_directory: DataDirectory = DATA_DIRECTORY) -> None:
    """List the keys: what they are for, not what they are."""
    from rich.console import Console
    from rich.table import Table

    from touchline.keys import list_keys

    columns = ("key_id", "workspace", "name", "scopes", "created_at", "expires_at", "revoked_at")
    table = Table(*columns, box=None)
    for row in list_keys(_settings(logging.WARNING), data_directory):
        shown = row | {"scopes": ",".join(row["scopes"]), "workspace": row["workspace"] or "(installation)"}
        table.add_row(*(str(shown[column] or "") for column in columns))
    Console().print(table)


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="What `touchline keys list` calls key_id.")],
    data_directory: DataDirectory = DATA_DIRECTORY,
) -> None:
    """Revoke a key, for good."""
    from touchline.keys import revoke

    revoke(_settings(logging.WARNING), data_directory, key_id)


@workspaces.command("set")
def set_workspace(
    name: Annotated[str, typer.Argument(help="The workspace.")],
    max_triggers: Annotated[int | None, typer.Option(min=0, help="Triggers it may have, enabled or not.")] = None,
    max_depth: Annotated[int | None, typer.Option(min=1, help="How deep a cascade of its agents may go.")] = None,
    max_firings: Annotated[str | None, typer.Option(help="Firings of all its triggers together, such as 1000/1h.")] = None,
    max_queue: Annotated[int | None, typer.Option(min=0, help="Firings of one trigger that may wait.")] = None,
    allow_agent: Annotated[
        list[str] | None, typer.Option(help="An agent that may be fired, and no others but those given with it.")
    ] = None,
    lift: Annotated[list[Limit] | None, typer.Option(help="Takes a limit away: the installation's holds, or none.")] = None,
    scale: Annotated[
        list[str] | None, typer.Option(help="field=least,…,most orders the words of a field; field= takes that away.")
    ] = None,
    data_directory: DataDirectory = DATA_DIRECTORY,
) -> None:
    """Change what is given, and print what is so now. What can be repeated: --allow-agent, --lift, --scale."""
    from rich import print_json

    from touchline.keys import set_workspace

    limits = {
        Limit.max_triggers.name: max_triggers,
        Limit.max_depth.name: max_depth,
        Limit.max_firings.name: max_firings,
        Limit.max_queue.name: max_queue,
        Limit.allowed_agents.name: allow_agent or None,
    }
    lifted = [limit.name for limit in lift or ()]
    settings = _settings(logging.WARNING)
    print_json(data=set_workspace(settings, data_directory, name, limits, scale or (), lifted), default=str)


@triggers.command("apply")
def apply_triggers(
    paths: TriggerPaths,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    prune: Prune = False,
    workspace: TriggerWorkspace = None,
    api: ApiUrl = API_URL,
    key: ApiKey = None,
) -> None:
    """Make the files true: create, change, and with --prune delete. Exit 1 when a row could not be written."""
    outcome = _apply(api, key, paths, workspace, prune=prune, dry_run=dry_run)
    raise typer.Exit(FAILED if outcome.faults else 0)


@triggers.command("diff")
def diff_triggers(
    paths: TriggerPaths,
    prune: Prune = False,
    workspace: TriggerWorkspace = None,
    api: ApiUrl = API_URL,
    key: ApiKey = None,
) -> None:
    """Say what apply would change. Exit 1 when there is anything."""
    raise typer.Exit(FAILED if any(_apply(api, key, paths, workspace, prune=prune, dry_run=True)) else 0)


def _apply(api: str, key: str | None, paths: list[Path], workspace: str | None, *, prune: bool, dry_run: bool) -> "Outcome":
    """Make the files true through the API at `api`, or only say what that would change. Raises TouchlineError."""
    from touchline.api import Api
    from touchline.triggers_command import apply

    with Api(api, key) as client:
        return apply(client, paths, workspace, prune=prune, dry_run=dry_run)


@triggers.command("export")
def export_triggers(workspace: TriggerWorkspace = None, api: ApiUrl = API_URL, key: ApiKey = None) -> None:
    """Print every trigger as YAML that apply takes back."""
    from touchline.api import Api
    from touchline.triggers_command import export_rows

    with Api(api, key) as client:
        export_rows(client, workspace)


@app.command("why")
def why_fired(
    event: Annotated[str, typer.Argument(help="The event's id.")],
    trigger: Annotated[str, typer.Argument(help="The trigger's id.")],
    source: Annotated[str | None, typer.Option(help="The event's source: only its partition is searched.")] = None,
    subject: Annotated[str | None, typer.Option(help="The event's subject, for a source that is spread.")] = None,
    around: Annotated[str | None, typer.Option(help="When it was accepted, give or take 5 minutes (RFC 3339).")] = None,
    api: ApiUrl = API_URL,
    key: ApiKey = None,
) -> None:
    """Say why an event did or did not fire a trigger. Exit 0 when it did or would, else 1."""
    from touchline.api import Api
    from touchline.why_command import why

    with Api(api, key) as client:
        raise typer.Exit(0 if why(client, event, trigger, source=source, subject=subject, around=around) else FAILED)


@app.command("tree")
def event_tree(
    event: Annotated[str, typer.Argument(help="The id of an event, a crossing or an execution.")],
    root: Annotated[bool, typer.Option("--root", help="Show the whole tree that it is part of.")] = False,
    workspace: Annotated[
        str | None, typer.Option("--workspace", help="The workspace, where the id was given in several.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="The event's source, if it fired nobody: only its partition is searched.")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="The event's subject, for a source that is spread.")] = None,
    around: Annotated[str | None, typer.Option(help="When it was accepted, give or take 5 minutes (RFC 3339).")] = None,
    api: ApiUrl = API_URL,
    key: ApiKey = None,
) -> None:
    """Say what an event caused: executions, the events their agents emitted, and so on."""
    from touchline.api import Api
    from touchline.tree_command import print_tree

    with Api(api, key) as client:
        print_tree(client, event, root=root, workspace=workspace, source=source, subject=subject, around=around)


@app.command()
def ledger(
    workspace: Annotated[str | None, typer.Option("--workspace", help="Only what became of this workspace's records.")] = None,
    api: ApiUrl = API_URL,
    key: ApiKey = None,
) -> None:
    """Say what became of every event and firing. Exit 1 when the sums do not balance."""
    from touchline.api import Api
    from touchline.ledger_command import print_ledger

    with Api(api, key) as client:
        raise typer.Exit(0 if print_ledger(client, workspace) else FAILED)


@app.command()
def ingest(host: Host = "127.0.0.1", port: ListenPort = 8700) -> None:
    """Run the HTTP API: how events, triggers and hubs get in."""
    from ingest.serve import run

    run(_settings(), host, port)


@app.command()
def worker() -> None:
    """Run the stages detect, match, gate and dispatch on a share of the partitions."""
    from aiokafka.errors import KafkaError

    from streams.app import run

    settings = _settings()
    try:
        raise typer.Exit(run(settings))
    except KafkaError as error:
        raise Unavailable(f"Kafka does not let a worker start at {settings.kafka_bootstrap_servers}: {error}") from error


@app.command()
def connect() -> None:
    """Carry rows out of Postgres to Kafka, and executions back. Several may run: one works, the others wait."""
    from connectors.connect import run

    asyncio.run(run(_settings()))


@app.command()
def hub(
    hub_id: Annotated[str, typer.Option(help="The id it is registered under at POST /api/v1/hubs.")] = "local",
    host: Host = "127.0.0.1",
    port: ListenPort = 8701,
    token: Annotated[str | None, typer.Option(envvar="TOUCHLINE_HUB_TOKEN", help="Bearer token asked of every caller.")] = None,
) -> None:
    """Run the reference hub, whose scripted agent answers at once."""
    from hub.serve import run

    run(_settings(), hub_id, host, port, token)


def _settings(level: int = logging.INFO) -> "Settings":
    """This process's settings, with its logs set up as they say, from `level` on.

    Raises InvalidInput naming the environment variable that is wrong.
    """
    from pydantic import ValidationError

    from streams.settings import settings
    from touchline.logs import configure_logs

    try:
        loaded = settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise InvalidInput(name if name.isupper() else f"TOUCHLINE_{name.upper()}", first["msg"]) from error
    configure_logs(loaded, level)
    return loaded


def main() -> None:
    """The `touchline` command: what went wrong on purpose is one line and an exit code, not a traceback."""
    try:
        app()
    except TouchlineError as error:
        print(f"touchline: {error}", file=sys.stderr)
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
