"""API keys in Postgres. A key's text is given back once, when it is made, and lies nowhere."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ingest.database import Database, transaction_id
from streams.key import SCOPES, new_key

SHOWN = "key_id, workspace, name, scopes, created_at, expires_at, revoked_at"
LONGEST_DAYS = 36_500
"""What a key may be valid for at most, when it is to expire at all: a hundred years."""


class Made(NamedTuple):
    """A new key's row, its text, and the transaction that wrote it."""

    row: dict[str, Any]
    text: str
    transaction_id: int


async def insert_key(
    database: Database, workspace: str | None, name: str, scopes: Iterable[str], expires_days: int | None
) -> Made:
    """Make a key for a workspace, or for the whole installation when that is None."""
    key_id, hashed, text = new_key()
    expires_at = None if expires_days is None else datetime.now(UTC) + timedelta(days=expires_days)
    wanted = frozenset(scopes)
    async with database.transaction() as connection:
        row = await connection.fetchrow(
            "INSERT INTO api_keys (key_id, workspace, name, scopes, hash, expires_at) "  # noqa: S608 -- our own columns
            "VALUES ($1, $2, $3, $4, $5, $6) "
            f"RETURNING {SHOWN}",
            key_id,
            workspace,
            name,
            [scope for scope in SCOPES if scope in wanted],
            hashed,
            expires_at,
        )
        return Made(dict(row or {}), text, await transaction_id(connection))


async def revoke_key(database: Database, key_id: str, workspace: str | None = None) -> int | None:
    """Revoke a key (of that workspace, if given), for good; the transaction that did, None when there is no such key."""
    async with database.transaction() as connection:
        found = await connection.fetchval(
            "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) "
            "WHERE key_id = $1 AND ($2::text IS NULL OR workspace = $2) RETURNING true",
            key_id,
            workspace,
        )
        return None if found is None else await transaction_id(connection)
