"""How many triggers a workspace may have, enabled and disabled: counted exactly, however many are written at once."""

from http import HTTPStatus
from typing import TYPE_CHECKING

import asyncpg

from ingest.problems import problem

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

# Whoever adds to a workspace waits here for the one before, so each sees all that were added. Rows written by SQL do not
# wait; the next to ask sees them.
_IN_TURN = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' triggers ' || $1, 0))"
_COUNTED = """
WITH folded AS (DELETE FROM trigger_counts WHERE workspace = $1 RETURNING triggers),
    summed AS (INSERT INTO trigger_counts SELECT $1, coalesce(sum(triggers), 0) FROM folded RETURNING triggers)
SELECT triggers, coalesce((SELECT max_triggers FROM workspaces WHERE workspace = $1), $2) AS quota FROM summed
"""


async def check_quota(connection: "PoolConnectionProxy[asyncpg.Record]", workspace: str, default_quota: int) -> None:
    """Let this transaction add one trigger to the workspace. Raises problem 409 when it has as many as it may."""
    await connection.execute(_IN_TURN, workspace)
    row = await connection.fetchrow(_COUNTED, workspace, default_quota)
    if row is not None and row["triggers"] >= row["quota"]:
        detail = (
            f"workspace {workspace} may have {row['quota']} triggers, and has them; delete some, or ask whoever runs this for: "
            f"touchline workspaces set {workspace} --max-triggers N"
        )
        raise problem(HTTPStatus.CONFLICT, detail, "quota", max_triggers=row["quota"])
