"""The database's tables: numbered SQL files, up and down, applied in order by `touchline migrate`.

`NNNN_name.up.sql` makes something, `NNNN_name.down.sql` takes exactly that away again. All names in them are unqualified:
the runner puts the installation's schema on the search path. Each file runs in a transaction of its own, together with
its line in the table `migrations`; a lock lets one runner work at a time.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import structlog

log = structlog.get_logger()

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """All migrations, in the order they are applied."""
    return sorted(path.name.removesuffix(".up.sql") for path in _FOLDER.glob("*.up.sql"))


async def apply(database_url: str, schema: str) -> list[str]:
    """Apply what is not applied yet, making the schema when it is missing; return the names of what was applied.

    Raises asyncpg.PostgresError; the migrations before the one that failed stay applied.
    """
    applied = []
    async with _locked(database_url, schema) as connection:
        done = await _done(connection)
        for name in names():
            if name not in done:
                await _run(connection, schema, f"{name}.up.sql", "INSERT INTO migrations (name) VALUES ($1)", name)
                applied.append(name)
    return applied


async def revert(database_url: str, schema: str, to: str | None) -> list[str]:
    """Revert, newest first, all that came after migration `to` (everything when None); return the names reverted.

    Raises ValueError when there is no migration `to`, asyncpg.PostgresError when one fails; those before it stay reverted.
    """
    if to is not None and to not in names():
        raise ValueError(f"no migration is named {to}; there are: {', '.join(names())}")
    reverted = []
    async with _locked(database_url, schema) as connection:
        done = await _done(connection)
        for name in reversed(names()):
            if name in done and (to is None or name > to):
                await _run(connection, schema, f"{name}.down.sql", "DELETE FROM migrations WHERE name = $1", name)
                reverted.append(name)
    return reverted


@asynccontextmanager
async def _locked(database_url: str, schema: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    try:
        # A session's lock, not a transaction's: it spans all files. Closing the connection releases it.
        await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", f"{schema} migrations")
        quoted = '"' + schema.replace('"', '""') + '"'
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted}")
        await connection.execute("SELECT set_config('search_path', $1, false)", quoted)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        yield connection
    finally:
        await connection.close()


async def _done(connection: asyncpg.Connection) -> set[str]:
    return {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}


async def _run(connection: asyncpg.Connection, schema: str, file: str, record: str, name: str) -> None:
    async with connection.transaction():
        await connection.execute((_FOLDER / file).read_text(encoding="utf-8"))
        await connection.execute(record, name)
    log.info("migration_ran", schema=schema, file=file)
