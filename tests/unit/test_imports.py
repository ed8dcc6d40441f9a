"""What a process must not load."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["ingest", "ingest.serve", "streams.topics", "touchline.cli"])
def test_importing_a_room_without_streams_does_not_load_faust(module: str) -> None:
    """Ingest starts fast and stays small; only the worker carries the stream engine."""
    code = f"import sys, {module}; sys.exit(any(name.split('.')[0] in ('faust', 'mode') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_command_line_loads_no_client_before_a_command_is_chosen() -> None:
    """`touchline --help` answers at once."""
    heavy = ("aiokafka", "asyncpg", "fastapi", "httpx", "pydantic")
    code = f"import sys, touchline.cli; print(*(name for name in {heavy} if name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True).stdout
    assert loaded.split() == []
