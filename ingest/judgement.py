"""A row judged as a whole, the same at every door: condition, policy, templates, and whether its workspace allows its agent."""

from hashlib import blake2b

import msgspec

from streams.errors import InvalidTrigger
from streams.language.bounds import check_bounds
from streams.shaping.shape import check_shaping
from streams.trigger import Condition, Trigger, parse_condition
from streams.workspace import Workspace, check_agent

SHAPING = ("payload_transform", "input", "input_template", "input_mapping", "intent_template")
"""The columns that shape what an agent is given."""
REMEMBERED_VERDICTS = 100_000
"""Templates judged before, by what they say: to understand a row's takes milliseconds, and a list shows a thousand rows."""
_faults: dict[bytes, tuple[str, str]] = {}
"""The path and the message of what is wrong with them; both empty when nothing is."""


def judge(trigger: Trigger, workspace: Workspace) -> Condition:
    """What the row asks for. Raises InvalidTrigger naming the field and what would be accepted.

    It may take a second for the longest templates, so it is called in a thread where it is asked of many rows, or of new ones.
    """
    condition = parse_condition(trigger, workspace.scales)
    check_agent(workspace, trigger.agent_id)
    _check_templates(trigger)
    return condition


def _check_templates(trigger: Trigger) -> None:
    said = {column: getattr(trigger, column) for column in SHAPING if getattr(trigger, column) is not None}
    if not said:
        return
    for column, value in said.items():
        check_bounds(value, column)
    key = blake2b(msgspec.json.encode(said), digest_size=16).digest()
    fault = _faults.get(key)
    if fault is None:
        fault = _fault(trigger)
        if len(_faults) >= REMEMBERED_VERDICTS:
            _faults.clear()
        _faults[key] = fault
    if any(fault):
        raise InvalidTrigger(*fault)


def _fault(trigger: Trigger) -> tuple[str, str]:
    try:
        check_shaping(trigger)
    except InvalidTrigger as error:
        return error.path, error.message
    return "", ""
