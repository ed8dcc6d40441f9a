"""What Postgres holds in the end: the rows of executions, and of the triggers."""

import re
from typing import NamedTuple

import asyncpg

from streams.settings import Settings

GONE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a database that is just coming back raises."""


class ExecutionRow(NamedTuple):
    """One row of executions."""

    execution_id: str
    trigger_id: str
    status: str


class Tables(NamedTuple):
    """All executions, and the ids of the triggers that are enabled."""

    executions: list[ExecutionRow]
    enabled: set[str]


async def read_tables(settings: Settings) -> Tables:
    """Read both. Raises one of GONE."""
    schema = '"' + re.sub('"', '""', settings.database_schema) + '"'
    connection = await asyncpg.connect(settings.database_url, timeout=5)
    try:
        rows = await connection.fetch(f"SELECT execution_id, trigger_id, status FROM {schema}.executions")  # noqa: S608
        enabled = await connection.fetch(f"SELECT id FROM {schema}.jobs WHERE enabled")  # noqa: S608
    finally:
        await connection.close()
    return Tables([ExecutionRow(*row) for row in rows], {row["id"] for row in enabled})
