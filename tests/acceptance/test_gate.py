"""Policies with real processes and real time: slots that end with the agent, queues, counts, debounce, quotas."""

import uuid
from typing import Any

import pytest

from tests.acceptance.installation import Client
from tests.acceptance.receiver import Answer, Receiver
from tests.waiting import eventually

ACCEPTED: Answer = (200, {"status": "accepted"})


class Agents:
    """A hub whose agents say nothing until the test lets them report."""

    def __init__(self, client: Client, receiver: Receiver, hub_id: str) -> None:
        self.client, self.receiver, self.hub_id = client, receiver, hub_id

    def heard(self, trigger_id: str) -> list[Any]:
        """The payload of every event that was injected for a trigger, in order."""
        return [one.body["event"]["payload"] for one in self.receiver.of(trigger_id) if one.path.endswith(("inject", "create"))]

    def execution_ids(self, trigger_id: str) -> list[str]:
        """Those injected, in order."""
        return [one.body["execution_id"] for one in self.receiver.of(trigger_id) if not one.path.endswith("cancel")]

    def statuses(self, trigger_id: str) -> list[str]:
        """How a trigger's executions stand, oldest first."""
        return [execution["status"] for execution in reversed(self.client.executions(trigger_id))]

    def report(self, execution_id: str, what: str, status: int, **body: Any) -> Any:
        """What an agent says of its execution."""
        return self.client.post(f"/api/v1/executions/{execution_id}/{what}", body, status)


@pytest.fixture
def agents(client: Client) -> Any:
    """A hub that accepts everything and completes nothing."""
    hub_id = f"hub-{uuid.uuid4().hex[:8]}"
    with Receiver(answers=[ACCEPTED] * 10_000) as receiver:
        client.register_hub(hub_id, receiver.base_url)
        yield Agents(client, receiver, hub_id)


async def test_a_queue_drains_in_order_as_agents_report(client: Client, agents: Agents, source: str) -> None:
    """One game's running agent holds up that game alone; what waits fires when it is done, in order."""
    trigger_id = client.create_trigger("goal", f"{source}:goal", agents.hub_id, dedup="queue", per="payload.game")
    for minute in range(3):
        for game in ("a", "b"):
            client.publish(source, "goal", {"game": game, "minute": minute})
    await eventually(lambda: len(agents.heard(trigger_id)) == 2, 30, "both games have their first")
    await eventually(lambda: agents.statuses(trigger_id).count("QUEUED") == 4, 30, "the others wait")
    done = 0
    while done < 6:
        await eventually(lambda: len(agents.execution_ids(trigger_id)) > done, 30, "the next one fires")  # noqa: B023
        agents.report(agents.execution_ids(trigger_id)[done], "complete", 200, output="done")
        done += 1
    await eventually(lambda: agents.statuses(trigger_id) == ["COMPLETED"] * 6, 30, "all are completed")
    for game in ("a", "b"):
        assert [one["minute"] for one in agents.heard(trigger_id) if one["game"] == game] == [0, 1, 2]


async def test_while_one_is_active_others_are_skipped(client: Client, agents: Agents, source: str) -> None:
    """With `dedup: skip` the hub's 200 is not the end; the agent's report is, and then the next one fires."""
    trigger_id = client.create_trigger("goal", f"{source}:goal", agents.hub_id, dedup="skip")
    for minute in range(3):
        client.publish(source, "goal", {"minute": minute})
    await eventually(lambda: sorted(agents.statuses(trigger_id)) == ["RUNNING", "SKIPPED", "SKIPPED"], 30, "two are skipped")
    [skipped, *_] = [one for one in client.executions(trigger_id) if one["status"] == "SKIPPED"]
    assert skipped["error"] == "1 of 1 executions are active"
    agents.report(agents.execution_ids(trigger_id)[0], "fail", 200, error="no")
    await eventually(lambda: "FAILED" in agents.statuses(trigger_id), 30, "it failed")

    async def fires() -> bool:
        client.publish(source, "goal", {"minute": 90})
        return len(agents.heard(trigger_id)) == 2

    await eventually(fires, 30, "the slot is free")


