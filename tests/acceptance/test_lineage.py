"""A cascade of real agents: what one emits with the lineage it was given goes on counting, and can be looked at as a tree."""

import subprocess
import sys
from typing import Any

from tests.acceptance.installation import Client, Command, command_environment
from tests.acceptance.receiver import Receiver
from tests.waiting import eventually


async def heard(receiver: Receiver, trigger_id: str, number: int = 0) -> dict[str, Any]:
    """Wait for the trigger's inject of that number, from 0 on; its body."""
    await eventually(lambda: len(receiver.of(trigger_id)) > number, 30, "the agent is woken")
    return receiver.of(trigger_id)[number].body


def emit(client: Client, source: str, event_type: str, inject: dict[str, Any], **payload: Any) -> str:
    """What an agent does in its turn: an event with the lineage it was given; its id."""
    event = {"source": source, "type": event_type, "payload": payload, "lineage": inject["lineage"]}
    return str(client.post("/api/events/ingest", event, 202)["event_id"])


async def ended(client: Client, trigger_id: str, status: str) -> dict[str, Any]:
    """Wait until an execution of the trigger has ended so; it."""

    def found() -> dict[str, Any] | None:
        return next((one for one in client.executions(trigger_id) if one["status"] == status), None)

    execution = await eventually(found, 30, f"an execution is {status}")
    assert execution is not None
    return execution


async def test_a_chain_of_agents_continues_three_deep_and_through_a_crossing(
    running: Command, client: Client, receiver: Receiver, hub_id: str, source: str
) -> None:
    """Each knows the first event, the triggers on the way, its depth and its own execution; the tree shows the same."""
    goal = client.create_trigger("goal", f"{source}:goal", hub_id)
    noted = client.create_trigger("noted", f"{source}:noted", hub_id)
    above = client.create_trigger("above", f"{source}:price_cross_above", hub_id, match_filter={"price": {"gte": 100}})
    client.publish(source, "price", {"price": 99})
    root_id = client.publish(source, "goal", {})

    first = await heard(receiver, goal)
    noted_id = emit(client, source, "noted", first)
    second = await heard(receiver, noted)
    price_id = emit(client, source, "price", second, price=101)
    third = await heard(receiver, above)
    leaf_id = emit(client, source, "leaf", third)

    for depth, inject in enumerate((first, second, third), start=1):
        lineage = inject["lineage"]
        assert (lineage["root_event_id"], lineage["trigger_depth"]) == (root_id, depth)
        assert lineage["trigger_chain"] == [goal, noted, above][:depth]
        assert lineage["execution_id"] == inject["execution_id"]
    assert len({inject["lineage"]["signature"] for inject in (first, second, third)}) == 3

    for trigger_id in (goal, noted, above):
        await ended(client, trigger_id, "COMPLETED")
    told = client.get(f"/api/v1/events/{root_id}/tree")
    assert (told["executions"], told["events"]["complete"], told["detached"]) == ({"count": 3, "complete": True}, True, [])
    [of_goal] = told["tree"]["executions"]
    [of_noted] = of_goal["events"][0]["executions"]
    [crossing] = of_noted["events"][0]["crossings"]
    [of_crossing] = crossing["executions"]
    assert (of_goal["execution_id"], of_goal["events"][0]["event_id"]) == (first["execution_id"], noted_id)
    assert (of_noted["events"][0]["event_id"], crossing["event_id"]) == (price_id, third["event"]["id"])
    assert (of_crossing["execution_id"], of_crossing["events"][0]["event_id"]) == (third["execution_id"], leaf_id)

    printed = subprocess.run(
        [sys.executable, "-m", "touchline.cli", "tree", leaf_id, "--root", "--api", running.addresses.api],
        env=command_environment({}),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert printed[0].startswith(f"event {root_id}: {source}:goal")
    assert f"└── event {leaf_id}: {source}:leaf, accepted " in printed[-1]
    assert f"execution {third['execution_id']}" in printed[-2]


async def test_a_chain_cannot_be_shortened_or_made_up(client: Client, receiver: Receiver, hub_id: str, source: str) -> None:
    """Neither by turning back the depth, nor by saying that it was another's, nor with an empty one."""
    goal = client.create_trigger("goal", f"{source}:goal", hub_id)
    client.publish(source, "goal", {})
    lineage = (await heard(receiver, goal))["lineage"]
    made_up: list[dict[str, Any]] = [
        lineage | {"trigger_depth": 0, "trigger_chain": []},
        lineage | {"execution_id": "mine"},
        {},
    ]
    for forged in made_up:
        answer = client.post("/api/events/ingest", {"source": source, "type": "noted", "lineage": forged}, 422)
        assert answer["errors"][0]["path"] == "lineage"


async def test_an_agent_that_wakes_itself_is_stopped_at_the_limit(
    client: Client, receiver: Receiver, hub_id: str, source: str
) -> None:
    """Ten deep by default; the eleventh is refused, and its execution has the whole chain."""
    echo = client.create_trigger("echo", f"{source}:said", hub_id)
    root_id = client.publish(source, "said", {})
    for number in range(10):
        emit(client, source, "said", await heard(receiver, echo, number))
    refused = await ended(client, echo, "REFUSED")
    assert (refused["lineage"]["root_event_id"], refused["lineage"]["trigger_depth"]) == (root_id, 11)
    assert refused["lineage"]["trigger_chain"] == [echo] * 11
    assert len(receiver.of(echo)) == 10
