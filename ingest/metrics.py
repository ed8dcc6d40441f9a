"""`GET /metrics`, for Prometheus: what this process accepted and how fast, what live processes have done, and the ledger."""

import asyncio
from collections import Counter as Tally
from collections.abc import Iterator

import structlog
from fastapi import APIRouter, FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from ingest.connections import Connected
from ingest.ledger import book_of, observe
from ingest.ledger_metrics import LedgerSums
from ingest.processes import Processes
from streams.errors import Unavailable
from streams.ledger.balance import report

log = structlog.get_logger()

router = APIRouter(tags=["operations"])

LEDGER_SECONDS = 5.0
"""How long a scrape waits for the ledger: half of the time after which Prometheus gives up, and the rest would be lost too."""
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Buckets around the aim of a few milliseconds, up to twice the longest an accept may take."""


class Metrics:
    """One application's metrics, in a registry of its own, so that several can live in one process."""

    def __init__(self, processes: Processes) -> None:
        self.registry = CollectorRegistry()
        self.events = Counter("touchline_ingest_events", "Events handed in, by outcome.", ["outcome"], registry=self.registry)
        self.accept_seconds = Histogram(
            "touchline_ingest_accept_seconds",
            "From a request's first byte read to the broker's ack, per request.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.registry.register(_Heartbeats(processes))
        self.ledger = LedgerSums()
        self.registry.register(self.ledger)

    def count(self, outcome: str | Exception) -> None:
        """Count one event: the id it was accepted under, or the error that kept it out."""
        if isinstance(outcome, str):
            self.events.labels("accepted").inc()
        else:
            self.events.labels("unavailable" if isinstance(outcome, Unavailable) else "refused").inc()


class _Heartbeats(Collector):
    """What the heartbeats say, at the moment of the scrape."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def collect(self) -> Iterator[GaugeMetricFamily]:
        roles: Tally[str] = Tally()
        counts: Tally[tuple[str, str]] = Tally()
        for word in self._processes.live():
            roles[word.role] += 1
            for name, count in word.counts.items():
                stage, _, outcome = name.partition(".")
                counts[stage, outcome] += count
        processes = GaugeMetricFamily("touchline_processes", "Live processes.", labels=["role"])
        for role, count in roles.items():
            processes.add_metric([role], count)
        records = GaugeMetricFamily(
            "touchline_stage_records", "Records judged by the live processes since they began.", labels=["stage", "outcome"]
        )
        for (stage, outcome), count in counts.items():
            records.add_metric([stage, outcome], count)
        lags_bytes = [word.lag_bytes for word in self._processes.live() if word.lag_bytes is not None]
        lag = GaugeMetricFamily("touchline_slot_lag_bytes", "Log that Postgres keeps for the rows not yet out.")
        if lags_bytes:
            lag.add_metric([], max(lags_bytes))
        yield from (processes, records, lag)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing, so that registering asks for no values."""
        return iter(())


@router.get("/metrics")
async def scrape(request: Request, connections: Connected) -> Response:
    """All metrics, in Prometheus' text format. The ledger's are left out while Kafka cannot be asked for them."""
    metrics = of(request.app)
    try:
        async with asyncio.timeout(LEDGER_SECONDS):
            metrics.ledger.report = report(await observe(connections, book_of(request)))
    except (Unavailable, TimeoutError) as error:
        log.warning("ledger_not_scraped", error=repr(error))
        metrics.ledger.report = None
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


def of(app: FastAPI) -> Metrics:
    """This application's metrics."""
    found: Metrics = app.state.metrics
    return found
