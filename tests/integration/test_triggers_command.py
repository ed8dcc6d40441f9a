"""`touchline triggers` against a real API: files made true, compared, and written."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest

from streams.settings import Settings
from tests.acceptance.installation import command_environment
from tests.integration.api import is_known, make_key, serve_connected, trigger
from tests.waiting import eventually


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    lines: list[str]
    errors: list[str]


async def touchline(client: httpx.AsyncClient, *arguments: str | Path, **environment: str) -> Ended:
    """Run a command that finds the API by its variable."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "touchline.cli", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=command_environment({"TOUCHLINE_API_URL": str(client.base_url), "COLUMNS": "200", **environment}),
    )
    out, errors = await process.communicate()
    return Ended(process.returncode or 0, out.decode().splitlines(), errors.decode().splitlines())


@pytest.fixture
async def client(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API of this test's installation, with a connector, and a hub to send triggers to."""
    async with serve_connected(installation) as client:
        yield client


FILE = """
triggers:
  late goals:
    event: {{source: sports_feed, type: goal, filter: {{minute: {{gte: 90}}}}}}
    template: {template}
    agent: {{id: reporter, hub: desk}}
  red cards:
    event: {{source: sports_feed, type: card, filter: {{severity: ">= high"}}}}
    agent: {{id: reporter, hub: desk}}
"""


async def rows(client: httpx.AsyncClient, **parameters: str) -> dict[str, dict[str, Any]]:
    """Every row by its name."""
    listed = (await client.get("/api/v1/triggers", params=parameters)).json()["triggers"]
    return {row["name"]: row for row in listed}


async def test_files_are_made_true_and_what_is_so_is_not_written(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """Created, then unchanged, then one column of one row, then deleted; a dry run and a diff change nothing."""
    file = tmp_path / "triggers.yaml"
    file.write_text(FILE.format(template="say it"))
    dry = await touchline(client, "triggers", "apply", file, "--dry-run")
    assert dry == Ended(0, ["+ late goals", "+ red cards", "= 0 unchanged"], [])
    assert await rows(client) == {}
    assert await touchline(client, "triggers", "apply", file) == dry
    written = await rows(client)
    assert written["late goals"]["match_filter"] == {"minute": {"gte": 90}}
    assert await touchline(client, "triggers", "apply", tmp_path) == Ended(0, ["= 2 unchanged"], [])
    assert await touchline(client, "triggers", "diff", file) == Ended(0, ["= 2 unchanged"], [])
    assert await rows(client) == written

    file.write_text(FILE.format(template="tell it"))
    lines = ['~ late goals: supervisor_message: "say it" -> "tell it"', "= 1 unchanged"]
    assert await touchline(client, "triggers", "diff", file) == Ended(1, lines, [])
    assert await rows(client) == written
    assert await touchline(client, "triggers", "apply", file) == Ended(0, lines, [])
    changed = await rows(client)
    assert changed["red cards"] == written["red cards"]
    assert changed["late goals"] == written["late goals"] | {
        "supervisor_message": "tell it",
        "updated_at": changed["late goals"]["updated_at"],
    }

    file.write_text(FILE.format(template="tell it").partition("  red cards")[0])
    assert await touchline(client, "triggers", "diff", file) == Ended(0, ["= 1 unchanged"], [])
    pruned = Ended(0, ["- red cards", "= 1 unchanged"], [])
    assert await touchline(client, "triggers", "diff", file, "--prune") == pruned._replace(code=1)
    assert await touchline(client, "triggers", "apply", file, "--prune") == pruned
    assert set(await rows(client)) == {"late goals"}


async def test_a_row_that_is_switched_off_stays_off_unless_the_file_says(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """A one-shot that fired must not be woken by the next apply."""
    file = tmp_path / "triggers.yaml"
    file.write_text(FILE.format(template="x"))
    await touchline(client, "triggers", "apply", file)
    trigger_id = (await rows(client))["late goals"]["id"]
    await client.post(f"/api/v1/triggers/{trigger_id}/disable")
    assert await touchline(client, "triggers", "apply", file) == Ended(0, ["= 2 unchanged"], [])
    file.write_text(FILE.format(template="x\n    enabled: true"))
    assert (await touchline(client, "triggers", "apply", file)).lines[0] == "~ late goals: enabled: false -> true"


async def test_a_faulty_row_is_told_with_its_line_and_the_others_are_applied(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """What the server refuses and what no reader understands, in dry runs too; nothing is deleted meanwhile."""
    file = tmp_path / "triggers.yaml"
    file.write_text(
        """
triggers:
  good: {event: "a:b", agent: {id: reporter, hub: desk}}
  no hub: {event: "a:b", agent: {id: reporter, hub: nowhere}}
  no agent: {event: "a:b", agent: {hub: desk}}
  strange:
    event:
      source: a
      type: b
      filter:
        minute:
          about: 90
    agent: {id: reporter, hub: desk}
  nightly: {schedule: {cron: 0 9 * * *}, agent: {id: reporter, hub: desk}}
  misspelt: {evnt: "a:b"}
"""
    )
    await client.post("/api/v1/triggers", json=trigger(name="of somebody else"))
    for arguments in (("--dry-run", "--prune"), ("--prune",)):
        ended = await touchline(client, "triggers", "apply", file, *arguments)
        assert ended.code == 1
        assert ended.lines == ["+ good", "= 0 unchanged"]
        starts = [
            f"! {file}:15: triggers.misspelt.evnt: is not known; accepted: type, event",
            f"! {file}:4: no hub: hub_id: is not registered",
            f"! {file}:5: no agent: agent_id: Field required",
            f"! {file}:12: strange: match_filter.minute.about: is not an operator; accepted: eq",
            f"! {file}:14: nightly: schedule_type: accepted: event",
            "! --prune: nothing is deleted",
        ]
        assert len(ended.errors) == len(starts), ended.errors
        assert all(error.startswith(start) for error, start in zip(ended.errors, starts, strict=True)), ended.errors
    assert set(await rows(client)) == {"good", "of somebody else"}


async def test_what_is_exported_is_applied_without_a_change(client: httpx.AsyncClient, tmp_path: Path) -> None:
    """Every column, two workspaces."""
    odd: list[dict[str, Any]] = [
        {"match_filter": {"yes": "no", "n": {"gte": 1.5}, "any": [{"a": None}, {"b": "1e3"}]}, "one_shot": True},
        {"schedule_expression": "[a, b]:*", "pattern": "a:.*", "supervisor_message": "two\nlines: #"},
        {"pattern": "a:.*", "schedule_expression": "", "enabled": False, "owner_email": "a@b", "provider": "1"},
        {"extra_seed_parts": [{"literal": {"k": [1, "two"]}}], "agent_instance_id": "{date}", "fallback_to_new_hub": True},
        {"schedule_expression": "stocks:price_cross_above", "match_filter": {"price": {"gte": 100}}, "workspace": "ours"},
        {"dedup": "skip", "max_concurrent": 2, "timeout_seconds": 600, "rate_limit": "10/1m", "per": "payload.game"},
        {"count_threshold": 5, "window": "5m", "debounce": "30s", "input": False, "payload_transform": {"n": 1.0}},
        {"input": {}, "input_template": "{{ payload }}", "intent_template": "a\n# b", "input_mapping": {"a": "$.payload['b']"}},
        {"input": "null"},
    ]
    for columns in odd:
        answer = await client.post("/api/v1/triggers", json=trigger(**columns))
        assert answer.status_code == 201, answer.text
    exported = await touchline(client, "triggers", "export")
    file = tmp_path / "triggers.yaml"
    file.write_text("\n".join(exported.lines))
    assert await touchline(client, "triggers", "apply", file, "--prune") == Ended(0, [f"= {len(odd)} unchanged"], [])
    ours = await touchline(client, "triggers", "export", "--workspace", "ours")
    assert sum(line == "trigger:" for line in ours.lines) == 1


async def test_more_rows_than_a_page_holds_are_exported_and_compared(
    installation: Settings, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    """Rows that SQL wrote, by their thousands."""
    connection = await asyncpg.connect(installation.database_url)
    try:
        await connection.execute(
            f"INSERT INTO {installation.database_schema}.jobs (name, schedule_expression, agent_id, hub_id) "
            "SELECT 'number ' || number, 'a:b', 'reporter', 'desk' FROM generate_series(1, 2100) number"
        )
    finally:
        await connection.close()
    exported = await touchline(client, "triggers", "export")
    assert sum(line == "trigger:" for line in exported.lines) == 2100
    (tmp_path / "triggers.yaml").write_text("\n".join(exported.lines))
    assert (await touchline(client, "triggers", "diff", tmp_path, "--prune")).lines == ["= 2100 unchanged"]


async def test_a_workspace_is_given_by_the_option_by_the_file_or_by_the_key(installation: Settings, tmp_path: Path) -> None:
    """Its own scale decides what "at least high" means; other workspaces are left alone."""
    settings = installation.model_copy(update={"authentication": "keys"})
    file = tmp_path / "triggers.yaml"
    file.write_text(FILE.format(template="x"))
    async with serve_connected(settings) as client:
        everywhere = client.headers["authorization"].removeprefix("Bearer ")
        ours = await make_key(settings, "ours", "triggers")
        await eventually(lambda: is_known(client, ours), 10, "the key is known")
        refused = await touchline(client, "triggers", "apply", file)
        assert (refused.code, refused.lines) == (1, [])
        assert refused.errors[0].startswith("touchline: the API answered 401: an API key is asked for")
        key = ours["Authorization"].removeprefix("Bearer ")
        scale = {"scales": {"severity": ["low", "high", "worst"]}}
        assert (await client.patch("/api/v1/workspaces/ours", json=scale)).is_success
        applied = await touchline(client, "triggers", "apply", file, TOUCHLINE_API_KEY=key)
        assert applied == Ended(0, ["+ late goals", "+ red cards", "= 0 unchanged"], [])
        assert (await rows(client, workspace="ours"))["red cards"]["match_filter"] == {"severity": {"in": ["high", "worst"]}}
        assert (await touchline(client, "triggers", "diff", file, TOUCHLINE_API_KEY=key)).lines == ["= 2 unchanged"]
        elsewhere = await touchline(client, "triggers", "diff", file, "--key", everywhere, "--workspace", "theirs")
        assert elsewhere.lines == ["+ late goals", "+ red cards", "= 0 unchanged"]
        file.write_text(FILE.format(template="x\n    workspace: ours"))
        clash = await touchline(client, "triggers", "diff", file, "--key", everywhere, "--workspace", "theirs")
        assert clash.errors == [f"! {file}:6: late goals: workspace: is not the theirs of --workspace"]


async def test_no_api_is_one_line(tmp_path: Path) -> None:
    """Which says where it was looked for, and what to do."""
    file = tmp_path / "triggers.yaml"
    file.write_text(FILE.format(template="x"))
    async with httpx.AsyncClient(base_url="http://127.0.0.1:1") as nobody:
        ended = await touchline(nobody, "triggers", "apply", file)
    assert ended.code == 1
    assert ended.errors[0].startswith("touchline: no API answers at http://127.0.0.1:1")
    assert len(ended.errors) == 1
