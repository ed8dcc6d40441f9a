"""One broker and one database for the whole run, and an installation of its own for each test that asks.

KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL when they are set, else containers when an engine answers, else the embedded
pair in a directory that is removed at the end. Never a skip, never a fake.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker  # type: ignore[import-untyped]  # docker ships no types
import pytest
from docker.errors import DockerException  # type: ignore[import-untyped]  # docker ships no types

from streams.settings import Settings
from tests.containers import kafka_container, postgres_container
from tests.installations import Installations
from touchline.stack.kafka import EmbeddedKafka
from touchline.stack.postgres import EmbeddedPostgres


@pytest.fixture(scope="session")
def container_engine() -> bool:
    """Whether a container engine answers here."""
    try:
        client = docker.from_env(timeout=10)
    except DockerException:
        return False
    client.close()
    return True


@pytest.fixture(scope="session")
def kafka_bootstrap_servers(container_engine: bool) -> Iterator[str]:
    """The run's broker."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given
    elif container_engine:
        with kafka_container() as address:
            yield address
    else:
        with tempfile.TemporaryDirectory(prefix="touchline-") as directory, EmbeddedKafka(Path(directory)) as kafka:
            yield kafka.bootstrap_servers


@pytest.fixture(scope="session")
def database_url(container_engine: bool) -> Iterator[str]:
    """The run's database, its WAL logical."""
    if given := os.environ.get("DATABASE_URL"):
        yield given
    elif container_engine:
        with postgres_container() as url:
            yield url
    else:
        with (
            tempfile.TemporaryDirectory(prefix="touchline-") as directory,
            EmbeddedPostgres(Path(directory)) as postgres,
        ):
            yield postgres.url


@pytest.fixture(scope="session")
def installations(kafka_bootstrap_servers: str, database_url: str) -> Iterator[Installations]:
    """Those of the run."""
    with Installations(kafka_bootstrap_servers, database_url) as installations:
        yield installations


@pytest.fixture
def installation(installations: Installations) -> Iterator[Settings]:
    """Settings of an installation nobody else uses: its topics are made, its schema is migrated; both go at the end."""
    settings = installations.take()
    yield settings
    installations.give_back(settings)
