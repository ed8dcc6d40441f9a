"""POST /api/v1/triggers/drafts: judged as if they were written, and nothing is written."""

from typing import Any

from streams.settings import Settings
from tests.integration.api import serve_connected, trigger

DRAFTS_URL = "/api/v1/triggers/drafts"


async def test_each_draft_gets_its_columns_or_its_problem(installation: Settings) -> None:
    """In their order; the columns are those that a create call would store."""
    async with serve_connected(installation) as client:
        wanted = trigger(match_filter={"severity": ">= high"}, pattern="a.*:b", schedule_expression=None)
        del wanted["schedule_expression"]
        drafts: list[Any] = [
            wanted,
            trigger(hub_id="nowhere"),
            {"name": "x"},
            7,
            trigger(match_filter={"minute": {"about": 1}}),
            trigger(dedup="drop"),
        ]
        answer = await client.post(DRAFTS_URL, json=drafts)
        assert answer.status_code == 200, answer.text
        first, *refused = answer.json()["results"]
        paths = [result["problem"].get("errors", [{"path": None}])[0]["path"] for result in refused]
        assert paths == ["hub_id", "schedule_expression", None, "match_filter.minute.about", "dedup"]
        assert {result["problem"]["status"] for result in refused} == {422}
        assert (await client.get("/api/v1/triggers")).json()["triggers"] == []
        stored = (await client.post("/api/v1/triggers", json=wanted)).json()
        assert {column: stored[column] for column in first["trigger"]} == first["trigger"]
        assert first["trigger"]["match_filter"] == {"severity": {"in": ["high", "error", "critical"]}}


async def test_only_a_list_of_json_is_a_list_of_drafts(installation: Settings) -> None:
    """The usual answers to anything else."""
    async with serve_connected(installation) as client:
        assert (await client.post(DRAFTS_URL, json=[])).json() == {"results": []}
        assert (await client.post(DRAFTS_URL, json={})).status_code == 422
        assert (await client.post(DRAFTS_URL, content=b"[")).status_code == 400
        assert (await client.post(DRAFTS_URL, content=b"[]", headers={"content-type": "text/plain"})).status_code == 415
        assert (await client.post(DRAFTS_URL, content=b"[" + b" " * 9_000_000 + b"]")).status_code == 413
