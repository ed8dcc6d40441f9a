"""How records are grouped before they are projected."""

from connectors.postgres.projection import Told, waves
from streams.execution import Execution, Status


def test_each_wave_holds_an_execution_once_and_keeps_its_order() -> None:
    """One statement can change a row only once; a whole life in one batch takes as many statements as it has records."""
    told = [
        Told(Execution(execution_id, "t", Status.RUNNING, at_ms=0), 0, offset)
        for offset, execution_id in enumerate(["a", "b", "a", "c", "a", "b"])
    ]
    grouped = [[(change.execution.execution_id, change.offset) for change in wave] for wave in waves(told)]
    assert grouped == [[("a", 0), ("b", 1), ("c", 3)], [("a", 2), ("b", 5)], [("a", 4)]]
    assert waves([]) == []
