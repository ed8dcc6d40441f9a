"""A trigger is live when its create call returns, whatever the workers were doing meanwhile."""

import psutil

from tests.acceptance.installation import Client, Command
from tests.acceptance.receiver import Receiver
from tests.waiting import eventually


async def test_a_worker_that_was_frozen_judges_by_the_rows_that_were_made_meanwhile(
    running: Command, client: Client, receiver: Receiver, hub_id: str, source: str
) -> None:
    """Nobody waits for a silent worker; so it reads the rows first, and judges what it finds in its partitions then."""
    worker = psutil.Process(running.addresses.pids["worker-1"])
    worker.suspend()
    try:
        trigger_id = client.create_trigger("goal", f"{source}:goal", hub_id)
        event_ids = [client.publish(source, "goal", {"n": number}) for number in range(20)]
    finally:
        worker.resume()
    await eventually(lambda: len(receiver.of(trigger_id)) == len(event_ids), 60, "every event after the return fires")
    assert [inject.body["event"]["id"] for inject in receiver.of(trigger_id)] == event_ids


async def test_an_event_after_each_change_of_a_trigger_is_judged_by_it(
    client: Client, receiver: Receiver, hub_id: str, source: str
) -> None:
    """Disabled when the call returned means that no later event fires; enabled means that each does."""
    trigger_id = client.create_trigger("goal", f"{source}:goal", hub_id)
    witness_id = client.create_trigger("witness", f"{source}:goal", hub_id)
    expected = []
    for round_number in range(5):
        client.post(f"/api/v1/triggers/{trigger_id}/disable", None, 200)
        client.publish(source, "goal", {"n": round_number})
        await until_fired(receiver, witness_id, 2 * round_number + 1)
        client.post(f"/api/v1/triggers/{trigger_id}/enable", None, 200)
        expected.append(client.publish(source, "goal", {"n": round_number}))
        await until_fired(receiver, trigger_id, round_number + 1)
        await until_fired(receiver, witness_id, 2 * round_number + 2)
    assert [inject.body["event"]["id"] for inject in receiver.of(trigger_id)] == expected


async def until_fired(receiver: Receiver, trigger_id: str, times: int) -> None:
    """Wait until the hub has heard the trigger so often."""
    await eventually(lambda: len(receiver.of(trigger_id)) >= times, 30, f"it fires for the {times}th time")
