"""Paging by cursor: a page begins behind the last row of the one before, so that rows written meanwhile move nothing."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from streams.errors import InvalidInput

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

PAGE_ROWS = 100
PAGE_ROWS_LIMIT = 1000
"""A page's most rows: with rows of a few KiB still an answer of a few MiB."""


class Place(NamedTuple):
    """Where a page ended: its last row's time of creation, and its id, which decides among equals."""

    created_at: datetime
    id: str


class Page(BaseModel):
    """The query parameters every list understands; another one is refused, since a misspelt filter would filter nothing."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(PAGE_ROWS, ge=1, le=PAGE_ROWS_LIMIT, description="Rows of one page.")
    cursor: str | None = Field(None, description="`next_cursor` of the page before.")

    def after(self) -> Place | None:
        """The place behind which this page begins. Raises InvalidInput for a cursor that no page has given."""
        if self.cursor is None:
            return None
        try:
            place = msgspec.json.decode(base64.urlsafe_b64decode(self.cursor), type=Place)
        except (msgspec.DecodeError, UnicodeError, binascii.Error, ValueError) as error:
            raise InvalidInput("cursor", "must be the next_cursor of an earlier page") from error
        if place.created_at.tzinfo is None or "\x00" in place.id:
            raise InvalidInput("cursor", "must be the next_cursor of an earlier page")
        return place


def page_of(name: str, rows: Sequence[dict[str, Any]], page: Page, key: str) -> dict[str, Any]:
    """The answer to a list call from one row more than the page holds: the rows under `name`, and `next_cursor` or null."""
    shown = rows[: page.limit]
    cursor = None
    if len(rows) > page.limit:
        last = Place(shown[-1]["created_at"], str(shown[-1][key]))
        cursor = base64.urlsafe_b64encode(msgspec.json.encode(last)).decode()
    return {name: shown, "next_cursor": cursor}


async def page_of_table(
    connection: "PoolConnectionProxy[asyncpg.Record]",
    table: str,
    columns: str,
    key: str,
    page: Page,
    workspace: str | None = None,
) -> dict[str, Any]:
    """One page of a table, oldest first: all of it, or what belongs to a workspace.

    `columns` has created_at and `key` among them.
    """
    values: list[Any] = [*(page.after() or ())]
    where = [f"(created_at, {key}) > ($1, $2)"] if values else []
    if workspace is not None:
        values.append(workspace)
        where.append(f"workspace = ${len(values)}")
    values.append(page.limit + 1)
    condition = f"WHERE {' AND '.join(where)}" if where else ""
    rows = await connection.fetch(
        f"SELECT {columns} FROM {table} {condition} ORDER BY created_at, {key} LIMIT ${len(values)}",  # noqa: S608
        *values,
    )
    return page_of(table.removeprefix("api_"), [dict(row) for row in rows], page, key)
