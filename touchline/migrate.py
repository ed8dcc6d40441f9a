"""`touchline migrate`: the schema brought up to date, and what can go wrong told in a line."""

from urllib.parse import urlsplit

import asyncpg

import migrations
from streams.errors import Unavailable
from streams.settings import Settings


async def migrate(settings: Settings) -> None:
    """Apply the migrations that are missing. Raises Unavailable when Postgres does not answer or lets us not do it."""
    try:
        await migrations.apply(settings.database_url, settings.database_schema)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        address = urlsplit(settings.database_url)
        at = f"{address.hostname}:{address.port or 5432}"  # not the whole URL, which may hold a password
        raise Unavailable(f"the schema {settings.database_schema} at {at} could not be migrated: {error}") from error
