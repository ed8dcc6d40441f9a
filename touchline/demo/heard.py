"""What the reference hub heard, read from its transcripts in Postgres."""

import re
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

import asyncpg

from streams.settings import Settings

_COUNTS = "SELECT trigger_id, count(*) FROM {schema}.transcripts WHERE trigger_id = ANY($1) GROUP BY trigger_id"
_LATENCY = """
SELECT count(*) AS injects,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY taken_ms) AS p50_ms,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY taken_ms) AS p99_ms
FROM (
    SELECT (extract(epoch FROM received_at) * 1000 - accepted.at_ms)::float8 AS taken_ms
    FROM {schema}.transcripts
    JOIN unnest($2::text[], $3::bigint[]) AS accepted (execution_id, at_ms) USING (execution_id)
    WHERE trigger_id = ANY($1)
) AS taken
"""


class Latency(NamedTuple):
    """From an event's acceptance to its arrival at the hub, in milliseconds, over `injects`; None when there are none."""

    injects: int
    p50_ms: float | None
    p99_ms: float | None


class Heard:
    """The transcripts of some triggers. Use it as a context manager."""

    def __init__(self, settings: Settings, trigger_ids: Sequence[str]) -> None:
        schema = '"' + re.sub('"', '""', settings.database_schema) + '"'
        self._counts, self._latency = _COUNTS.format(schema=schema), _LATENCY.format(schema=schema)
        self._trigger_ids = list(trigger_ids)
        self._database_url = settings.database_url

    async def __aenter__(self) -> Self:
        self._connection = await asyncpg.connect(self._database_url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.close()

    async def injects(self) -> dict[str, int]:
        """How many injects were taken, by trigger id."""
        return {row[0]: row[1] for row in await self._connection.fetch(self._counts, self._trigger_ids)}

    async def latency(self, accepted_at_ms: Mapping[str, int]) -> Latency:
        """The latency of those whose acceptance is known: Unix milliseconds by execution id, as `executions` tells them.

        An inject shows its agent the event alone, so the hub cannot know when touchline accepted it.
        """
        ids, times = list(accepted_at_ms), list(accepted_at_ms.values())
        row = await self._connection.fetchrow(self._latency, self._trigger_ids, ids, times)
        return Latency(*row) if row else Latency(0, None, None)
