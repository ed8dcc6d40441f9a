"""Each internal of Faust and aiokafka that tables, stores and gaps lean on: a version that loses one fails here, loudly."""

import inspect

import pytest
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment, SubscriptionState, TopicPartitionState
from faust.app.base import App
from faust.stores.memory import Store
from faust.tables.base import Collection
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer
from faust.transport.drivers.aiokafka import ConsumerRebalanceListener

from streams.engine.consumer import BatchConsumer


def come_in_order(function: object, *texts: str) -> bool:
    """Whether a function's source has these texts, one after the other."""
    source, at = inspect.getsource(function), -1  # type: ignore[arg-type]
    for text in texts:
        at = source.find(text, at + 1)
        if at < 0:
            return False
    return True


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (Collection, ["on_changelog_event", "persisted_offset", "on_rebalance", "on_recovery_completed"]),
        (Store, ["persisted_offset", "on_rebalance", "on_recovery_completed", "apply_changelog_batch"]),
        (Consumer, ["seek_wait", "highwaters", "earliest_offsets", "_is_changelog_tp"]),
        (SubscriptionState, ["subscription"]),
        (Assignment, ["state_value"]),
        (TopicPartitionState, ["position"]),
    ],
)
def test_what_tables_override_or_call_is_there(owner: type, names: list[str]) -> None:
    """A renamed method would be an override of nothing."""
    assert [name for name in names if not hasattr(owner, name)] == []


def test_every_changelog_message_passes_by_the_table_before_recovery_may_end() -> None:
    """There it is applied, or seen not to follow on what is held; and the offsets it sets can be set back."""
    assert come_in_order(
        Recovery._slurp_changelogs.fun,
        "offsets = active_offsets",
        "offsets = standby_offsets",
        "offsets[tp] = offset",
        "await table.on_changelog_event(event)",
        "await _maybe_signal_recovery_end()",
    )
    assert come_in_order(Recovery.need_recovery, "self.active_remaining()")
    assert come_in_order(Recovery.active_remaining, "offsets = self.active_offsets", "highwater - offsets[tp]")


def test_recovery_begins_at_what_the_table_says_is_persisted() -> None:
    """After the stores were told of the rebalance; and at an offset itself, not after it."""
    assert come_in_order(TableManager.on_rebalance, "table.on_rebalance", "self.recovery.on_rebalance")
    assert come_in_order(Recovery._add, "table.persisted_offset(tp)", "offsets[tp] = persisted_offset")
    assert come_in_order(Recovery._seek_offsets, "if offset == -1:", "offset = 0", "new_offsets[tp] = offset")


def test_a_recovery_buffer_of_one_is_the_only_one_that_keeps_reading_the_changelog() -> None:
    """Tables ask for 2."""
    assert come_in_order(
        Recovery._restart_recovery.fun, "recovery_buffer_size == 1", "consumer.resume_partitions)(tps_resuming)"
    )


def test_the_sources_are_sought_and_the_queues_emptied_before_a_rebalance_counts_as_over() -> None:
    """Until then they are not drained (`BatchConsumerThread._wanted`)."""
    assert come_in_order(ConsumerRebalanceListener.on_partitions_revoked, "on_rebalance_start()", "on_partitions_revoked(")
    assert come_in_order(App.on_rebalance_start, "self.rebalancing = True")
    ends = ("consumer.perform_seek()", "app.flow_control.resume()", "app.on_rebalance_end()")
    assert come_in_order(Recovery.on_recovery_completed, *ends)
    assert come_in_order(Recovery._resume_streams, *ends)
    assert come_in_order(App.on_rebalance_end, "self.rebalancing = False")


def test_nothing_new_is_taken_when_what_was_begun_is_finished_before_partitions_go_and_before_a_stop() -> None:
    """`BatchApp` finishes and commits there, while the offsets that are acked are still known."""
    halted = ("consumer.stop_flow)()", "self.flow_control.suspend)()", "self.flow_control.clear)()", "_consumer_wait_empty)(")
    assert come_in_order(App._on_partitions_revoked, *halted)
    assert come_in_order(App._on_partitions_revoked, "if self.should_stop:", "return self._on_rebalance_when_stopped()")
    assert come_in_order(App.on_stop, "self._stop_consumer()")
    halted = ("consumer.stop_flow()", "self.flow_control.suspend()", "self.flow_control.clear()", "_consumer_wait_empty(")
    assert come_in_order(App._stop_consumer, *halted)
    assert come_in_order(BatchConsumer.on_partitions_revoked, "super().on_partitions_revoked(revoked)", "self._acks.pop")


def test_faust_sleeps_a_second_where_no_partition_may_be_read() -> None:
    """`BatchConsumer._wait_next_records` comes before that, and asks as it does."""
    asked = ("self.can_resume_flow", "client_only", "self._get_active_partitions()", "if is_client_only or active_partitions:")
    assert come_in_order(Consumer._wait_next_records, *asked, "self._getmany(", "self.sleep(1)")


def test_what_was_read_is_remembered_in_one_dictionary() -> None:
    """`NoReadOffsets` takes its place before the loop looks at it."""
    assert come_in_order(Consumer._drain_messages, "self._read_offset.__getitem__", "self._read_offset.__setitem__")
    assert come_in_order(Consumer._drain_messages, "if r_offset is None or offset >= r_offset")


def test_a_drain_moves_the_position_past_offsets_without_a_record() -> None:
    """So what a drain accounts for can be told by the positions before and after."""
    assert come_in_order(FetchResult.check_assignment, "position != self._partition_records.next_fetch_offset")
    assert come_in_order(FetchResult.getall, "else:", "self._update_position()")
    assert come_in_order(
        PartitionRecords._unpack_records, "if next_batch.is_control_batch:", "next_fetch_offset = next_batch.next_offset"
    )
    assert come_in_order(Fetcher.fetched_records, "if partitions and tp not in partitions")
