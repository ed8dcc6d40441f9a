"""The gate's rules: who may fire at all, and whether a firing fires now, waits, or does not (the stage: streams/gate.py).

The gate's only input is the topic `firings`, keyed by trigger: firings, and what it is told of executions (`Told`). So there is
one order of all that concerns a trigger, and the same input always leads to the same decisions: a time that is waited for
comes as a record too, written when a clock has passed it, and a record's timestamp is the only "now" that a rule knows.

States, one a trigger, or one for each value of its `per`:

    nothing ──firing──► FIRED: a slot is taken until the execution ends, is cancelled or times out
       │                  ▲
       ├──no slot free──► QUEUED ──a slot is free──┘         or SKIPPED, or REFUSED when the queue is full
       ├──debounce──────► coalesced ──quiet for so long──► as one firing, through the same door
       └──count_threshold► counted, until the n-th within the window goes on

What a record leads to goes out as every stage's: outputs, then state, then offset. A key's whole state is one changelog
record, which carries the input offset: a record that is read again at or below it changes nothing. What waits lies in a
table of its own, one record each, because a queue may be long. Tables are written one after the other: the ledger (what is
decided again is not counted again), what waits, the ids that were decided, and the states at last, a one-shot's first. What no
longer waits is removed only by a later batch. So a worker that dies in between finds what it needs:

| died | what its successor finds | what it does |
| --- | --- | --- |
| before the outputs were acked | the state of before | decides again, the same |
| after the outputs, before the state | the state of before | decides again; the ids are the same |
| after the waiting ones, before the state | one more waiting than the state counts | writes it again under the same number |
| after the state, before removing what waits no more | waiting ones no state counts | removes them |
| after the state, before the offset | all of it | reads the record again, and changes nothing |
| between a time and its record | the time in the state | waits for it anew |

A row that is changed between a decision and its repetition may be decided by the new row; the execution's first word holds.
"""
