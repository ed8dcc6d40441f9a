"""/api/v1/triggers on a real Postgres, with the real connector carrying its rows to Kafka."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from streams.event import derived_id, is_signed, read_event
from streams.heartbeat import Heartbeat
from streams.pulse import Pulse
from streams.settings import Settings
from streams.topics import EVENTS, TRIGGERS
from tests.integration.api import records, serve_connected, trigger
from tests.waiting import eventually

TRIGGERS_URL = "/api/v1/triggers"


@pytest.fixture
async def client(installation: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The API of this test's installation, with a connector, and a hub to send triggers to."""
    async with serve_connected(installation) as client:
        yield client


async def create(client: httpx.AsyncClient, **columns: Any) -> dict[str, Any]:
    """Create a trigger; its row."""
    answer = await client.post(TRIGGERS_URL, json=trigger(**columns))
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()
    return row


async def test_a_created_trigger_is_given_back_as_it_lies_in_postgres_and_is_on_its_topic(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """201 comes with the whole row, its times by RFC 3339, once the row has gone through Kafka."""
    columns = trigger(
        match_filter={"team": "Mexico", "minute": {"gte": 90}},
        agent_instance_id="reporter-{run_id}",
        extra_seed_parts=[{"literal": "be brief"}],
        one_shot=True,
        owner_email="desk@example.org",
    )
    answer = await client.post(TRIGGERS_URL, json=columns)
    assert (answer.status_code, answer.headers["touchline-live"]) == (201, "true"), answer.text
    row = answer.json()
    assert {name: row[name] for name in columns} == columns
    assert (row["workspace"], row["schedule_type"], row["enabled"], row["generation"]) == ("default", "event", True, 1)
    assert row["created_at"].endswith("Z")
    assert [record.key.decode() for record in await records(installation, TRIGGERS)] == [row["id"]]
    assert (await client.get(f"{TRIGGERS_URL}/{row['id']}")).json() == row


async def test_a_create_call_returns_only_when_every_living_worker_has_the_row(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """Invariant 7: a worker whose heartbeat has not passed the row's offset holds the answer back."""
    applied = {"triggers": 0}

    def describe(heartbeat: Heartbeat) -> None:
        heartbeat.applied = applied

    worker = Pulse(installation, "worker", describe)
    await worker.start()
    creating = asyncio.create_task(client.post(TRIGGERS_URL, json=trigger()))
    await eventually(lambda: on_topic(installation), 30, "the row is on its topic")
    assert not creating.done()
    applied["triggers"] = 1
    worker.beat()
    answer = await creating
    assert (answer.status_code, answer.headers["touchline-live"]) == (201, "true")
    await worker.stop()
    assert (await client.post(TRIGGERS_URL, json=trigger())).status_code == 201, "nobody waits for a worker that has left"


async def on_topic(installation: Settings) -> bool:
    """Whether a row is on the topic `triggers`."""
    return bool(await records(installation, TRIGGERS))


async def test_a_worker_that_lags_makes_the_answer_202_and_loses_nothing(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """After 5 s the row is given back with 202: it is written, and not live everywhere yet."""
    worker = Pulse(installation, "worker", lambda _: None)
    await worker.start()
    answer = await client.post(TRIGGERS_URL, json=trigger())
    await worker.stop()
    assert (answer.status_code, answer.headers["touchline-live"]) == (202, "false")
    assert (await client.get(f"{TRIGGERS_URL}/{answer.json()['id']}")).status_code == 200


async def test_a_patch_changes_what_it_names_and_the_row_is_judged_as_a_whole(client: httpx.AsyncClient) -> None:
    """Columns that are not named stay; a change that would make the row wrong changes nothing."""
    row = await create(client, match_filter={"team": "Mexico"})
    url = f"{TRIGGERS_URL}/{row['id']}"
    changed = (await client.patch(url, json={"supervisor_message": "a goal", "match_filter": None})).json()
    assert (changed["supervisor_message"], changed["match_filter"], changed["name"]) == ("a goal", None, row["name"])
    refused = await client.patch(url, json={"schedule_expression": "stocks:price_cross_above"})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "match_filter.price")
    assert (await client.get(url)).json() == changed


async def test_enabling_again_begins_a_new_generation(client: httpx.AsyncClient) -> None:
    """A one-shot may fire once per generation; enabling what is enabled begins none."""
    row = await create(client)
    url = f"{TRIGGERS_URL}/{row['id']}"
    assert (await client.post(f"{url}/enable")).json()["generation"] == 1
    disabled = (await client.post(f"{url}/disable")).json()
    assert (disabled["enabled"], disabled["generation"]) == (False, 1)
    enabled = (await client.post(f"{url}/enable")).json()
    assert (enabled["enabled"], enabled["generation"]) == (True, 2)


async def test_a_deleted_trigger_is_gone(client: httpx.AsyncClient) -> None:
    """204, and 404 for every call that names it afterwards."""
    url = f"{TRIGGERS_URL}/{(await create(client))['id']}"
    answer = await client.delete(url)
    assert (answer.status_code, answer.content) == (204, b"")
    calls = [client.get(url), client.delete(url), client.patch(url, json={}), client.post(f"{url}/enable")]
    calls += [client.post(f"{url}/disable"), client.post(f"{url}/fire")]
    assert [(await call).status_code for call in calls] == [404] * 6


async def test_a_name_belongs_to_one_trigger_of_a_workspace(client: httpx.AsyncClient) -> None:
    """409 for the second, on creating and on renaming; another workspace may use it."""
    row, other = await create(client), await create(client)
    assert (await client.post(TRIGGERS_URL, json=trigger(name=row["name"]))).status_code == 409
    renamed = await client.patch(f"{TRIGGERS_URL}/{other['id']}", json={"name": row["name"]})
    assert renamed.status_code == 409
    await create(client, name=row["name"], workspace="elsewhere")


async def test_lists_are_filtered_and_paged(client: httpx.AsyncClient) -> None:
    """Every row comes exactly once, oldest first, also when rows are written between two pages."""
    mine = [await create(client, workspace="mine", enabled=number % 2 == 0) for number in range(5)]
    other = await create(client, agent_id="another")
    seen: list[str] = []
    cursor = None
    while True:
        parameters = {"workspace": "mine", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(TRIGGERS_URL, params=parameters)).json()
        seen += [row["id"] for row in page["triggers"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await create(client)
    assert seen == [row["id"] for row in mine]
    enabled = (await client.get(TRIGGERS_URL, params={"workspace": "mine", "enabled": "true"})).json()["triggers"]
    assert [row["id"] for row in enabled] == [row["id"] for row in mine[::2]]
    for name, value in (("agent_id", "another"), ("name", other["name"])):
        found = (await client.get(TRIGGERS_URL, params={name: value})).json()["triggers"]
        assert [row["id"] for row in found] == [other["id"]]


NOT_UNDERSTOOD = ("limit=0", "limit=1001", "cursor=nonsense", "cursor=e30%3D", "enabled=perhaps", "agent=x")


async def test_a_query_that_is_not_understood_is_refused(client: httpx.AsyncClient) -> None:
    """A misspelt filter would list everything; it is named instead."""
    for query in NOT_UNDERSTOOD:
        answer = await client.get(f"{TRIGGERS_URL}?{query}")
        assert answer.status_code == 422, query
        assert [error["path"] for error in answer.json()["errors"]] == [query.partition("=")[0]]


POLICY: dict[str, Any] = {
    "dedup": "queue",
    "max_concurrent": 3,
    "timeout_seconds": 0.5,
    "rate_limit": "10/1m",
    "count_threshold": 5,
    "window": "5m",
    "debounce": "30s",
    "per": "payload.game",
    "input": {"tone": "dry", "limits": [1, 2.5, None]},
    "input_template": {"who": "{{ payload.player }}"},
    "input_mapping": {"minute": "$.payload.minute"},
    "intent_template": "write of {{ payload.player }}",
    "payload_transform": {"player": "{{ payload.player }}"},
}
DEFAULT_POLICY: dict[str, Any] = dict.fromkeys(POLICY) | {"dedup": "allow"}


async def test_a_policy_is_taken_and_shown_as_it_was_given(installation: Settings, client: httpx.AsyncClient) -> None:
    """By create, get, list and patch, and on the topic; each column can be given alone and taken away again."""

    def policy(row: dict[str, Any]) -> dict[str, Any]:
        return {column: row[column] for column in POLICY}

    row = await create(client)
    assert policy(row) == DEFAULT_POLICY
    url = f"{TRIGGERS_URL}/{row['id']}"
    changed = (await client.patch(url, json=POLICY)).json()
    assert (policy(changed), changed["invalid"]) == (POLICY, None)
    assert policy(await create(client, **POLICY)) == POLICY
    assert (await client.get(url)).json() == (await client.get(TRIGGERS_URL)).json()["triggers"][0] == changed
    last = [record for record in await records(installation, TRIGGERS) if record.key.decode() == row["id"]][-1]
    assert policy(json.loads(last.value)["after"]) == POLICY
    changes = {"max_concurrent": None, "input": "a text", "input_template": None, "input_mapping": None}
    assert policy((await client.patch(url, json=changes)).json()) == POLICY | changes
    restored = (await client.patch(url, json=DEFAULT_POLICY)).json()
    assert policy(restored) == DEFAULT_POLICY


INVALID: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": ""}),
    ("name", {"name": "a\nb"}),
    ("name", {"name": "n" * 257}),
    ("workspace", {"workspace": 7}),
    ("workspace", {"workspace": ""}),
    ("agent_id", {"agent_id": 7}),
    ("agent_id", {"agent_id": ""}),
    ("enabled", {"enabled": "yes"}),
    ("colour", {"colour": "red"}),
    ("generation", {"generation": 7}),
    ("schedule_type", {"schedule_type": "sometimes"}),
    ("schedule_expression", {"schedule_expression": "goal"}),
    ("schedule_expression", {"schedule_expression": ""}),
    ("schedule_expression", {"schedule_expression": None}),
    ("schedule_expression", {"schedule_expression": ":goal"}),
    ("schedule_expression", {"schedule_expression": "[a,,b]:goal"}),
    ("schedule_expression", {"schedule_expression": "feed:[goal,card]"}),
    ("schedule_expression", {"schedule_expression": "*:price_cross_above", "match_filter": {"price": {"gte": 1}}}),
    ("pattern", {"pattern": "(goal"}),
    ("pattern", {"pattern": "(?=goal).*"}),
    ("pattern", {"pattern": ""}),
    ("pattern", {"pattern": 7}),
    ("pattern", {"pattern": "x" * 1001}),
    ("pattern", {"pattern": "((a{1,100}){1,100}){1,100}"}),
    ("match_filter", {"match_filter": []}),
    ("match_filter", {"match_filter": "minute >= 90"}),
    ("match_filter", {"match_filter": {"text": "x" * 70_000}}),
    ("match_filter.minute", {"match_filter": {"minute": {}}}),
    ("match_filter.minute.about", {"match_filter": {"minute": {"about": 90}}}),
    ("match_filter.minute.gte", {"match_filter": {"minute": {"gte": "90"}}}),
    ("match_filter.minute.gte", {"match_filter": {"minute": {"gte": True}}}),
    ("match_filter.minute.lt", {"match_filter": {"minute": {"lt": None}}}),
    ("match_filter.team.in", {"match_filter": {"team": {"in": []}}}),
    ("match_filter.team.in", {"match_filter": {"team": {"in": "Mexico"}}}),
    ("match_filter.team.in", {"match_filter": {"team": {"in": [["Mexico"]]}}}),
    ("match_filter.team.in", {"match_filter": {"team": {"in": [*range(10_001)]}}}),
    ("match_filter.team.prefix", {"match_filter": {"team": {"prefix": 7}}}),
    ("match_filter.team.contains", {"match_filter": {"team": {"contains": {}}}}),
    ("match_filter.team.exists", {"match_filter": {"team": {"exists": "yes"}}}),
    ("match_filter.team..name", {"match_filter": {"team..name": 1}}),
    ("match_filter.any", {"match_filter": {"any": []}}),
    ("match_filter.any.0", {"match_filter": {"any": [7]}}),
    ("match_filter.any.1.minute.about", {"match_filter": {"any": [{"minute": 1}, {"minute": {"about": 2}}]}}),
    ("match_filter.not", {"match_filter": {"not": 7}}),
    ("match_filter.price", {"schedule_expression": "stocks:price_cross_above"}),
    ("match_filter.operator", {"match_filter": {"field": "minute", "operator": "about", "value": 90}}),
    ("match_filter.severity", {"match_filter": {"severity": ">= loud"}}),
    ("match_filter.event_type", {"match_filter": {"event_type": "card"}}),
    ("match_filter.0.event_type", {"match_filter": [{"event_type": ""}, {"minute": 1}]}),
    ("agent_instance_id", {"agent_instance_id": "reporter-{game}"}),
    ("hub_id", {"hub_id": "nowhere"}),
    ("hub_id", {"hub_id": "../desk"}),
    ("supervisor_message", {"supervisor_message": "\x00"}),
    ("match_filter.team", {"match_filter": {"team": "\x00"}}),
    ("extra_seed_parts", {"extra_seed_parts": {"literal": 1}}),
    ("dedup", {"dedup": "drop"}),
    ("dedup", {"dedup": None}),
    ("max_concurrent", {"max_concurrent": 0}),
    ("max_concurrent", {"max_concurrent": 1.5}),
    ("max_concurrent", {"max_concurrent": 2**40}),
    ("timeout_seconds", {"timeout_seconds": 0}),
    ("timeout_seconds", {"timeout_seconds": "10"}),
    ("timeout_seconds", {"timeout_seconds": 10**400}),
    ("rate_limit", {"rate_limit": 10}),
    ("rate_limit", {"rate_limit": "10 a minute"}),
    ("rate_limit", {"rate_limit": "10/31d"}),
    ("count_threshold", {"count_threshold": 5}),
    ("count_threshold", {"count_threshold": True, "window": "5m"}),
    ("window", {"window": "5m"}),
    ("window", {"count_threshold": 5, "window": "5 m"}),
    ("debounce", {"debounce": "0s"}),
    ("debounce", {"debounce": 30}),
    ("per", {"per": "game", "dedup": "skip"}),
    ("per", {"per": "payload.game"}),
    ("input.text", {"input": {"text": "\x00"}}),
    ("input", {"input": ["x" * 70_000]}),
    ("input_mapping", {"input_mapping": ["$.payload"]}),
    ("payload_transform.a", {"payload_transform": {"a": "\x00"}}),
    ("intent_template", {"intent_template": {"a": 1}}),
    ("intent_template", {"intent_template": "{{ payload.player"}),
    ("intent_template", {"intent_template": "{% include 'secrets' %}"}),
    ("input_template.who.0", {"input_template": {"who": ["{{ nobody }}"]}}),
    ("payload_transform.a", {"payload_transform": {"a": "{{ payload.a | shout }}"}}),
    ("input_mapping.minute", {"input_mapping": {"minute": "payload.minute"}}),
    ("input_mapping.minute", {"input_mapping": {"minute": 7}}),
    ("input", {"input": "a text", "input_mapping": {"minute": "$.payload.minute"}}),
]


async def test_an_invalid_trigger_is_refused_when_it_is_written(client: httpx.AsyncClient) -> None:
    """422 names the field and what would be accepted, and no row is written, through a create as through a change."""
    row = await create(client)
    for path, columns in INVALID:
        answers = [await client.post(TRIGGERS_URL, json=trigger(**columns))]
        answers.append(await client.patch(f"{TRIGGERS_URL}/{row['id']}", json=columns))
        for answer in answers:
            assert answer.status_code == 422, (columns, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert [error["path"] for error in answer.json()["errors"]] == [path], columns
            assert answer.json()["errors"][0]["message"], columns
            assert len(answer.content) < 10_000, "what was sent is not sent back"
    assert (await client.get(TRIGGERS_URL)).json()["triggers"] == [row]


JSON = {"content-type": "application/json"}

RAW: list[tuple[str, bytes, int, str | None]] = [
    ("33 levels", b'{"not":' * 32 + b'{"minute": 1}' + b"}" * 32, 422, "match_filter" + ".not" * 32 + ".minute"),
    ("10,000 levels", b'{"not":' * 10_000 + b'{"minute": 1}' + b"}" * 10_000, 422, "match_filter"),
    ("NaN", b'{"minute": NaN}', 400, None),
    ("beyond a double", b'{"minute": {"gte": 1e400}}', 422, "match_filter.minute.gte"),
    ("5,000 digits", b'{"any": [{"minute": ' + b"9" * 5000 + b"}]}", 422, "match_filter.any.0.minute"),
    ("half a surrogate pair", b'{"team": "\\ud800"}', 400, None),
    ("10 MB", b'{"team": "' + b"x" * 10_000_000 + b'"}', 413, None),
    ("10 MB of conditions", b'{"all": [' + b'{"a": 1},' * 1_250_000 + b'{"a": 1}]}', 413, None),
]


async def test_a_filter_no_reader_of_json_takes_is_refused(client: httpx.AsyncClient) -> None:
    """Never a 500, whatever the bytes are."""
    for case, match_filter, status, path in RAW:
        body = json.dumps(trigger(match_filter="HERE")).encode().replace(b'"HERE"', match_filter)
        answer = await client.post(TRIGGERS_URL, content=body, headers=JSON)
        assert answer.status_code == status, (case, answer.text)
        assert [error["path"] for error in answer.json().get("errors", [])] == ([] if path is None else [path]), case
    assert (await client.get(TRIGGERS_URL)).json()["triggers"] == []


NO_TRIGGERS: list[tuple[bytes, str, int]] = [
    (b"{", "application/json", 400),
    (b"[]", "application/json", 422),
    (b"{}", "application/json", 422),
    (b"name=x", "application/x-www-form-urlencoded", 415),
    (b'{"name":"' + b"x" * 1024 * 1024 + b'"}', "application/json", 413),
]


async def test_a_body_that_is_no_trigger_is_refused(client: httpx.AsyncClient) -> None:
    """The same answers as everywhere."""
    for content, content_type, status in NO_TRIGGERS:
        answer = await client.post(TRIGGERS_URL, content=content, headers={"content-type": content_type})
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


TRANSLATED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"match_filter": {"field": "minute", "operator": ">=", "value": 90}}, {"match_filter": {"minute": {"gte": 90}}}),
    ({"match_filter": {"severity": ">= error"}}, {"match_filter": {"severity": {"in": ["error", "critical"]}}}),
    ({"match_filter": {"key": "data_status", "value": "ready"}}, {"match_filter": {"data_status": "ready"}}),
    (
        {"match_filter": [{"minute": "> 80"}, {"team": "Mexico"}]},
        {"match_filter": {"all": [{"minute": {"gt": 80}}, {"team": "Mexico"}]}},
    ),
    (
        {"schedule_expression": "feed:*", "match_filter": {"event_type": "goal"}},
        {"schedule_expression": "feed:goal", "match_filter": None},
    ),
    ({"schedule_expression": None, "match_filter": {"event_type": "goal"}}, {"schedule_expression": "*:goal"}),
    ({"schedule_expression": "[a, b]:goal"}, {"schedule_expression": "[a, b]:goal", "pattern": None}),
    ({"schedule_expression": "", "pattern": "(a|b):.*"}, {"schedule_expression": "*:*", "pattern": "(a|b):.*"}),
]


async def test_a_condition_in_any_form_is_given_back_in_the_one_model(client: httpx.AsyncClient) -> None:
    """What was written in another dialect's form is, from the answer on, a filter and an event key."""
    for given, translated in TRANSLATED:
        row = await create(client, **given)
        assert {name: row[name] for name in translated} == translated
        assert (await client.get(f"{TRIGGERS_URL}/{row['id']}")).json() == row


async def test_a_patch_translates_what_it_gives_and_leaves_the_rest(installation: Settings, client: httpx.AsyncClient) -> None:
    """An event type narrows the key the row has; what SQL wrote in another form stays as it was written."""
    row = await create(client, schedule_expression="feed:*", match_filter={"minute": 90})
    url = f"{TRIGGERS_URL}/{row['id']}"
    changed = (await client.patch(url, json={"match_filter": [{"event_type": "goal"}, {"minute": ">= 80"}]})).json()
    assert (changed["schedule_expression"], changed["match_filter"]) == ("feed:goal", {"minute": {"gte": 80}})
    changed = (await client.patch(url, json={"pattern": "feed:.*", "schedule_expression": ""})).json()
    assert (changed["schedule_expression"], changed["match_filter"]) == ("*:*", {"minute": {"gte": 80}})
    await sql(installation, """UPDATE jobs SET match_filter = '{"severity": ">= error"}'""")
    changed = (await client.patch(url, json={"name": "renamed"})).json()
    assert (changed["match_filter"], changed["invalid"]) == ({"severity": ">= error"}, None)


async def sql(installation: Settings, statement: str, *values: Any) -> None:
    """Run SQL on the installation's schema."""
    connection = await asyncpg.connect(installation.database_url, server_settings={"search_path": installation.database_schema})
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()


SPOILT: list[tuple[str, str]] = [
    ("schedule_expression = 'goal'", "schedule_expression"),
    ("schedule_expression = ''", "schedule_expression"),
    ("schedule_type = 'cron'", "schedule_type"),
    ("hub_id = 'nowhere'", "hub_id"),
    ("agent_id = ''", "agent_id"),
    ("pattern = '(goal'", "pattern"),
    ("""match_filter = '{"minute": {"about": 90}}'""", "match_filter.minute.about"),
    ("""match_filter = '{"severity": ">= loud"}'""", "match_filter.severity"),
    ("""match_filter = '{"minute": 1e4400}'""", "match_filter"),
    ("""match_filter = (repeat('{"a":', 3000) || '1' || repeat('}', 3000))::jsonb""", "match_filter"),
    ("extra_seed_parts = (repeat('[', 3000) || repeat(']', 3000))::jsonb", "extra_seed_parts"),
    ("crossing = (repeat('{\"a\":', 3000) || '1' || repeat('}', 3000))::jsonb", "crossing"),
    ("max_concurrent = -1", "max_concurrent"),
    ("timeout_seconds = -1e308", "timeout_seconds"),
    ("timeout_seconds = 1e308", "timeout_seconds"),
    ("rate_limit = ''", "rate_limit"),
    ("count_threshold = 2147483647, \"window\" = '1m'", "count_threshold"),
    ("count_threshold = 5, \"window\" = 'soon'", "window"),
    ("debounce = '1 hour'", "debounce"),
    ("dedup = 'skip', per = 'payload.'", "per"),
    ("input = '1e4400'", "input"),
    ("input = (repeat('[', 40) || repeat(']', 40))::jsonb", "input" + ".0" * 33),
    ("input_template = (repeat('[', 3000) || repeat(']', 3000))::jsonb", "input_template"),
    ("input_mapping = '{\"a\": 1e4400}'", "input_mapping"),
    ("payload_transform = '[1e4400]'", "payload_transform"),
    ("input = (repeat('[', 900) || repeat(']', 900))::jsonb", "input" + ".0" * 33),
    ("intent_template = '{{ payload.player'", "intent_template"),
    ('input_mapping = \'{"minute": "payload.minute"}\'', "input_mapping.minute"),
]


async def test_a_row_that_sql_made_invalid_is_shown_with_the_reason_among_its_neighbours(
    installation: Settings, client: httpx.AsyncClient
) -> None:
    """By GET and in the list, where the others say null; repaired it is live again."""
    neighbour = await create(client)
    assert (neighbour["invalid"], neighbour["warnings"]) == (None, [])
    for change, path in SPOILT:
        row = await create(client)
        await sql(installation, f"UPDATE jobs SET {change} WHERE id = $1", row["id"])
        url = f"{TRIGGERS_URL}/{row['id']}"
        shown = (await client.get(url)).json()
        assert shown["invalid"]["path"] == path, (change, shown["invalid"])
        assert len(shown["invalid"]["message"]) > 10
        assert (await client.get(TRIGGERS_URL)).json()["triggers"] == [neighbour, shown]
        repaired = await client.patch(url, json=trigger(name=row["name"]) | VALID)
        assert (repaired.status_code, repaired.json()["invalid"]) == (200, None), repaired.text
        assert (await client.delete(url)).status_code == 204


VALID: dict[str, Any] = DEFAULT_POLICY | {
    "schedule_type": "event",
    "pattern": None,
    "match_filter": None,
    "crossing": None,
    "extra_seed_parts": [],
}


async def test_a_text_in_json_is_told_from_what_no_reader_takes(installation: Settings, client: httpx.AsyncClient) -> None:
    """A text is valid; a number that nobody can hold is not, and a change elsewhere in its row does not make it one."""
    row = await create(client, input="[1e4400]", payload_transform="1e4400")
    url = f"{TRIGGERS_URL}/{row['id']}"
    assert (row["input"], row["invalid"]) == ("[1e4400]", None)
    await sql(installation, "UPDATE jobs SET input = '[1e4400]'")
    assert (await client.get(url)).json()["invalid"]["path"] == "input"
    refused = await client.patch(url, json={"name": "renamed"})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "input")
    repaired = (await client.patch(url, json={"input": "a text"})).json()
    assert (repaired["input"], repaired["invalid"]) == ("a text", None)


