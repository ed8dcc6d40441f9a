"""The ledger's sums as Prometheus sees them: the installation's, and so the same from every ingest process.

Label values are bounded: stages and outcomes are touchline's own words, and of workspaces the first hundred that this process
saw have a name (at first those with the most records); the others are counted together, so that no sum ever goes down.
"""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from ingest.ledger import WORKSPACES_SHOWN, largest
from streams.ledger.account import OTHERS
from streams.ledger.balance import Report

Family = CounterMetricFamily | GaugeMetricFamily


class LedgerSums(Collector):
    """Tells `report`, which whoever is scraped renews before; nothing while it is None."""

    def __init__(self) -> None:
        self.report: Report | None = None
        self._named: set[str] = set()

    def describe(self) -> Iterator[Family]:
        """Nothing, so that registering asks for no values."""
        return iter(())

    def collect(self) -> Iterator[Family]:
        """The report as metrics."""
        report = self.report
        if report is None:
            return
        yield from (self._records(report), *_stages(report))
        if report.executions is not None:
            executions = GaugeMetricFamily("touchline_ledger_executions", "Executions in Postgres.", labels=["status"])
            for status, count in report.executions.statuses.items():
                executions.add_metric([status], count)
            yield executions

    def _records(self, report: Report) -> Family:
        self._named.update(largest(report, WORKSPACES_SHOWN)[: WORKSPACES_SHOWN - len(self._named)])
        sums: Counter[tuple[str, str, str]] = Counter()
        for workspace, stages in report.workspaces.items():
            name = workspace if workspace in self._named else OTHERS
            for stage, counts in stages.items():
                for outcome, records in counts["outcomes"].items():
                    sums[stage, outcome, name] += records
        family = CounterMetricFamily(
            "touchline_ledger_records", "Records judged, by their one outcome.", labels=["stage", "outcome", "workspace"]
        )
        for labels, records in sums.items():
            family.add_metric(labels, records)
        return family


def _stages(report: Report) -> Iterator[Family]:
    notes = CounterMetricFamily("touchline_ledger_notes", "What happened beside the outcomes.", labels=["stage", "note"])
    vanished = CounterMetricFamily("touchline_ledger_vanished", "Records gone before they were judged.", labels=["stage"])
    under_way = GaugeMetricFamily("touchline_ledger_under_way", "Records not judged yet.", labels=["stage"])
    difference = GaugeMetricFamily(
        "touchline_ledger_difference", "Records that the sums miss, or have too many: 0 when they balance.", labels=["stage"]
    )
    differences = Counter({stage.stage: 0 for stage in report.stages} | {"executions": 0})
    for fault in report.faults:
        differences[fault.stage] += fault.records
    for stage in report.stages:
        for note, times in stage.notes.items():
            notes.add_metric([stage.stage, note], times)
        vanished.add_metric([stage.stage], stage.vanished)
        under_way.add_metric([stage.stage], stage.under_way)
    for name, records in differences.items():
        difference.add_metric([name], records)
    return iter((notes, vanished, under_way, difference))
