"""Once, and only once, whatever is repeated: events, one-shots, and injects that a hub did not take."""

import uuid

from tests.acceptance.installation import Client
from tests.acceptance.receiver import Receiver
from tests.waiting import eventually


async def test_the_same_event_id_posted_twice_fires_once(client: Client, receiver: Receiver, hub_id: str, source: str) -> None:
    """The repeat is accepted, with the same id, and fires nobody; the next event does."""
    trigger_id = client.create_trigger("goal", f"{source}:goal", hub_id)
    first = client.publish(source, "goal", {"minute": 1}, event_id=f"{source}-1")
    assert client.publish(source, "goal", {"minute": 1}, event_id=f"{source}-1") == first
    client.publish(source, "goal", {"minute": 2}, event_id=f"{source}-2")

    await eventually(lambda: len(receiver.of(trigger_id)) >= 2, 30, "both events fire")
    assert [inject.body["event"]["payload"]["minute"] for inject in receiver.of(trigger_id)] == [1, 2]


async def test_a_one_shot_fires_once_and_its_row_is_disabled(
    client: Client, receiver: Receiver, hub_id: str, source: str
) -> None:
    """Of events that follow each other at once only the first fires it; enabled again it fires once more."""
    once = client.create_trigger("once", f"{source}:goal", hub_id, one_shot=True)
    always = client.create_trigger("always", f"{source}:goal", hub_id)
    for minute in range(5):
        client.publish(source, "goal", {"minute": minute})
    await eventually(lambda: len(receiver.of(always)) == 5, 30, "every event fires the other trigger")
    await eventually(lambda: not client.get(f"/api/v1/triggers/{once}")["enabled"], 30, "the row is disabled")
    assert [inject.body["event"]["payload"]["minute"] for inject in receiver.of(once)] == [0]

    client.post(f"/api/v1/triggers/{once}/enable", None, 200)
    client.publish(source, "goal", {"minute": 90})
    await eventually(lambda: len(receiver.of(once)) == 2, 30, "it fires again")
    assert receiver.of(once)[1].body["event"]["payload"] == {"minute": 90}


async def test_a_hub_that_answers_500_and_then_200_gets_it_once(client: Client, source: str) -> None:
    """Both attempts carry the same Idempotency-Key and body, and they are one completed execution."""
    hub_id = f"hub-{uuid.uuid4().hex[:8]}"
    with Receiver(answers=[(500, {"error": "not now"})]) as receiver:
        client.register_hub(hub_id, receiver.base_url)
        trigger_id = client.create_trigger("goal", f"{source}:goal", hub_id)
        client.publish(source, "goal", {"minute": 1})

        async def completed() -> bool:
            return [execution["status"] for execution in client.executions(trigger_id)] == ["COMPLETED"]

        await eventually(completed, 30, "the execution is COMPLETED")
        first, second = receiver.of(trigger_id)
    [execution] = client.executions(trigger_id)
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == execution["execution_id"]
    assert first.body == second.body
    assert execution["attempts"] == 2
    assert execution["output"] == {"said": "seen"}


async def test_a_batch_of_prices_that_is_sent_again_crosses_nothing_again(
    client: Client, receiver: Receiver, hub_id: str, source: str
) -> None:
    """The second copy lies behind newer prices; with its ids known, the value does not jump back."""
    trigger_id = client.create_trigger("below", f"{source}:price_cross_below", hub_id, match_filter={"price": {"lte": 100}})
    above_id = client.create_trigger("above", f"{source}:price_cross_above", hub_id, match_filter={"price": {"gte": 100}})
    batch = [
        {"id": f"{source}-{price}", "source": source, "type": "price", "payload": {"price": price}} for price in (98, 99, 101)
    ]
    for _ in range(2):
        client.post("/api/events/ingest", batch, 202)
    client.publish(source, "price", {"price": 90})
    await eventually(lambda: receiver.of(trigger_id), 30, "the fall to 90 crosses")
    assert [inject.body["event"]["payload"]["price"] for inject in receiver.of(trigger_id)] == [90]
    await eventually(lambda: receiver.of(above_id), 30, "the rise to 101 crosses")  # injects may come in any order
    assert [inject.body["event"]["payload"]["price"] for inject in receiver.of(above_id)] == [101]
