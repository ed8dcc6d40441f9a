"""`touchline why`: what happened to an event and a trigger, told from what a whole installation has recorded."""

import subprocess
import sys
from typing import Any

import pytest

from tests.acceptance.installation import Client, Command, command_environment
from tests.acceptance.receiver import Receiver
from tests.waiting import eventually


@pytest.fixture
def why(running: Command) -> Any:
    """Runs the command; its exit code and what it prints."""

    def run(event_id: str, trigger_id: str, *more: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "touchline.cli", "why", event_id, trigger_id, "--api", running.addresses.api, *more],
            env=command_environment({"COLUMNS": "200"}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == "" or done.stdout == "", done.stderr
        return done.returncode, done.stdout or done.stderr

    return run


async def fired(client: Client, trigger_id: str, executions: int = 1) -> str:
    """Wait for so many completed executions of a trigger; the id of the last."""

    def done() -> bool:
        found = client.executions(trigger_id)
        return len(found) == executions and all(execution["status"] == "COMPLETED" for execution in found)

    await eventually(done, 30, "the trigger fired, and its executions are listed")
    return str(client.executions(trigger_id)[0]["execution_id"])


async def test_an_event_that_fired_and_one_that_did_not(client: Client, why: Any, hub_id: str, source: str) -> None:
    """The execution, or the clause that did not hold; exit code 0 or 1."""
    trigger_id = client.create_trigger("late", f"{source}:goal", hub_id, match_filter={"minute": {"gte": 90}})
    early = client.publish(source, "goal", {"minute": 12})
    late = client.publish(source, "goal", {"minute": 93})
    execution_id = await fired(client, trigger_id)
    code, told = why(late, trigger_id)
    assert (code, told.splitlines()[0]) == (0, f"It fired: execution {execution_id} is COMPLETED.")
    assert "✓ minute gte 90: found 93" in told
    code, told = why(early, trigger_id)
    assert (code, told.splitlines()[0]) == (1, "It did not fire: minute is 12, wanted gte 90.")
    assert "✗ minute gte 90: found 12" in told
    code, told = why("nothing", trigger_id, "--source", source)
    assert code == 1
    assert told.startswith("touchline: the API answered 404: there is no event nothing among the ")


async def test_a_one_shot_that_was_spent_says_by_which_execution(client: Client, why: Any, hub_id: str, source: str) -> None:
    """The second of two events at once matched, and the gate held it back."""
    trigger_id = client.create_trigger("once", f"{source}:goal", hub_id, one_shot=True)
    batch = [{"source": source, "type": "goal", "payload": {"minute": minute}} for minute in (1, 2)]
    first, second = (item["event_id"] for item in client.post("/api/events/ingest", batch, 202)["results"])
    execution_id = await fired(client, trigger_id)
    await eventually(lambda: not client.get(f"/api/v1/triggers/{trigger_id}")["enabled"], 30, "the row is disabled")
    assert why(first, trigger_id)[0] == 0
    code, told = why(second, trigger_id)
    assert code == 1
    assert f"the trigger fires once, and execution {execution_id} was it" in told.splitlines()[0]


async def test_a_price_is_judged_by_whether_it_crossed(
    client: Client, why: Any, receiver: Receiver, hub_id: str, source: str
) -> None:
    """The one that crossed leads to its crossing and its execution; those before and behind it say why they did not."""
    trigger_id = client.create_trigger("above", f"{source}:price_cross_above", hub_id, match_filter={"price": {"gte": 100}})
    below, across, higher = (client.publish(source, "price", {"price": price}) for price in (99, 101, 102))
    execution_id = await fired(client, trigger_id)
    code, told = why(across, trigger_id)
    assert (code, told.splitlines()[0]) == (0, f"It fired: execution {execution_id} is COMPLETED.")
    crossing_id = receiver.of(trigger_id)[0].body["event"]["id"]
    assert f"crossing {crossing_id}" in told
    assert why(crossing_id, trigger_id)[1].splitlines()[0] == told.splitlines()[0]
    assert "price is 99, which does not lie across the threshold (gte 100)" in why(below, trigger_id)[1].splitlines()[0]
    assert "price did not cross 100" in why(higher, trigger_id)[1].splitlines()[0]


async def test_an_event_by_hand_is_explained_too(client: Client, why: Any, hub_id: str, source: str) -> None:
    """It fired the one trigger it was for."""
    trigger_id = client.create_trigger("hand", f"{source}:goal", hub_id, match_filter={"minute": 90})
    other_id = client.create_trigger("other", f"{source}:goal", hub_id)
    event_id = client.post(f"/api/v1/triggers/{trigger_id}/fire", {"payload": {}}, 202)["event_id"]
    await fired(client, trigger_id)
    assert why(event_id, trigger_id)[0] == 0
    code, told = why(event_id, other_id)
    assert code == 1
    assert f"the event fires trigger {trigger_id} by hand, and no other" in told
