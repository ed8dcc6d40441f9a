"""`touchline up` with nothing installed: the embedded Kafka and Postgres, their deaths, and its own end."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.acceptance.installation import Client, Command, command_environment
from tests.acceptance.receiver import Receiver
from tests.waiting import eventually

GONE_SECONDS = 30
"""How long what a killed `up` leaves may take to stop in good order; a broker takes about 2."""


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """`touchline up` with all of it embedded, ready."""
    command = Command("up", tmp_path_factory.mktemp("embedded") / "data", "--port", "0", environment={})
    try:
        asyncio.run(command.ready())
        yield command
    finally:
        command.stop()


async def test_up_prints_where_each_part_listens(embedded: Command) -> None:
    """What it prints is what `addresses.json` says, and each address answers."""
    addresses = embedded.addresses
    await eventually(lambda: addresses.api in embedded.output, 10, "the addresses are printed")
    assert addresses.kafka in embedded.output
    assert addresses.database in embedded.output
    assert addresses.pids.keys() == {"up", "kafka", "postgres", "hub", "connect", "worker-1", "ingest"}
    assert all(psutil.pid_exists(pid) for pid in addresses.pids.values())


async def test_up_says_that_it_asks_for_no_key(embedded: Command) -> None:
    """One line: who may do what, and what changes that."""
    await eventually(lambda: "The API asks for no key" in embedded.output, 10, "it is said")
    assert "--keys" in embedded.output


async def test_up_with_keys_lets_nobody_in_without_one(data_directory: Path) -> None:
    """`touchline keys create` makes the first one, from what `addresses.json` says; with it, a newcomer's trigger completes."""
    command = Command("up", data_directory, "--port", "0", "--keys", environment={})
    try:
        api = (await command.ready()).api
        assert httpx.get(f"{api}/api/v1/triggers").status_code == 401
        assert httpx.get(f"{api}/health").status_code == 200
        create = [
            "keys",
            "create",
            "--name",
            "first",
            "--scopes",
            "ingest,triggers,executions",
            "--data-dir",
            str(data_directory),
        ]
        made = subprocess.run(
            [sys.executable, "-m", "touchline.cli", *create],
            env=command_environment({}),
            capture_output=True,
            text=True,
            check=True,
        )
        with Client(api) as client:
            client.http.headers["Authorization"] = f"Bearer {made.stdout.strip()}"
            await eventually(lambda: client.http.get("/api/v1/hubs/local").status_code == 200, 10, "the key works")
            trigger_id = client.create_trigger("hello", "greeter:hello", "local", agent_instance_id="reporter-{run_id}")
            client.publish("greeter", "hello", {"to": "world"})
            await eventually(lambda: statuses(client, trigger_id) == ["COMPLETED"], 30, "the reference hub completes it")
        assert "touchline keys create" in command.output
    finally:
        command.stop()


async def test_a_newcomer_can_create_a_trigger_at_once(embedded: Command) -> None:
    """The reference hub is registered, so one trigger and one event are a completed execution."""
    with Client(embedded.addresses.api) as client:
        trigger_id = client.create_trigger("hello", "greeter:hello", "local", agent_instance_id="reporter-{run_id}")
        client.publish("greeter", "hello", {"to": "world"})

        await eventually(lambda: statuses(client, trigger_id) == ["COMPLETED"], 30, "the reference hub completes it")


async def test_a_second_up_on_the_same_data_directory_is_refused(embedded: Command) -> None:
    """One line says who holds it and what to do; the first one is not disturbed."""
    second = Command("up", embedded.data_directory, "--port", "0", environment={})
    assert second.process.wait(30) == 1
    assert f"is in use by another touchline (process {embedded.process.pid})" in second.output
    assert "Traceback" not in second.output
    with Client(embedded.addresses.api) as client:
        assert client.health() == 200


