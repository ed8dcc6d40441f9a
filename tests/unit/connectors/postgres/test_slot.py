"""What a schema's name means for its slot."""

import pytest

from connectors.postgres.slot import Slot
from streams.errors import ConnectorError


def test_a_slot_carries_its_schemas_name() -> None:
    """Installations that share a database never meet."""
    assert Slot("scheduler").name == "scheduler_touchline"


@pytest.mark.parametrize("schema", ["Scheduler", "my-schema", "s" * 54, 'a"b'])
def test_a_schema_whose_name_no_slot_can_carry_is_refused_with_what_is_accepted(schema: str) -> None:
    """Said at once, at the start, and not by Postgres for ever."""
    with pytest.raises(ConnectorError, match="at most 53 lower-case letters"):
        Slot(schema)
