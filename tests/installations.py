"""Installations for tests, each nobody else's: topics under a prefix of its own, a migrated schema of its own.

Making one takes a second or two of waiting for the broker, and most tests take less. So the next one is made, and the last one
removed, while a test runs.
"""

import asyncio
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

import asyncpg

import migrations
from connectors.kafka.topics import create_topics, delete_topics
from streams.settings import Settings


class Installations:
    """Made one ahead, in a thread of its own."""

    def __init__(self, kafka_bootstrap_servers: str, database_url: str) -> None:
        self._kafka_bootstrap_servers, self._database_url = kafka_bootstrap_servers, database_url
        self._thread = ThreadPoolExecutor(1)
        self._next: Future[Settings] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._next is not None:
            self.give_back(self._next.result())
        self._thread.shutdown()

    def take(self) -> Settings:
        """One that is ready."""
        taken = self._next or self._thread.submit(self._make)
        self._next = self._thread.submit(self._make)
        return taken.result()

    def give_back(self, settings: Settings) -> None:
        """It is not needed any more."""
        self._thread.submit(lambda: asyncio.run(remove(settings)))

    def _make(self) -> Settings:
        settings = fresh_settings(self._kafka_bootstrap_servers, self._database_url)
        asyncio.run(_prepare(settings))
        return settings


def fresh_settings(kafka_bootstrap_servers: str, database_url: str) -> Settings:
    """Settings of an installation that does not exist yet."""
    name = uuid.uuid4().hex[:12]
    return Settings(
        kafka_bootstrap_servers=kafka_bootstrap_servers,
        database_url=database_url,
        topic_prefix=f"test-{name}.",
        database_schema=f"test_{name}",
        partitions=4,
        authentication="none",
    )


async def _prepare(settings: Settings) -> None:
    await create_topics(settings)
    await migrations.apply(settings.database_url, settings.database_schema)


async def remove(settings: Settings) -> None:
    """Leave nothing on a broker and a database that may outlive the run: topics, schema, what a connector made."""
    schema, owned = settings.database_schema, f"{settings.database_schema}_touchline"
    connection = await asyncpg.connect(settings.database_url)
    try:
        # A connector that was killed a moment ago may still hold the slot.
        await connection.execute(
            "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE slot_name = $1 AND active", owned
        )
        await connection.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1", owned
        )
        await connection.execute(f'DROP PUBLICATION IF EXISTS "{owned}"')
        await connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
    finally:
        await connection.close()
        await delete_topics(settings)
