"""Each internal of Faust and aiokafka that the engine leans on: a version that loses one fails here, loudly."""

import inspect
from importlib.metadata import version

import aiokafka
import faust
import pytest
from aiokafka.consumer.fetcher import Fetcher, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.protocol.fetch import FetchRequest_v11, FetchResponse_v11
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from faust.stores.memory import Store
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.tables.table import Table
from faust.transport.consumer import Consumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Transport
from mode import Service
from mode.threads import QueueServiceThread, ServiceThread


def test_the_versions_are_those_the_engine_was_read_against() -> None:
    """Another version may work, but somebody has to read it first."""
    assert (version("faust-streaming"), version("aiokafka")) == ("0.15.3", "0.14.0")


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (Consumer, ["_wait_next_records", "_new_offset", "_filter_tps_with_pending_acks", "_add_gap", "_is_changelog_tp",
                    "perform_seek", "ack", "getmany", "commit", "maybe_wait_for_commit_to_finish"]),
        (AIOKafkaConsumerThread, ["_create_worker_consumer", "_fetch_records", "_ensure_consumer", "call_thread",
                                  "seek_to_committed"]),
        (ServiceThread, ["_stopped_set", "set_shutdown", "_stop_children", "_stop_futures", "_stop_exit_stacks"]),
        (QueueServiceThread, ["call_thread", "on_thread_stop"]),
        (Fetcher, ["fetched_records", "_create_fetch_waiter"]),
        (SubscriptionState, ["reassignment_in_progress", "fetch_context"]),
        (Table, ["_new_store"]),
        (Recovery, ["on_recovery_completed"]),
        (TableManager, ["recovery"]),
        (Store, ["apply_changelog_batch", "on_recovery_completed"]),
        (faust.App, ["_new_transport", "_create_directories", "_on_agent_error", "_consumer_wait_empty",
                     "_on_partitions_revoked", "_stop_consumer", "should_stop"]),
    ],
)  # fmt: skip
def test_what_the_engine_overrides_or_calls_is_there(owner: type, names: list[str]) -> None:
    """A renamed method would be an override of nothing."""
    assert [name for name in names if not hasattr(owner, name)] == []


def test_a_drain_without_a_timeout_never_suspends_between_partitions() -> None:
    """The engine reads the epoch and drains in one go: `if drained or not timeout: return` must precede any wait."""
    source = inspect.getsource(Fetcher.fetched_records)
    assert source.index("if drained or not timeout") < source.index("_create_fetch_waiter")


def test_faust_gives_its_thread_nothing_to_do_but_what_it_calls() -> None:
    """The engine starts and stops it as an ordinary service, so what is overridden here is all that made it a thread."""
    overridden = {name for name in vars(ServiceThread) if name in vars(Service) and callable(getattr(Service, name))}
    undone = {"start", "maybe_start", "stop", "crash", "_stopped_set", "set_shutdown"}
    undone |= {"_stop_children", "_stop_futures", "_stop_exit_stacks"}
    assert overridden - undone == {"__init__", "_new_shutdown_event"}


def test_a_buffered_partition_holds_up_its_broker_for_the_back_off_set() -> None:
    """aiokafka fetches nothing from a broker while records of one of its partitions lie unread, for so long at most."""
    assert inspect.signature(Fetcher).parameters["prefetch_backoff"].default == 0.1
    assert "backoff=self._prefetch_backoff" in inspect.getsource(Fetcher)


def test_fetches_go_through_the_fetchers_client_and_partitions_left_out_of_an_answer_are_left_as_they_are() -> None:
    """Sessions stand between the fetcher and its client, and answer only for what has news."""
    source = inspect.getsource(Fetcher._proc_fetch_request)
    assert "await self._client.send(node_id, request)" in source
    assert "for topic, partitions in response.topics:" in source
    assert {"session_id", "session_epoch", "forgotten_topics_data"} <= set(FetchRequest_v11.SCHEMA.names)
    assert {"error_code", "session_id"} <= set(FetchResponse_v11.SCHEMA.names)