async def test_null_in_json_is_null_in_sql(installation: Settings, client: httpx.AsyncClient) -> None:
    """SQL may write either into a column of JSON; no reader tells them apart."""
    row = await create(client, **POLICY)
    columns = ("input", "input_template", "input_mapping", "payload_transform", "match_filter", "crossing")
    await sql(installation, f"UPDATE jobs SET {', '.join(f'{column} = $1' for column in columns)}", "null")
    shown = (await client.get(f"{TRIGGERS_URL}/{row['id']}")).json()
    assert ([shown[column] for column in columns], shown["invalid"]) == ([None] * len(columns), None)


async def test_a_time_out_that_json_cannot_tell_is_refused_by_the_table(installation: Settings) -> None:
    """As null it would mean no time-out at all."""
    insert = "INSERT INTO jobs (name, schedule_expression, agent_id, hub_id, timeout_seconds) VALUES ('n', 'a:b', 'a', 'h', $1)"
    for number in (math.nan, math.inf, -math.inf):
        with pytest.raises(asyncpg.CheckViolationError):
            await sql(installation, insert, number)


async def test_a_row_that_hears_its_own_agent_says_so_wherever_it_is_shown(client: httpx.AsyncClient) -> None:
    """Next to what it costs; a filter that leaves its own agent out silences it."""
    row = await create(client, schedule_expression="agents:task_failed", agent_id="reporter")
    assert len(row["warnings"]) == 1
    assert "hears task_failed" in row["warnings"][0]
    url = f"{TRIGGERS_URL}/{row['id']}"
    assert (await client.get(url)).json() == row
    assert (await client.get(TRIGGERS_URL)).json()["triggers"] == [row]
    both = (await client.patch(url, json={"match_filter": {"retries": {"ne": 0}}})).json()["warnings"]
    assert [warning.partition(":")[0] for warning in both] == ["match_filter", "schedule_expression"]
    others = await client.patch(url, json={"match_filter": {"agent_id": "another"}})
    assert others.json()["warnings"] == []


