"""The command line. Each command loads only what it runs, so that `--help` is quick and `ingest` never loads Faust."""

import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.errors import InvalidInput, TouchlineError, Unavailable

if TYPE_CHECKING:
    from streams.settings import Settings

app = typer.Typer(
    name="touchline",
    help="An event backbone on Kafka that fires AI agents, once each.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
topics = typer.Typer(help="The topics on the broker.", no_args_is_help=True)
app.add_typer(topics, name="topics")

FAILED = 1
"""The exit code of a command that could not do what it was asked; typer itself ends a misspelt one with 2."""

DATA_DIRECTORY = Path(".touchline")

Port = Annotated[int, typer.Option(min=0, max=65535, help="TCP port to listen on; 0 takes a free one.")]
ListenPort = Annotated[int, typer.Option(min=1, max=65535, help="TCP port to listen on.")]
Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every one.")]
DataDirectory = Annotated[Path, typer.Option("--data-dir", file_okay=False, help="Where everything is kept.")]


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
) -> None:
    """Run all of it in the foreground, Kafka and Postgres included; Ctrl-C stops it.

    KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL, when set, replace the embedded broker and database.
    """
    from touchline.up import run

    run(_settings(logging.WARNING), data_directory, port, workers, brokers)


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