def test_an_error_of_the_whole_group_is_not_looked_at_where_committed_offsets_are_read() -> None:
    """When aiokafka looks there itself, streams/committed.py can go; until then it raises what aiokafka would then retry."""
    assert "response.error_code" not in inspect.getsource(GroupCoordinator._do_fetch_commit_offsets)
    assert "await self._send_req(request)" in inspect.getsource(GroupCoordinator._do_fetch_commit_offsets)
    assert "if not err.retriable" in inspect.getsource(GroupCoordinator.fetch_committed_offsets)


def test_a_commit_is_sent_again_without_a_look_at_what_is_assigned_by_then() -> None:
    """When aiokafka looks there itself, streams/committed.py need not; until then it stands in the place of each sending."""
    source = inspect.getsource(GroupCoordinator.commit_offsets)
    assert "self._do_commit_offsets(assignment, offsets)" in source
    assert "active" not in source + inspect.getsource(GroupCoordinator._do_commit_offsets)


async def test_fetch_wait_and_isolation_can_be_set_before_the_start() -> None:
    """The consumer takes its longest fetch wait and its isolation level from attributes when it starts."""
    consumer = aiokafka.AIOKafkaConsumer()
    assert consumer._fetch_max_wait_ms == 500
    assert consumer._isolation_level == "read_uncommitted"
    await consumer.stop()


def test_parsed_records_have_what_stages_read() -> None:
    """The C parser's records are used as they are, a record batch at a time where aiokafka's reader takes one by one."""
    source = inspect.getsource(PartitionRecords._unpack_records)
    assert "records = self._records\n" in source
    assert "for record in next_batch:" in source
    assert "if record.offset < self.next_fetch_offset:" in source
    assert "self._consumer_record(tp, record)" in source
    builder = DefaultRecordBatchBuilder(2, 0, 0, 0, 0, 0, 1000)
    builder.append(0, timestamp=7, key=b"k", value=b"v", headers=[("h", b"1")])
    records = MemoryRecords(bytes(builder.build()))
    (record,) = records.next_batch()
    assert (record.offset, record.timestamp, record.key, record.value, list(record.headers)) == (
        0,
        7,
        b"k",
        b"v",
        [("h", b"1")],
    )


def test_a_record_batch_tells_its_offsets_and_its_time_before_it_is_parsed() -> None:
    """The engine delivers it as it is, and its stage iterates over it, once."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, 0, 0, 0, 1000)
    for offset, timestamp in enumerate((7, 9, 8)):
        builder.append(offset, timestamp=timestamp, key=b"k", value=b"v", headers=[])
    fetched = MemoryRecords(bytes(builder.build()))
    assert fetched.size_in_bytes() > 0
    record_batch = fetched.next_batch()
    assert (record_batch.base_offset, record_batch.next_offset, record_batch.max_timestamp) == (0, 3, 9)
    assert [record.offset for record in record_batch] == [0, 1, 2]


def test_an_agent_that_fails_is_reported_to_the_app() -> None:
    """Faust gives every agent this handler, calls it before it starts the agent again, and takes none of ours."""
    assert "on_error=self._on_agent_error" in inspect.getsource(faust.App.agent)
    assert "await self._on_error(self, exc)" in inspect.getsource(faust.Agent._execute_actor)


def test_the_transport_names_its_consumer_class() -> None:
    """Faust makes the consumer from `Transport.Consumer`."""
    assert issubclass(Transport.Consumer, Consumer)


def test_the_gap_bookkeeping_is_bypassed_in_both_places() -> None:
    """Faust adds gaps from one place only, and looks at acks through `_new_offset`."""
    assert inspect.getsource(Consumer).count("self._add_gap(") == 1
    assert "self._new_offset(tp)" in inspect.getsource(Consumer._filter_committable_offsets)


def test_faust_tells_that_partitions_are_ready_before_it_looks_whether_they_still_are() -> None:
    """When Faust looks first, streams/engine/recovery.py can go."""
    source = inspect.getsource(Recovery.on_recovery_completed)
    assert source.index("on_rebalance_complete.send()") < source.index("consumer_generation_id != generation_id")
