"""Effectively once, proven in short: half a minute of faults with a fixed seed, and not one finding."""

from pathlib import Path

import msgspec

from tests.acceptance.installation import Command
from tests.waiting import eventually

SEED = 1772
"""Its first half minute fails the hub, freezes a worker past its session, and kills Kafka, Postgres, a worker and connect."""
RUN_SECONDS = 200
"""About 70 are usual: 15 to start, 30 of faults, and up to 20 until everything has arrived."""


async def test_half_a_minute_of_torture_finds_nothing(data_directory: Path) -> None:
    """Nothing lost, spurious, doubled, out of order or unaccounted, after at least four different faults."""
    command = Command("torture", data_directory, "--minutes", "0.5", "--seed", str(SEED), "--workers", "2", environment={})
    try:
        await eventually(lambda: command.process.poll() is not None, RUN_SECONDS, "the torture ends")
        assert command.process.returncode == 0, command.output
    finally:
        command.stop()
    history = [msgspec.json.decode(line) for line in (data_directory / "history.jsonl").read_bytes().splitlines()]
    faults = {(line["kind"], line["target"]) for line in history if line["what"] == "fault"}
    assert len(faults) >= 4, faults
    assert sum(line["what"] == "delivery" for line in history) > 1000
    assert not [line for line in history if line["what"] == "finding"]