def test_a_taken_port_is_a_clear_error(data_directory: Path) -> None:
    """Nothing is started, and the message names the port and the option."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        command = Command("up", data_directory, "--port", str(port), environment={})
        assert command.process.wait(30) == 1
    assert f"port {port} cannot be used" in command.output
    assert "--port" in command.output
    assert "Traceback" not in command.output


@pytest.mark.parametrize("name", ["hub", "connect", "worker-1", "ingest"])
async def test_a_process_that_dies_is_started_again(embedded: Command, name: str) -> None:
    """Its death and its return are told in the foreground, and an event published meanwhile still fires."""
    with Client(embedded.addresses.api) as client:
        trigger_id = client.create_trigger("hello", f"{name}:hello", "local", agent_instance_id="reporter-{run_id}")
        before = embedded.addresses.pids[name]
        psutil.Process(before).kill()
        await eventually(lambda: has_accepted(client, name), 60, "an event is accepted")
        await eventually(lambda: embedded.addresses.pids[name] != before, 30, f"{name} has another process")
        assert f"{name} was ended by SIGKILL" in embedded.output
        await eventually(lambda: "COMPLETED" in statuses(client, trigger_id), 60, "the event fires")
        await eventually(lambda: is_healthy(client), 60, "every stage works again")
        assert statuses(client, trigger_id) == ["COMPLETED"]


async def test_a_dead_broker_is_503_with_retry_after_and_then_everything_works_again(embedded: Command) -> None:
    """Nothing is accepted that is not kept: what got a 202 fires, once, when the broker is back."""
    with Client(embedded.addresses.api) as client, Receiver() as receiver:
        client.register_hub("broker-test", receiver.base_url)
        trigger_id = client.create_trigger("hello", "pitch:hello", "broker-test")
        broker = psutil.Process(embedded.addresses.pids["kafka"])
        broker.send_signal(signal.SIGSTOP)  # first, so that it is gone for longer than an accept waits for it
        refused = client.http.post("/api/events/ingest", json={"source": "pitch", "type": "hello", "payload": {}})
        broker.kill()
        assert refused.status_code == 503, refused.text
        assert int(refused.headers["retry-after"]) > 0

        await eventually(lambda: has_accepted(client, "pitch"), 60, "an event is accepted again")
        await eventually(lambda: "pitch" in fired(receiver, trigger_id), 30, "what was accepted fires")
        await eventually(lambda: is_healthy(client), 60, "every stage works again")
        assert fired(receiver, trigger_id).count("pitch") == 1


async def test_a_dead_database_is_started_again_and_triggers_are_still_there(embedded: Command) -> None:
    """Postgres comes back with every committed row, and a new trigger can be written and fires."""
    with Client(embedded.addresses.api) as client, Receiver() as receiver:
        client.register_hub("database-test", receiver.base_url)
        before = client.create_trigger("before", "net:goal", "database-test")
        database = psutil.Process(embedded.addresses.pids["postgres"])
        database.kill()
        database.wait(30)
        await eventually(lambda: is_healthy(client), 60, "every stage works again")
        after = client.create_trigger("after", "net:goal", "database-test")
        client.publish("net", "goal", {})
        await eventually(lambda: receiver.of(before) and receiver.of(after), 30, "both triggers fire")


async def test_ctrl_c_while_it_starts_leaves_nothing(data_directory: Path) -> None:
    """Whatever has been started by then is stopped, and that is no error."""
    command = Command("up", data_directory, "--port", "0", environment={})
    try:
        await eventually(lambda: len(command.processes()) > 1, 30, "something is started")
        started = command.processes()
        assert command.stop() == 0, command.output
    finally:
        command.stop()
    await eventually(lambda: not any(map(is_alive, started)), GONE_SECONDS, "every process of it is gone")


async def test_ctrl_c_stops_everything_and_the_next_up_finds_what_was_there(data_directory: Path) -> None:
    """Exit code 0, no process and no addresses.json left; then kill -9 of the next one leaves no process either."""
    first = Command("up", data_directory, "--port", "0", environment={})
    try:
        with Client((await first.ready()).api) as client:
            trigger_id = client.create_trigger("kept", "greeter:hello", "local")
        started = first.processes()
        assert first.stop() == 0, first.output
    finally:
        first.stop()
    assert not [process for process in started if is_alive(process)]
    assert not (data_directory / "addresses.json").exists()

    second = Command("up", data_directory, "--port", "0", environment={})
    try:
        with Client((await second.ready()).api) as client:
            assert client.get(f"/api/v1/triggers/{trigger_id}")["name"].startswith("kept")
        started = second.processes()
        second.send(signal.SIGKILL)
        second.process.wait()
        await eventually(lambda: not any(map(is_alive, started)), GONE_SECONDS, "every process of it is gone")
    finally:
        second.stop()


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs. A zombie does not: it only waits for whoever inherited it to ask for its exit code."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def fired(receiver: Receiver, trigger_id: str) -> list[str]:
    """The ids of the events that the hub was called for."""
    return [inject.body["event"]["id"] for inject in receiver.of(trigger_id)]


def statuses(client: Client, trigger_id: str) -> list[str]:
    """The statuses of a trigger's executions."""
    return [execution["status"] for execution in client.executions(trigger_id)]


def has_accepted(client: Client, source: str) -> bool:
    """Whether the event, the same one at every call, is accepted; not so while the process that accepts is down."""
    try:
        answer = client.http.post("/api/events/ingest", json={"source": source, "type": "hello", "payload": {}, "id": source})
    except httpx.TransportError:
        return False
    return answer.status_code == 202


def is_healthy(client: Client) -> bool:
    """Whether GET /health answers 200; not so while the process that answers is down itself."""
    try:
        return client.health() == 200
    except httpx.TransportError:
        return False
