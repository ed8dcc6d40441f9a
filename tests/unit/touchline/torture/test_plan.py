"""The plan of faults: the seed says all of it."""

from touchline.torture.plan import DECK, FREEZE, KILL, SESSION_SECONDS, plan_faults


def test_the_same_seed_gives_the_same_faults_and_another_one_others() -> None:
    """A finding can be looked for again."""
    assert plan_faults(7, 300, 3) == plan_faults(7, 300, 3)
    assert plan_faults(7, 300, 3) != plan_faults(8, 300, 3)


def test_no_fault_lasts_beyond_the_end() -> None:
    """After the planned time everything may come to rest."""
    faults = plan_faults(1, 200, 3)
    assert all(fault.at_seconds + fault.lasts_seconds <= 200.1 for fault in faults)


def test_a_run_of_some_minutes_has_every_kind_of_fault() -> None:
    """Faults are dealt from a deck: none is left to chance for long."""
    for seed in range(20):
        kinds = {(fault.kind, fault.target.split("-")[0]) for fault in plan_faults(seed, 180, 3)}
        assert kinds == {(card.kind, card.target) for card in DECK}


def test_half_a_minute_has_four_different_kinds_at_least() -> None:
    """The short form is worth running."""
    for seed in range(50):
        kinds = {(fault.kind, fault.target.split("-")[0]) for fault in plan_faults(seed, 30, 2)}
        assert len(kinds) >= 4


def test_every_worker_is_hit_and_some_freezes_outlast_the_session() -> None:
    """Twenty minutes kill at least twenty processes, and wake zombies."""
    faults = plan_faults(1, 1200, 3)
    assert {fault.target for fault in faults if fault.kind == KILL} >= {"worker-1", "worker-2", "worker-3", "kafka", "postgres"}
    assert sum(fault.kind == KILL for fault in faults) >= 20
    assert any(fault.kind == FREEZE and fault.lasts_seconds >= SESSION_SECONDS[0] for fault in faults)
