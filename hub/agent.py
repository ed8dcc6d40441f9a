"""The scripted agent: what it answers is a plain function of what it was sent, so a repeat answers the same."""

from collections.abc import Mapping, Sequence
from typing import Any


def answer(message: str, seed_parts: Sequence[Mapping[str, Any]], event: Mapping[str, Any]) -> str:
    """What the agent says in its one turn. `message`, `seed_parts` and `event` are those of the inject (SPEC 7).

    A goal is called out; a crossed price is told with its threshold; anything else is acknowledged. An event that
    lacks what a sentence needs gets the plain acknowledgement: the agent never fails.
    """
    payload = event.get("payload")
    fields = payload if isinstance(payload, Mapping) else {}
    kind = str(event.get("type", ""))
    told = None
    if kind == "goal":
        told = _goal(fields)
    elif kind.endswith(("_cross_above", "_cross_below")):
        told = _crossing(kind, fields)
    return told or f"{message or 'Noted'}: {event.get('source', '?')}:{kind or '?'}, {len(seed_parts)} seed parts read"


def _goal(fields: Mapping[str, Any]) -> str | None:
    """`GOAL! Mexico 1-0 South Africa (Quiñones 9')`, the scoring team first; an own goal is marked (og), a penalty (pen)."""
    score = fields.get("score")
    if not isinstance(score, Mapping) or not {"team", "opponent", "scorer", "minute"} <= fields.keys():
        return None
    own, other = ("home", "away") if fields["team"] == fields.get("home_team") else ("away", "home")
    mark = " og" if fields.get("own_goal") else " pen" if fields.get("penalty") else ""
    surname = str(fields["scorer"]).rpartition(" ")[2]
    return (
        f"GOAL! {fields['team']} {score.get(own)}-{score.get(other)} {fields['opponent']} ({surname} {fields['minute']}'{mark})"
    )


def _crossing(kind: str, fields: Mapping[str, Any]) -> str | None:
    """`AAPL price is above 100 now: 100.3`."""
    name, _, side = kind.rpartition("_cross_")
    if "threshold" not in fields or name not in fields:
        return None
    subject = f"{fields['symbol']} {name}" if "symbol" in fields else name
    return f"{subject} is {side} {fields['threshold']} now: {fields[name]}"
