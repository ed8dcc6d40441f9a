"""`touchline dead`: a dispatch that died, found, understood, mended and put back, as a newcomer does it."""

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.settings import Settings
from streams.topics import EVENTS
from tests.acceptance.installation import Client, Command, command_environment
from tests.acceptance.receiver import Receiver
from tests.waiting import eventually

Dead = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dead(running: Command) -> Dead:
    """Runs the command; its exit code, what it prints and what it complains of."""

    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "touchline.cli", "dead", *arguments, "--api", running.addresses.api],
            env=command_environment({}),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def letters(dead: Dead, *arguments: str) -> list[dict[str, Any]]:
    """What is listed."""
    code, told, _ = dead("list", *arguments, "--json")
    assert code == 0
    found: list[dict[str, Any]] = json.loads(told)
    return found


async def statuses(client: Client, trigger_id: str, expected: list[str]) -> list[str]:
    """Wait until a trigger's executions stand so; their ids."""

    def stand() -> bool:
        return [execution["status"] for execution in client.executions(trigger_id)] == expected

    await eventually(stand, 60, f"the executions are {expected}")
    return [execution["execution_id"] for execution in client.executions(trigger_id)]


async def test_a_newcomer_mends_a_hub_and_redrives_what_died(
    client: Client, dead: Dead, receiver: Receiver, source: str
) -> None:
    """List, show, say where the hub really is, redrive: the same execution is COMPLETED, and the hub heard its id once."""
    hub_id = f"hub-{uuid.uuid4().hex[:8]}"
    with Receiver([(422, {"detail": "somebody else's server"})]) as wrong:
        client.register_hub(hub_id, wrong.base_url)
        trigger_id = client.create_trigger("goal", f"{source}:goal", hub_id)
        client.publish(source, "goal", {"minute": 93})
        (execution_id,) = await statuses(client, trigger_id, ["FAILED"])

    code, told, _ = dead("list", "--trigger", trigger_id, "--since", "1h")
    (line,) = [line for line in told.splitlines() if trigger_id in line]
    assert (code, "dispatch" in line, "the hub answered 422" in line) == (0, True, True)
    letter_id = line.split()[0]
    code, told, _ = dead("show", letter_id)
    assert code == 0
    for part in (execution_id, hub_id, '"minute": 93', "state open", "topic "):
        assert part in told, part

    client.post("/api/v1/hubs", {"hub_id": hub_id, "base_url": receiver.base_url}, 200)
    code, told, complaint = dead("redrive", letter_id)
    assert (code, told, complaint) == (0, f"{letter_id} redriven\n", "")
    assert await statuses(client, trigger_id, ["COMPLETED"]) == [execution_id]
    (inject,) = receiver.of(trigger_id)
    assert (inject.headers["idempotency-key"], inject.body["execution_id"]) == (execution_id, execution_id)
    assert letters(dead, "--trigger", trigger_id) == []

    code, told, complaint = dead("redrive", letter_id)
    assert (code, "is redriven already" in complaint) == (1, True)
    assert len(receiver.of(trigger_id)) == 1


async def test_what_dies_again_is_a_letter_of_its_own(client: Client, dead: Dead, source: str) -> None:
    """A hub that still refuses: --all ends, the execution is FAILED again, and the newest letter is the one that is open."""
    with Receiver([(422, {"detail": "cannot"})] * 4) as refusing:
        hub_id = f"hub-{uuid.uuid4().hex[:8]}"
        client.register_hub(hub_id, refusing.base_url)
        trigger_id = client.create_trigger("goal", f"{source}:goal", hub_id)
        for minute in (1, 2):
            client.publish(source, "goal", {"minute": minute})
        ids = await statuses(client, trigger_id, ["FAILED", "FAILED"])
        before = {letter["id"] for letter in letters(dead, "--trigger", trigger_id)}

        code, told, _ = dead("redrive", "--all", "--stage", "dispatch", "--trigger", trigger_id, "--json")
        assert (code, set(json.loads(told)["ids"])) == (0, before)

        def died_again() -> bool:
            found = letters(dead, "--trigger", trigger_id)
            return len(found) == 2 and not before & {letter["id"] for letter in found}

        await eventually(died_again, 60, "both died again")
        assert await statuses(client, trigger_id, ["FAILED", "FAILED"]) == ids
        assert len(letters(dead, "--trigger", trigger_id, "--state", "all")) == 4
        code, told, _ = dead("redrive", "--all", "--trigger", trigger_id)
        assert (code, told.splitlines()[-1]) == (0, "= 2 redriven")
        assert await statuses(client, trigger_id, ["COMPLETED", "COMPLETED"]) == ids


async def test_a_firing_that_no_template_could_shape_fires_when_its_row_is_mended(
    client: Client, dead: Dead, receiver: Receiver, hub_id: str, source: str
) -> None:
    """It died in the gate, undecided; put back, it is the one firing of its event, by the row as it is now."""
    template = {"minute": "{{ payload.minute + 1 }}"}
    trigger_id = client.create_trigger("shaped", f"{source}:goal", hub_id, input_template=template)
    client.publish(source, "goal", {"minute": "early"})
    found: list[dict[str, Any]] = await eventually(lambda: letters(dead, "--trigger", trigger_id), 30, "it is dead")
    assert (found[0]["stage"], "input_template.minute" in found[0]["reason"]) == ("gate", True)
    mended = client.http.patch(f"/api/v1/triggers/{trigger_id}", json={"input_template": {"minute": "{{ payload.minute }}"}})
    assert mended.status_code == 200
    assert dead("redrive", found[0]["id"])[0] == 0
    assert await statuses(client, trigger_id, ["COMPLETED"]) == [found[0]["execution_id"]]
    assert len(receiver.of(trigger_id)) == 1


async def test_what_nobody_can_read_is_discarded(settings: Settings, dead: Dead) -> None:
    """Straight to Kafka: it dies in match with its reason, is shown byte for byte, and is gone from the list."""
    mark = uuid.uuid4().hex
    async with AIOKafkaProducer(**settings.kafka_client()) as kafka:
        await kafka.send_and_wait(EVENTS.full_name(settings), f'{{"source": "{mark}", "type": 5}}'.encode(), key=b"feed")
        await eventually(lambda: letters(dead, "--stage", "match", "--reason", "expected `str`"), 30, "it is dead")
    letter = letters(dead, "--stage", "match")[0]
    code, told, _ = dead("show", letter["id"])
    assert (code, mark in told) == (0, True)
    assert dead("discard", letter["id"])[0] == 0
    assert letter["id"] not in {left["id"] for left in letters(dead)}
    assert [left["id"] for left in letters(dead, "--state", "discarded")] == [letter["id"]]
    assert dead("discard", letter["id"], "nothing")[::2] == (
        1,
        f"! {letter['id']}: dead letter {letter['id']} is discarded already; again=true (--again) redrives it once more\n"
        "! nothing: there is no dead letter nothing; they are kept for 30 days\n",
    )


def test_a_command_that_does_not_say_which_does_nothing(dead: Dead) -> None:
    """Ids, or --all; a filter alone, or both, could mean either."""
    for arguments in ((), ("1-2", "--all"), ("--stage", "gate"), ("1-2", "--stage", "gate"), ("1-2", "--dry-run")):
        assert dead("redrive", *arguments)[0] == 2, arguments
    assert dead("list", "--since", "yesterday")[0] == 2
    assert dead("show", "1-2-3")[0] == 1
