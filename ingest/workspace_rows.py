"""Workspaces in Postgres: what was said about them. One of which nothing was said has no row, and the defaults."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator

from ingest.database import Database, Written, transaction_id
from ingest.validation import Body, Name

SHOWN = "workspace, scales, max_triggers, created_at"
MAXIMUM_WORDS = 1_000
"""The words of one scale: more than people order by hand."""


class WorkspaceBody(Body):
    """What may be changed. In `scales` each field is changed alone, and null takes its scale away (RFC 7396)."""

    scales: dict[Name, Annotated[list[Name], Field(min_length=1, max_length=MAXIMUM_WORDS)] | None] = Field(
        default_factory=dict
    )
    max_triggers: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None

    @field_validator("scales")
    @classmethod
    def _is_ordered(cls, scales: dict[str, list[str] | None]) -> dict[str, list[str] | None]:
        for field, words in scales.items():
            if words is not None and len(set(words)) < len(words):
                message = f"{field} names a word twice; a scale's words are distinct, from least to most"
                raise ValueError(message)
        return scales


async def change_workspace(database: Database, workspace: str, body: WorkspaceBody) -> Written:
    """Change what the body gives, and nothing else; the first change makes the row."""
    changed: Mapping[str, list[str] | None] = body.scales
    async with database.transaction() as connection:
        row = await connection.fetchrow(
            "INSERT INTO workspaces AS held (workspace, scales, max_triggers) "  # noqa: S608 -- our own columns
            "VALUES ($1, jsonb_strip_nulls($2), $3) "
            "ON CONFLICT (workspace) DO UPDATE SET scales = jsonb_strip_nulls(held.scales || $2), "
            "max_triggers = CASE WHEN $4 THEN $3 ELSE held.max_triggers END "
            f"RETURNING {SHOWN}",
            workspace,
            changed,
            body.max_triggers,
            "max_triggers" in body.model_fields_set,
        )
        return Written(dict(row or {}), await transaction_id(connection))
