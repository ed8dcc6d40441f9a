"""The results as bars: an SVG drawn line by line."""

from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from tests.benchmarks.engines.garage import TOUCHLINE
from tests.benchmarks.results import Results, middle
from tests.benchmarks.rowsets import MIX
from tests.benchmarks.targets import best

WIDTH, LABEL_WIDTH, BAR_WIDTH = 900, 300, 480
ROW, GAP, MARGIN = 24, 34, 24
OURS, OTHERS = "#c2410c", "#94a3b8"


class Bar(NamedTuple):
    """One bar, and what is written behind it."""

    label: str
    value: float
    text: str
    ours: bool


class Panel(NamedTuple):
    """Bars of one unit."""

    title: str
    bars: list[Bar]


def picture(results: Results) -> str:
    """The SVG."""
    panels = [panel for panel in _panels(results) if panel.bars]
    lines: list[str] = []
    y = MARGIN
    for panel in panels:
        lines.append(f'<text x="{MARGIN}" y="{y + 14}" font-weight="bold">{escape(panel.title)}</text>')
        y += ROW + 4
        longest = max(bar.value for bar in panel.bars) or 1
        for bar in panel.bars:
            lines += _row(bar, y, bar.value / longest)
            y += ROW
        y += GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" '
        'font-family="system-ui, sans-serif" font-size="14" fill="#0f172a">\n'
        f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def _row(bar: Bar, y: int, share: float) -> list[str]:
    length = max(1, round(share * BAR_WIDTH))
    end = LABEL_WIDTH + length
    return [
        f'<text x="{LABEL_WIDTH - 8}" y="{y + 14}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect x="{LABEL_WIDTH}" y="{y + 2}" width="{length}" height="{ROW - 8}" fill="{OURS if bar.ours else OTHERS}"/>',
        f'<text x="{end + 6}" y="{y + 14}">{escape(bar.text)}</text>',
    ]


def _panels(results: Results) -> Iterator[Panel]:
    if results.detect:
        laps = {name: lap for name, lap in best(results.detect).items() if not lap.failure}
        for what, measure in (
            ("records per second", "records_per_second"),
            ("records per CPU second", "records_per_cpu_second"),
        ):
            values = {name: getattr(lap, measure) for name, lap in laps.items()}
            bars = [Bar(name, value, f"{value:,.0f}", name == TOUCHLINE) for name, value in values.items()]
            yield Panel(f"Crossings out of {results.detect.records:,} prices: {what}", bars)
    if results.match:
        bars = []
        for size in results.match.sizes:
            lap = middle(size.touchline)
            if not lap.failure:
                bars.append(
                    Bar(f"{size.triggers:,} triggers", lap.records_per_second, f"{lap.records_per_second:,.0f}", ours=True)
                )
        yield Panel("Detect and match together: events per second", bars)
    if results.matcher:
        sets = [one for one in results.matcher.sets if one.name == MIX.name]
        yield Panel(
            "Matching alone: events per second",
            [Bar(f"{one.rows:,} triggers", one.events_per_second, f"{one.events_per_second:,.0f}", ours=True) for one in sets],
        )
    if results.latency:
        bars = []
        for pace in results.latency.paces:
            label = f"{pace.events_per_second:,} events/s, {pace.events_per_second // pace.fires_every:,} fire: "
            bars += [
                Bar(f"{label}{which}", value, f"{value:,.1f}", ours=True)
                for which, value in (("p50", pace.inject_p50_ms), ("p99", pace.inject_p99_ms))
            ]
        yield Panel("From POST to inject: milliseconds", bars)