async def test_a_row_that_cannot_be_looked_up_says_so_wherever_it_is_shown(client: httpx.AsyncClient) -> None:
    """A warning, never a refusal; a narrower condition has none."""
    row = await create(client, match_filter={"minute": {"ne": 90}})
    assert len(row["warnings"]) == 1
    assert "match_filter" in row["warnings"][0]
    url = f"{TRIGGERS_URL}/{row['id']}"
    assert (await client.get(url)).json() == row
    assert (await client.get(TRIGGERS_URL)).json()["triggers"] == [row]
    narrowed = (await client.patch(url, json={"match_filter": {"minute": {"ne": 90}, "team": "Mexico"}})).json()
    assert narrowed["warnings"] == []


async def test_firing_by_hand_puts_a_signed_event_on_the_topic(installation: Settings, client: httpx.AsyncClient) -> None:
    """The execution's id follows from the trigger and the event; the same id given twice is the same execution."""
    trigger_id = (await create(client))["id"]
    answer = await client.post(f"{TRIGGERS_URL}/{trigger_id}/fire", json={"payload": {"minute": 12}, "id": "mine"})
    assert answer.status_code == 202
    assert answer.json() == {"execution_id": derived_id("execution", trigger_id, "mine"), "event_id": "mine"}
    await client.post(f"{TRIGGERS_URL}/{trigger_id}/fire")
    first, second = await records(installation, EVENTS)
    event = read_event(first.value)
    assert (event.source, event.type, event.payload) == ("manual", trigger_id, {"minute": 12})
    for record in (first, second):
        assert is_signed(record.value, record.headers, installation.signing_key.get_secret_value().encode())
    assert read_event(second.value).payload == {}


async def test_a_disabled_trigger_is_not_fired_by_hand(client: httpx.AsyncClient) -> None:
    """409 says why, instead of an execution's id that nothing will ever carry."""
    trigger_id = (await create(client, enabled=False))["id"]
    assert (await client.post(f"{TRIGGERS_URL}/{trigger_id}/fire")).status_code == 409
