"""Whole-batch delivery: the one room that touches Faust's internals (DESIGN 5).

What Faust keeps doing: group membership, rebalance, co-partitioned tables with changelogs, standbys, recovery.
What this room changes: every partition's fetched list of records arrives as ONE message, and the stage that took it
answers for it with one ack. Per record, nothing of Faust runs.

The life of a batch; the same numbers stand in `consumer_thread.py`, `consumer.py`, `stage.py`, `settling.py`, `writer.py` and
`batch_app.py`:

1. fetch     The consumer drains what the broker sent; a partition's list becomes one `Batch`. Only what changed since the
             last fetch is asked and answered (`fetch_session.py`).
2. deliver   The batch is noted as delivered, then enters the agents' queues.
3. judge     A pure rule turns the batch into outputs and state changes; the state in memory changes at once. The batch is
             parsed while it is judged, a small portion at a time (`batch.py`).
4. send      Outputs go out as record batches, in the order of their inputs, and every ack is awaited.
5. remember  State changes, one per key, go to the changelog as one record batch, its ack is awaited, and only then does
             a store on disk get them, with the changelog's offset.
6. ack       The batch is noted as done; the longest done prefix is what the next commit writes, which comes twice a second, and
             before partitions go.

Steps 5 and 6 are taken for all batches of a partition that are ready: while one write of states is under way, those that
finish step 4 wait for the next, and settle in it together. Fetches run in the loop of the stages, not in Faust's second thread.

The stage dispatch has steps of its own in place of 3 to 5, since what it leads to may take minutes: a state of it is an input
that is not over yet, and whoever gets the partition goes on with it before it reads the next (streams/delivery).

What each step guarantees: after 4 the outcome is on disk; after 5 a restart would not judge these records again, since a
key's state carries the input offset that last changed it and a record at or below that offset is skipped for the key;
after 6 a restart would not even read them. A process killed between any two steps leaves its successor with records
to read again whose outcome, the ids being derived, is the same.

| what fails | what holds |
| --- | --- |
| killed before 4 | the records are read again and judged from the remembered state |
| killed between 4 and 5 | the outputs are sent again with the same ids; whoever reads them knows the ids |
| killed between 5 and 6 | the records are read again and skipped, key by key |
| a seek while a fetch is under way | seeks count epochs: what an older one fetched is dropped, its acks are ignored |
| a batch lost on its way to a standby | it does not follow on what is held: the changelog is read again from there |
| a store on disk, killed or long away | it holds a prefix of the changelog and says which; recovery reads the rest |
| a broker that lost a fetch session, or a fetch that failed | the next fetch names every partition and where to read on |
| a broker that hangs up just before it is sent to | a connection that is gone, and tried again (`streams/event_loop.py`) |
| a coordinator that has not loaded the committed offsets yet | it is asked until it has (`streams/committed.py`) |
| a rebalance while states are being recovered | nobody hears that the earlier partitions are ready (`recovery.py`) |
| a commit that is sent again after a rebalance | refused: its offsets are older than the new owner's (`streams/committed.py`) |
| a rebalance, or a stop in good order | work begun is finished and committed before partitions go; others read the rest |
| a stop that meets a rebalance | the group waits for its last commit |
| a process that slept and lost its partitions | its late state lies behind a newer one; recovery keeps the larger offset |
| a stage that fails at a record | the process stops: Faust would start the stage again behind the batch |
| an output that cannot be sent | the process stops; it never goes on past a hole |

Read against faust-streaming 0.15.3 and aiokafka 0.14.0; `tests/unit/streams/engine/test_internals.py` fails when an
internal this room leans on is gone.
"""
