"""The end of a run for a person: the table, and the first findings with the faults that came before them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from touchline.torture.plan import Fault
from touchline.torture.truth import Truth
from touchline.torture.verdict import KINDS, Evidence, Finding

SHOWN = 12
"""Findings shown in full; all of them are in the history."""
BEFORE_SECONDS = 40.0
"""How far back from a finding its faults may lie: a session time-out, a recovery, and the retries of a silent hub."""

Done = Sequence[tuple[float, Fault]]


def faults_before(done: Done, seconds: float) -> list[str]:
    """The faults that came in the time before second `seconds`."""
    return [f"{at:.1f} s {fault}" for at, fault in done if seconds - BEFORE_SECONDS <= at <= seconds + BEFORE_SECONDS / 4]


def figures(truth: Truth, evidence: Evidence, done: Done) -> dict[str, Any]:
    """What the run did, beside the findings: nothing of it is wrong."""
    log = evidence.log
    taken = [delivery for delivery in evidence.deliveries if delivery.taken]
    kinds = Counter(fault.kind for _, fault in done)
    return {
        "faults": f"{len(done)} ({', '.join(f'{count} {kind}' for kind, count in kinds.items())})",
        "facts accepted": len(evidence.accepted_at_ms),
        "records on events": len(log.events),
        "... of them repeats of an id": sum(len(places) - 1 for places in log.events_of.values()),
        "... of them forwarded copies": sum(record.origin is not None for record in log.events),
        "dead letters of unreadable records": len(log.dead),
        "executions expected": len(truth.expected),
        "messages that took effect": sum(not delivery.repeated for delivery in taken),
        "redeliveries with a known key (allowed)": sum(delivery.repeated for delivery in taken),
        "refused or unheard by the hub": len(evidence.deliveries) - len(taken),
        "firings written more than once (allowed)": sum(len(places) - 1 for places in log.firings.values()),
        "... the longest after the first": f"{log.furthest_back_ms / 1000:.1f} s",
    }


def print_report(console: Console, told: dict[str, Any], findings: Sequence[Finding], began_at_ms: int, done: Done) -> None:
    """Print all of it."""
    table = Table("what", "count", box=None, title="torture", title_justify="left")
    for what, value in told.items():
        table.add_row(what, str(value), style="dim")
    counts = Counter(finding.kind for finding in findings)
    for kind in KINDS:
        table.add_row(kind, str(counts[kind]), style="bold green" if not counts[kind] else "bold red")
    console.print(table)
    for finding in findings[:SHOWN]:
        _print_finding(console, finding, began_at_ms, done)
    if len(findings) > SHOWN:
        console.print(f"... and {len(findings) - SHOWN} more in the history", style="red")


def _print_finding(console: Console, finding: Finding, began_at_ms: int, done: Done) -> None:
    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    seconds = (finding.at_ms - began_at_ms) / 1000 if finding.at_ms else None
    line(f"{finding.kind}: {finding.title}" + (f" at {seconds:.1f} s" if seconds is not None else ""), style="red")
    for name, value in finding.told.items():
        if value:
            line(f"    {name}: {value}")
    if seconds is not None:
        line(f"    faults: {'; '.join(faults_before(done, seconds))}")
