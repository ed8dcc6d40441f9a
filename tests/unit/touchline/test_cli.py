"""The command line: its commands, its errors, its exit codes."""

import json
import os
import subprocess
import sys

import pytest

COMMANDS = ("up", "demo", "migrate", "topics", "ingest", "worker", "connect", "hub", "torture", "triggers", "why", "tree")


def touchline(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "touchline.cli", *arguments],
        env=os.environ | {"COLUMNS": "200"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_names_every_command() -> None:
    """A newcomer finds them all in one place."""
    printed = touchline("--help")
    assert printed.returncode == 0
    assert all(f" {command} " in printed.stdout for command in COMMANDS)


@pytest.mark.parametrize(
    "command", [*COMMANDS, "topics create", "topics describe", "triggers apply", "triggers diff", "triggers export"]
)
def test_every_command_explains_itself(command: str) -> None:
    """Nothing has to run for that."""
    assert touchline(*command.split(), "--help").returncode == 0


def test_a_setting_that_is_wrong_is_one_line_naming_its_variable() -> None:
    """Exit code 1, no traceback."""
    failed = touchline("migrate", TOUCHLINE_PARTITIONS="many")
    assert failed.returncode == 1
    assert failed.stderr.startswith("touchline: TOUCHLINE_PARTITIONS: ")
    assert len(failed.stderr.splitlines()) == 1
    assert "KAFKA_SECURITY_PROTOCOL: " in touchline("migrate", KAFKA_SECURITY_PROTOCOL="magic").stderr


@pytest.mark.parametrize("command", ["topics create", "topics describe", "migrate", "worker", "keys list"])
def test_a_server_that_does_not_answer_is_one_line(command: str) -> None:
    """Exit code 1, no traceback, the address it was looked for at, and no password."""
    failed = touchline(
        *command.split(), KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", DATABASE_URL="postgresql://someone:secret@127.0.0.1:1/nowhere"
    )
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("touchline: ")
    assert "127.0.0.1:1" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert "secret" not in failed.stderr


def test_a_misspelt_option_is_a_usage_error() -> None:
    """Exit code 2, as every shell tool does."""
    assert touchline("up", "--port", "many").returncode == 2


LOGS = """
import logging
import structlog
from streams.settings import Settings
from touchline.logs import configure_logs
configure_logs(Settings(), logging.INFO)
structlog.get_logger().info("snapshot_taken", table="jobs", rows=12)
logging.getLogger("aiokafka.conn").info("chatter")
logging.getLogger("aiokafka.conn").warning("a library says %s", "hello")
"""


def test_json_logs_are_one_object_a_line_for_ours_and_for_libraries() -> None:
    """On stderr, with level and time; what libraries chatter below warnings is left out."""
    environment = os.environ | {"TOUCHLINE_LOG_FORMAT": "json"}
    ran = subprocess.run([sys.executable, "-c", LOGS], env=environment, capture_output=True, text=True, check=True, timeout=60)
    ours, theirs = map(json.loads, ran.stderr.splitlines())
    assert (ours["event"], ours["table"], ours["rows"], ours["level"]) == ("snapshot_taken", "jobs", 12, "info")
    assert theirs["event"] == "a library says hello"
    assert "timestamp" in theirs
    assert ran.stdout == ""


def test_a_traceback_in_the_log_shows_no_local_variables() -> None:
    """They may hold passwords and tokens."""
    fails = (
        "secret = 'hun' + 'ter2'\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    structlog.get_logger().exception('failed')\n"
    )
    code = LOGS + fails
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "ZeroDivisionError" in ran.stderr
    assert "hunter2" not in ran.stderr
