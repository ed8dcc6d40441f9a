"""Delivery: how a dispatch gets to its hub, however long that takes (the pieces of the stage streams/dispatch.py).

A dispatch waits in the lane of its key (hub/instance), behind those before it; the first of a lane waits for its courier, the
one that calls its hub; and a courier has a number of calls under way at once, and a breaker. So one instance's dispatches keep
their order, and nothing waits for another instance's, or for another hub.

Hubs may take minutes, and an input that is not acked is read again. So a dispatch that failed, that cannot begin, or that is
not over after PARK_AFTER_SECONDS, is parked: its bytes, its attempts and when it is due become a state of the table `parked`,
and it lets go of its batch. The life of a batch here, where other stages have the engine's steps 3 to 6 (streams/engine):

3. take      Each record gets a place in its lane. One that was taken up from the table (below) is not taken again.
4. report    What has ended is told to `executions` (and `dead`), and every ack is awaited.
5. remember  A dispatch that is parked: its state goes to the changelog, and its ack is awaited. One that was parked and has
             ended, with 4 done: a tombstone. One that is dropped because its execution was cancelled: a tombstone.
6. ack       When every record of the batch has ended and been reported, or is parked, or is dropped.

Before partitions go, calls under way get CALLS_END_SECONDS to end, and the rest is parked: no batch is read again, and no call
that ended is repeated. After a rebalance, or a restart, whoever gets a partition takes up what is parked there, in the order of
the input and with the attempts counted so far, before it reads the partition's first new record, and also when none comes.

| what fails | what holds |
| --- | --- |
| a rebalance, or a stop in good order, while a call is under way | it ends first; one that takes too long is made again |
| killed while a call is under way | it is read again, or taken up again; the hub knows the Idempotency-Key |
| killed while a call is under way, and its cancel comes before the next | the hub is told: it may have what it is to end |
| killed between 4 and 5 | it is taken up, the hub gives the same answer to the same key, and it is reported once more |
| killed between parking (5) and 6 | the record is read again, and is known by its offset: it is not called twice at once |
| killed between 5 and 6 of a dropped one | the cancel is read again, and finds nothing to drop: the hub is told |
| a worker that slept and lost its partitions | what it parks late is known by its number, and forgotten (parked.py) |
| a hub that is away | its breaker opens; its dispatches wait without being tried, and after `hub_patience_seconds` are dead |
| more waiting than a worker may hold | no partition is read further until there is room |
| the broker, for longer than a write may wait | the process stops; it never goes on past a hole |
"""
