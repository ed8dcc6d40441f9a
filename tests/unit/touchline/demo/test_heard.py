"""What the demo reads from the hub's transcripts, on a real Postgres."""

from datetime import UTC, datetime

import pytest

from hub.transcripts import Transcripts
from streams.event import Lineage
from streams.execution import Inject
from streams.settings import Settings
from touchline.demo.heard import Heard, Latency

ACCEPTED_AT_MS = 1_800_000_000_000


async def test_injects_and_latency_are_those_of_the_triggers_asked_for(installation: Settings) -> None:
    """Counts by trigger, and percentiles from acceptance to arrival; other triggers' transcripts do not matter."""
    transcripts = Transcripts(installation.database_url, installation.database_schema, "local")
    taken_ms = {"a": [10, 20, 30], "b": [40, 1000], "other": [9000]}
    for trigger_id, latencies in taken_ms.items():
        for number, latency_ms in enumerate(latencies):
            one = Inject(f"{trigger_id}{number}", trigger_id, "agent", "desk", "", [], {}, Lineage(), None, None, "")
            at = datetime.fromtimestamp((ACCEPTED_AT_MS + latency_ms) / 1000, UTC)
            await transcripts.take(one, True, "said", at)
    await transcripts.close()

    async with Heard(installation, ["a", "b", "silent"]) as heard:
        assert await heard.injects() == {"a": 3, "b": 2}
        accepted_at_ms = dict.fromkeys(("a0", "a1", "a2", "b0", "b1", "other0", "never-taken"), ACCEPTED_AT_MS)
        latency = await heard.latency(accepted_at_ms)
    assert latency.injects == 5
    assert latency.p50_ms == pytest.approx(30)
    assert latency.p99_ms == pytest.approx(961.6)


async def test_latency_is_unknown_when_nothing_arrived(installation: Settings) -> None:
    """No number is made up."""
    async with Heard(installation, ["silent"]) as heard:
        assert await heard.latency({}) == Latency(0, None, None)
