"""Plain SQL is a front door: a row changed by asyncpg or psql works as one changed through the API."""

import json
import subprocess
import uuid
from pathlib import Path

import asyncpg

from streams.settings import Settings
from tests.acceptance.installation import Client
from tests.acceptance.receiver import Receiver
from tests.environment import psql_path
from tests.waiting import eventually


async def execute(settings: Settings, sql: str, *values: object) -> None:
    """Run one statement on the installation's schema, committed."""
    connection = await asyncpg.connect(settings.database_url)
    try:
        await connection.execute(f"set search_path to {settings.database_schema}")
        await connection.execute(sql, *values)
    finally:
        await connection.close()


async def test_a_row_inserted_updated_and_deleted_by_sql_works_like_one_through_the_api(
    settings: Settings, client: Client, receiver: Receiver, hub_id: str, source: str
) -> None:
    """Inserted it fires, with a changed filter it fires by that, deleted it fires no more, and nothing is restarted."""
    trigger_id = str(uuid.uuid4())
    await execute(
        settings,
        "insert into jobs (id, name, schedule_type, schedule_expression, agent_id, agent_instance_id, hub_id)"
        " values ($1, 'by hand', 'event', $2, 'reporter', 'desk', $3)",
        trigger_id,
        f"{source}:goal",
        hub_id,
    )

    witness = client.create_trigger("witness", f"{source}:goal", hub_id)

    async def fires(minute: int) -> bool:
        """Whether an event of that minute, once the witness has it, has fired the row too."""
        event_id = client.publish(source, "goal", {"minute": minute})
        await eventually(lambda: hears(receiver, witness, event_id), 30, "the witness fires")
        return hears(receiver, trigger_id, event_id)

    async def is_quiet(minute: int) -> bool:
        return not await fires(minute)

    await eventually(lambda: fires(1), 30, "the inserted row fires")
    assert client.get(f"/api/v1/triggers/{trigger_id}")["name"] == "by hand"

    new_filter = json.dumps({"minute": {"gte": 80}})
    psql(settings, f"update {settings.database_schema}.jobs set match_filter = '{new_filter}' where id = '{trigger_id}'")
    await eventually(lambda: is_quiet(1), 30, "the updated row ignores what its new filter excludes")
    await eventually(lambda: fires(85), 30, "the updated row fires by its new filter")

    await execute(settings, "delete from jobs where id = $1", trigger_id)
    await eventually(lambda: is_quiet(85), 30, "the deleted row fires no more")
    assert client.http.get(f"/api/v1/triggers/{trigger_id}").status_code == 404


def hears(receiver: Receiver, trigger_id: str, event_id: str) -> bool:
    """Whether the hub was called for that trigger and that event."""
    return any(inject.body["event"]["id"] == event_id for inject in receiver.of(trigger_id))


def psql(settings: Settings, sql: str) -> None:
    """Run one statement with psql."""
    command: list[str | Path] = [psql_path(), settings.database_url, "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--command", sql]
    subprocess.run(command, check=True, timeout=30)
