"""Workspaces in Postgres: what was said about them. One of which nothing was said has no row, and the defaults."""

from typing import Annotated

from pydantic import Field, field_validator

from ingest.database import Database, Written, transaction_id
from ingest.validation import Body, Name
from streams.errors import InvalidTrigger
from streams.language.policy import parse_rate
from streams.workspace import Workspace

SHOWN = ", ".join(Workspace.__struct_fields__)
LIMITS = ("max_triggers", "allowed_agents", "max_depth", "max_firings", "max_queue")
"""What a workspace may have: for the installation to say, not for the workspace itself."""
MAXIMUM_WORDS = 1_000
"""The words of one scale: more than people order by hand."""
MAXIMUM_AGENTS = 1_000
"""The agents a workspace allows: every process keeps the list, and the gate looks through it at each firing."""

Count = Annotated[int, Field(le=2**31 - 1)]
"""What an integer of Postgres holds."""


class WorkspaceBody(Body):
    """What may be changed: of the limits those that are given, null lifts one.

    In `scales` each field is changed alone, and null takes its scale away (RFC 7396).
    """

    scales: dict[Name, Annotated[list[Name], Field(min_length=1, max_length=MAXIMUM_WORDS)] | None] = Field(
        default_factory=dict
    )
    max_triggers: Annotated[Count, Field(ge=0)] | None = None
    allowed_agents: Annotated[list[Name], Field(max_length=MAXIMUM_AGENTS)] | None = None
    max_depth: Annotated[Count, Field(ge=1)] | None = None
    max_firings: str | None = None
    max_queue: Annotated[Count, Field(ge=0)] | None = None

    @field_validator("scales")
    @classmethod
    def _is_ordered(cls, scales: dict[str, list[str] | None]) -> dict[str, list[str] | None]:
        for field, words in scales.items():
            if words is not None and len(set(words)) < len(words):
                message = f"{field} names a word twice; a scale's words are distinct, from least to most"
                raise ValueError(message)
        return scales

    @field_validator("allowed_agents")
    @classmethod
    def _without_repetition(cls, agents: list[str] | None) -> list[str] | None:
        return None if agents is None else list(dict.fromkeys(agents))

    @field_validator("max_firings")
    @classmethod
    def _is_rate(cls, rate: str | None) -> str | None:
        try:
            parse_rate(rate, "max_firings")
        except InvalidTrigger as error:
            raise ValueError(error.message) from error
        return rate


async def change_workspace(database: Database, workspace: str, body: WorkspaceBody) -> Written:
    """Change what the body gives, and nothing else; the first change makes the row."""
    given = [limit for limit in LIMITS if limit in body.model_fields_set]
    columns = "".join(f", {limit}" for limit in given)
    values = "".join(f", ${number}" for number in range(3, len(given) + 3))
    changes = "".join(f", {limit} = excluded.{limit}" for limit in given)
    async with database.transaction() as connection:
        row = await connection.fetchrow(
            f"INSERT INTO workspaces AS held (workspace, scales{columns}) "  # noqa: S608 -- our own columns
            f"VALUES ($1, jsonb_strip_nulls($2){values}) "
            f"ON CONFLICT (workspace) DO UPDATE SET scales = jsonb_strip_nulls(held.scales || $2){changes} "
            f"RETURNING {SHOWN}",
            workspace,
            body.scales,
            *(getattr(body, limit) for limit in given),
        )
        return Written(dict(row or {}), await transaction_id(connection))