async def test_a_silent_agent_times_out_and_its_late_report_is_refused(client: Client, agents: Agents, source: str) -> None:
    """The slot ends with the time, the hub is told, and a report that comes after changes nothing."""
    trigger_id = client.create_trigger("goal", f"{source}:goal", agents.hub_id, dedup="queue", timeout_seconds=1)
    client.publish(source, "goal", {"minute": 1})
    client.publish(source, "goal", {"minute": 2})
    await eventually(lambda: len(agents.heard(trigger_id)) == 2, 30, "the second one fires when the first one's time is over")
    late = agents.execution_ids(trigger_id)[0]
    await eventually(lambda: agents.statuses(trigger_id)[0] == "TIMED_OUT", 30, "it is told")
    agents.report(late, "complete", 409, output="late")
    await eventually(
        lambda: any(one.path.endswith("/cancel") and one.body["execution_id"] == late for one in agents.receiver.received),
        30,
        "the hub is told",
    )
    assert agents.statuses(trigger_id)[0] == "TIMED_OUT"


async def test_it_fires_at_the_nth_match_within_the_window(
    client: Client, receiver: Receiver, hub_id: str, source: str
) -> None:
    """Five errors in five minutes, by the events' own time; then it counts anew."""
    trigger_id = client.create_trigger(
        "errors", f"{source}:error", hub_id, count_threshold=3, window="5m", per="payload.service"
    )
    for minute, service in enumerate(["a", "a", "b", "a", "a", "a", "b", "a"]):
        event = {"source": source, "type": "error", "payload": {"service": service, "minute": minute}}
        client.post("/api/events/ingest", event | {"time": f"2026-11-21T10:{minute:02}:00Z"}, 202)
    await eventually(lambda: len(receiver.of(trigger_id)) == 2, 30, "it fires twice")
    assert [one.body["event"]["payload"]["minute"] for one in receiver.of(trigger_id)] == [3, 7]


async def test_a_debounce_delivers_all_that_it_coalesced(client: Client, receiver: Receiver, hub_id: str, source: str) -> None:
    """After quiet for so long one dispatch comes, with every event of the window in order."""
    trigger_id = client.create_trigger("saved", f"{source}:saved", hub_id, debounce="1s")
    for number in range(5):
        client.publish(source, "saved", {"number": number})
    await eventually(lambda: receiver.of(trigger_id), 30, "it is quiet")
    [inject] = receiver.of(trigger_id)
    assert inject.body["event"]["payload"] == {"number": 4}
    [events] = [part["literal"]["events"] for part in inject.body["seed_parts"] if "events" in (part.get("literal") or {})]
    assert [event["payload"]["number"] for event in events] == [0, 1, 2, 3, 4]


async def test_a_rate_limit_skips_what_is_too_much(client: Client, receiver: Receiver, hub_id: str, source: str) -> None:
    """Two in any hour, and the others are skipped with the reason."""
    trigger_id = client.create_trigger("goal", f"{source}:goal", hub_id, rate_limit="2/1h")
    for minute in range(5):
        client.publish(source, "goal", {"minute": minute})
    await eventually(lambda: len(client.executions(trigger_id)) == 5, 30, "each has an outcome")
    await eventually(lambda: len(receiver.of(trigger_id)) == 2, 30, "two are injected")
    assert [one.body["event"]["payload"]["minute"] for one in receiver.of(trigger_id)] == [0, 1]
    reasons = {one["error"] for one in client.executions(trigger_id) if one["status"] == "SKIPPED"}
    assert reasons == {"2 fired within 3600000 ms"}


async def test_a_workspace_refuses_what_its_policy_does_not_allow(
    client: Client, receiver: Receiver, hub_id: str, source: str
) -> None:
    """All triggers of a workspace together fire no more than its quota; what is refused says why."""
    workspace = f"w-{uuid.uuid4().hex[:8]}"
    answer = client.http.patch(f"/api/v1/workspaces/{workspace}", json={"max_firings": "3/1h"})
    assert answer.status_code == 200, answer.text
    ids = [client.create_trigger(f"goal {n}", f"{source}:goal", hub_id, workspace=workspace) for n in range(2)]
    for minute in range(4):
        event = {"source": source, "type": "goal", "payload": {"minute": minute}, "workspace": workspace}
        client.post("/api/events/ingest", event, 202)
    await eventually(lambda: sum(len(client.executions(one)) for one in ids) == 8, 30, "each has an outcome")
    executions = [execution for one in ids for execution in client.executions(one)]
    assert sorted(execution["status"] for execution in executions).count("REFUSED") == 5
    await eventually(lambda: sum(len(receiver.of(one)) for one in ids) == 3, 30, "the others fire")
    assert all("max_firings" in execution["error"] for execution in executions if execution["status"] == "REFUSED")
