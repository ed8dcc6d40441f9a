"""`touchline keys` and `touchline workspaces`: who may call, and how much, changed in Postgres without asking the API.

What is changed here is in force as soon as it has gone through Kafka: milliseconds later, where all processes run.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from fastapi_problem.error import Problem

from ingest.database import Database
from ingest.key_rows import SHOWN, insert_key, revoke_key
from ingest.validation import checked_name, validated
from ingest.workspace_rows import WorkspaceBody, change_workspace
from streams.errors import InvalidInput, Unavailable
from streams.key import SCOPES
from streams.settings import Settings
from touchline.addresses import read_addresses


def create_key(
    settings: Settings, data_directory: Path, workspace: str | None, name: str, scopes: str, expires_days: int | None
) -> str:
    """Make a key for a workspace, or for the installation when that is None; its text. Raises InvalidInput and Unavailable."""
    wanted = [scope.strip() for scope in scopes.split(",")]
    if unknown := [scope for scope in wanted if scope not in SCOPES]:
        raise InvalidInput("--scopes", f"{unknown[0]!r} is no scope; accepted, with commas between: {', '.join(SCOPES)}")
    checked_name("--name", name)
    if workspace is not None:
        checked_name("--workspace", workspace)

    async def create() -> str:
        async with _database(settings, data_directory) as database:
            return (await insert_key(database, workspace, name, wanted, expires_days)).text

    return asyncio.run(create())


def list_keys(settings: Settings, data_directory: Path) -> Sequence[dict[str, Any]]:
    """Every key, oldest first, without what would let anybody in. Raises Unavailable."""

    async def keys() -> list[dict[str, Any]]:
        async with _database(settings, data_directory) as database, database.transaction() as connection:
            rows = await connection.fetch(f"SELECT {SHOWN} FROM api_keys ORDER BY created_at, key_id")  # noqa: S608
            return [dict(row) for row in rows]

    return asyncio.run(keys())


def revoke(settings: Settings, data_directory: Path, key_id: str) -> None:
    """Revoke a key, for good. Raises InvalidInput when there is none of that id, and Unavailable."""

    async def revoked() -> bool:
        async with _database(settings, data_directory) as database:
            return await revoke_key(database, key_id) is not None

    if not asyncio.run(revoked()):
        raise InvalidInput("KEY_ID", f"there is no key {key_id}; touchline keys list shows them")


def set_workspace(
    settings: Settings,
    data_directory: Path,
    workspace: str,
    limits: Mapping[str, Any],
    scales: Sequence[str],
    lifted: Sequence[str],
) -> dict[str, Any]:
    """Change a workspace; its row. `limits` by column, None for those that stay as they are; those of `lifted` go.

    Each scale is written `field=least,…,most`, or `field=` to take it away. Raises InvalidInput and Unavailable.
    """
    checked_name("NAME", workspace)
    given = {column: limit for column, limit in limits.items() if limit is not None}
    if twice := [column for column in lifted if column in given]:
        raise InvalidInput("--lift", f"takes away the limit {twice[0]}, which is given too; one of the two is accepted")
    try:
        body = validated(WorkspaceBody, {"scales": dict(map(_read_scale, scales)), **given, **dict.fromkeys(lifted)})
    except Problem as error:
        raise InvalidInput("", error.detail or "") from error

    async def changed() -> dict[str, Any]:
        async with _database(settings, data_directory) as database:
            return (await change_workspace(database, workspace, body)).row

    return asyncio.run(changed())


def _read_scale(text: str) -> tuple[str, list[str] | None]:
    field, found, words = text.partition("=")
    if not found:
        raise InvalidInput("--scale", f"{text!r} is no scale; severity=low,medium,high is accepted")
    return field, [word.strip() for word in words.split(",")] if words else None


@asynccontextmanager
async def _database(settings: Settings, data_directory: Path) -> AsyncIterator[Database]:
    """The Postgres of DATABASE_URL, or of what runs in the data directory."""
    if "database_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"database_url": read_addresses(data_directory).database})
    database = Database(settings)
    await database.start()
    try:
        yield database
    except (Unavailable, asyncpg.PostgresError) as error:
        address = urlsplit(settings.database_url)
        at = f"{address.hostname}:{address.port or 5432}"  # not the whole URL, which may hold a password
        raise Unavailable(f"the database at {at} could not be used: {error}") from error
    finally:
        await database.stop()
