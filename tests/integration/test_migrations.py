"""The migrations on a real Postgres: they hold what the vocabulary says, and down undoes up."""

import asyncio
from typing import Any

import asyncpg
import msgspec
import pytest

import migrations
from streams.errors import InvalidTrigger
from streams.execution import Execution
from streams.key import ApiKey
from streams.language.policy import parse_rate
from streams.settings import Settings
from streams.trigger import Hub, Source, Trigger
from streams.workspace import Workspace

SHAPE = {
    "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity"
    " FROM information_schema.columns WHERE table_schema = $1",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = $1::text::regnamespace",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = $1",
    "triggers": "SELECT tgrelid::regclass::text, pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger"
    " JOIN pg_class ON pg_class.oid = tgrelid WHERE relnamespace = $1::text::regnamespace AND NOT tgisinternal",
    "functions": "SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = $1::text::regnamespace",
    "identities": "SELECT relname, relreplident FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind = 'r'",
}


async def shape(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """Everything the schema holds, as the catalog tells it."""
    connection = await asyncpg.connect(settings.database_url)
    try:
        return {
            name: sorted(tuple(map(str, row)) for row in await connection.fetch(query, settings.database_schema))
            for name, query in SHAPE.items()
        }
    finally:
        await connection.close()


async def columns(settings: Settings, table: str) -> set[str]:
    """A table's columns."""
    return {column[1] for column in (await shape(settings))["columns"] if column[0] == table}


@pytest.mark.parametrize(
    ("table", "struct"),
    [("jobs", Trigger), ("hubs", Hub), ("sources", Source), ("workspaces", Workspace), ("api_keys", ApiKey)],
)
async def test_a_row_has_the_fields_the_vocabulary_gives_it(
    installation: Settings, table: str, struct: type[msgspec.Struct]
) -> None:
    """The same names in Postgres, on the topic and in the API: none more, none less."""
    assert await columns(installation, table) == set(struct.__struct_fields__)


async def test_an_execution_has_a_column_for_all_that_is_told_of_it(installation: Settings) -> None:
    """Every field but the ones that become times, or that a trigger's row spends."""
    told = set(Execution.__struct_fields__) - {"at_ms", "accepted_at_ms", "one_shot_generation"}
    assert told <= await columns(installation, "executions")


async def test_down_undoes_up(installation: Settings) -> None:
    """Up, down, up leaves the schema equal; down leaves nothing but the record of what was applied."""
    url, schema = installation.database_url, installation.database_schema
    before = await shape(installation)
    assert await migrations.revert(url, schema, None) == migrations.names()[::-1]
    assert {column[0] for column in (await shape(installation))["columns"]} == {"migrations"}
    assert (await shape(installation))["functions"] == []
    assert await migrations.apply(url, schema) == migrations.names()
    assert await shape(installation) == before


async def test_reverting_stops_at_the_migration_named(installation: Settings) -> None:
    """What came after it goes, newest first; it and those before it stay, and applying brings the rest back."""
    url, schema = installation.database_url, installation.database_schema
    first, *rest = migrations.names()
    assert await migrations.revert(url, schema, first) == rest[::-1]
    assert await columns(installation, "jobs")
    assert await migrations.apply(url, schema) == rest
    with pytest.raises(ValueError, match="there are: 0001_jobs"):
        await migrations.revert(url, schema, "no such")


async def test_two_runners_at_once_apply_each_migration_once(installation: Settings) -> None:
    """The second waits for the first and finds its work done."""
    url, schema = installation.database_url, installation.database_schema
    await migrations.revert(url, schema, None)
    applied = await asyncio.gather(*(migrations.apply(url, schema) for _ in range(3)))
    assert sorted(applied) == [[], [], migrations.names()]


async def test_generation_counts_how_often_a_row_was_enabled(installation: Settings) -> None:
    """Only the step from disabled to enabled counts, nobody can set it by hand, and every update is dated."""
    connection = await asyncpg.connect(installation.database_url, server_settings={"search_path": installation.database_schema})
    try:
        await connection.execute(
            "INSERT INTO jobs (name, schedule_expression, agent_id, hub_id, updated_at) VALUES ('n', 'a:b', 'a', 'h', 'epoch')"
        )
        generations = [
            await connection.fetchval(f"UPDATE jobs SET {change} RETURNING generation")
            for change in ("enabled = true", "enabled = false", "enabled = true", "name = 'm'", "generation = 77")
        ]
        assert generations == [1, 1, 2, 2, 2]
        assert await connection.fetchval("SELECT now() - updated_at < interval '1 hour' AND length(id) = 36 FROM jobs")
    finally:
        await connection.close()


RATES = (
    "1/1ms",
    "1000000/30d",
    "000000001/000000001s",
    "5/720h",
    "5/2592000s",
    "5/43200m",
    "999999/2592000000ms",
    "999999/999999999ms",
    "0/1m",
    "1000001/1m",
    "5/0s",
    "5/31d",
    "5/721h",
    "5/999999999d",
    "1234567890/1m",
    "5/1234567890s",
    "5/1w",
    "5/1M",
    "5/m",
    "/1m",
    "5",
    "",
    " 5/1m",
    "5/1m\n",
    "5/1m/1m",
    "-5/1m",
    "5.0/1m",
    "\u0665/1m",
    "null",
)


def is_rate(text: str) -> bool:
    """Whether readers understand it."""
    try:
        return parse_rate(text, "max_firings") is not None
    except InvalidTrigger:
        return False


async def test_the_table_lets_in_exactly_the_rates_that_readers_understand(installation: Settings) -> None:
    """So that none ever meets one it cannot read, and takes it for no limit."""
    connection = await asyncpg.connect(installation.database_url, server_settings={"search_path": installation.database_schema})
    try:
        for rate in RATES:
            try:
                await connection.execute("INSERT INTO workspaces (workspace, max_firings) VALUES ($1, $1)", rate)
            except asyncpg.CheckViolationError:
                assert not is_rate(rate), rate
            else:
                assert is_rate(rate), rate
    finally:
        await connection.close()


async def test_the_table_lets_in_no_limits_that_readers_would_lose(installation: Settings) -> None:
    """Agents are one plain list of texts, numbers are in range."""
    connection = await asyncpg.connect(installation.database_url, server_settings={"search_path": installation.database_schema})
    try:
        for change in (
            "allowed_agents = '{a,NULL}'",
            "allowed_agents = '{{a,b},{c,d}}'",
            "allowed_agents = '[0:1]={a,b}'",
            "max_depth = 0",
            "max_queue = -1",
        ):
            await connection.execute("INSERT INTO workspaces (workspace) VALUES ('w') ON CONFLICT DO NOTHING")
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(f"UPDATE workspaces SET {change}")
        for change in ("allowed_agents = '{}'", "allowed_agents = '{a,\"NULL\"}'", "allowed_agents = NULL", "max_queue = 0"):
            await connection.execute(f"UPDATE workspaces SET {change}")
    finally:
        await connection.close()
