"""What must have come of a run: every fact, every trigger, and every execution that had to be."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from touchline.torture.asks import Ask, is_ordered
from touchline.torture.feed import Fact
from touchline.torture.switches import Switches

Pair = tuple[str, str]
"""Trigger id and fact id: one execution."""


@dataclass
class Truth:
    """`labels` names the triggers by their ids; `ordered` are those that deliver to a static instance."""

    facts: dict[str, Fact] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    ordered: set[str] = field(default_factory=set)
    one_shots: set[str] = field(default_factory=set)
    expected: set[Pair] = field(default_factory=set)

    @classmethod
    def of(cls, facts: Iterable[Fact], asks: Mapping[str, Ask], switches: Switches, accepted: Container[str]) -> "Truth":
        """Put together from the plan, with the triggers by the ids they got, and from what the cycles did.

        A fact that was not accepted when the run ended must not have come of anything.
        """
        truth = cls(facts={fact.id: fact for fact in facts} | switches.facts)
        for trigger_id, ask in asks.items():
            truth.labels[trigger_id] = ask.label
            truth.expected |= {(trigger_id, fact_id) for fact_id in ask.expected}
            if is_ordered(ask.row):
                truth.ordered.add(trigger_id)
        wanted = _by_label(switches.expected)
        for trigger_id, (label, one_shot) in switches.rows.items():
            truth.labels[trigger_id] = label
            truth.ordered.add(trigger_id)
            truth.expected |= {(trigger_id, fact_id) for fact_id in wanted.get(label, ())}
            if one_shot:
                truth.one_shots.add(trigger_id)
        truth.expected = {pair for pair in truth.expected if pair[1] in accepted}
        return truth


def _by_label(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for label, fact_id in pairs:
        found.setdefault(label, []).append(fact_id)
    return found
