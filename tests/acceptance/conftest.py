"""One installation for most tests, on the run's own Kafka and Postgres; a client for it and a hub to be called."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.settings import Settings
from tests.acceptance.installation import Client, Command
from tests.acceptance.receiver import Receiver
from tests.environment import installation_environment
from tests.installations import fresh_settings, remove


@pytest.fixture(scope="session")
def settings(kafka_bootstrap_servers: str, database_url: str) -> Settings:
    """Settings of an installation of its own on the run's broker and database."""
    return fresh_settings(kafka_bootstrap_servers, database_url)


@pytest.fixture(scope="session")
def running(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """`touchline up` with one worker, ready."""
    directory = tmp_path_factory.mktemp("up") / "data"
    environment = installation_environment(settings)
    del environment["TOUCHLINE_PUBLIC_URL"], environment["TOUCHLINE_SIGNING_KEY"]  # `up` gives its processes its own
    command = Command("up", directory, "--port", "0", "--workers", "1", environment=environment)
    try:
        asyncio.run(command.ready())
        yield command
    finally:
        command.stop()
        asyncio.run(remove(settings))


@pytest.fixture
def client(running: Command) -> Iterator[Client]:
    """The HTTP API of `running`."""
    with Client(running.addresses.api) as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A hub that answers every inject with completed."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def hub_id(client: Client, receiver: Receiver) -> str:
    """The id under which `receiver` is registered."""
    hub_id = f"hub-{uuid.uuid4().hex[:8]}"
    client.register_hub(hub_id, receiver.base_url)
    return hub_id


@pytest.fixture
def source() -> str:
    """A source nobody else publishes under."""
    return f"feed_{uuid.uuid4().hex[:8]}"


@pytest.fixture
def data_directory(tmp_path: Path) -> Path:
    """A directory for a `touchline` command of the test's own."""
    return tmp_path / "data"
