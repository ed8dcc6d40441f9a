"""README tells the truth: every command it shows is run, in its order, against a running touchline."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from streams.settings import Settings
from tests.acceptance.installation import Client, Command
from tests.environment import psql_path
from tests.waiting import eventually

README = Path(__file__).parents[2] / "README.md"


def commands() -> list[list[str]]:
    """The words of each command in README's `sh` blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    lines = "\n".join(blocks).replace("\ncurl ", "\0curl ").replace("\npsql ", "\0psql ").split("\0")
    return [shlex.split(line) for line in lines]


def curl(words: list[str], api: str) -> httpx.Response:
    """What curl would do; a bare machine has none. `localhost:8700` is where this test's API listens."""
    method, headers, body, url = "GET", {}, None, ""
    words = words[1:]
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word == "-d":
            method, body = "POST" if method == "GET" else method, words.pop(0)
        else:
            url = word.replace("localhost:8700", api)
    return httpx.request(method, url, headers=headers, content=body)


async def test_every_command_in_readme_works(running: Command, client: Client, settings: Settings) -> None:
    """In order, as a newcomer would type them."""
    answers: list[Any] = []
    trigger_id = ""
    for words in commands():
        if words[0] == "psql":
            statement = words[3].replace("scheduler.", f"{settings.database_schema}.")
            done = subprocess.run(
                [psql_path(), settings.database_url, "-c", statement], capture_output=True, text=True, check=False
            )
            assert done.stdout.strip() == "UPDATE 1", done.stderr
            continue
        answer = curl([word.replace("$TRIGGER_ID", trigger_id) for word in words], running.addresses.api)
        assert answer.is_success, f"{' '.join(words)}\n{answer.text}"
        answers.append(answer.json())
        if answer.status_code == 201 and not trigger_id:
            trigger_id = answer.json()["id"]
    assert "event_id" in answers[1]
    assert answers[2]["triggers"][0]["id"] == trigger_id

    def fired() -> bool:
        executions = client.get(f"/v1/triggers/{trigger_id}/executions")["executions"]
        return [execution["status"] for execution in executions] == ["COMPLETED"]

    await eventually(fired, what=f"the late goal fired once: {json.dumps(answers[3])}")
    assert client.get(f"/api/v1/triggers/{trigger_id}")["enabled"] is False


@pytest.mark.parametrize("target", re.findall(r"(?:`|^)make (\w+)", README.read_text(), re.MULTILINE))
def test_every_make_target_in_readme_exists(target: str) -> None:
    """`make -n` knows it."""
    done = subprocess.run(["make", "-n", target], cwd=README.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
