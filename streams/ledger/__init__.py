"""The ledger: every record that a stage judges ends in exactly one named outcome, and the sums say so (invariant 5).

Counts in a process's memory are lost by one crash and doubled by the next, so they are state, in the table `ledger`, and
live by the same rule as all state (invariant 3): outputs, then state, then offset. An account says up to which offset it has
counted; a record at or below that is not counted again.

For each stage a partition has one account of its own and one for each workspace whose records lay in it:

- the partition's says how many records were judged, how many offsets held no record (transactions' markers, and what was
  aborted), and how many vanished: offsets that the stage never came to see. Every batch has to begin where the last one ended,
  restarts and moves to other workers included, so what is deleted (by retention, by DeleteRecords) before it was judged is
  missed at the next batch;
- a workspace's has its outcomes, which must add up to the records judged.

| file | what |
| --- | --- |
| `account.py` | the state |
| `page.py` | one batch's counts, made by the stage that judges it |
| `balance.py` | what must add up, over all partitions and stages, and what is said when it does not |

An installation's number of partitions stands fast (`touchline topics create` refuses another). If topics and changelogs were
grown by hand, the new partitions begin with accounts of their own at offset 0, and the sums go on to balance.
"""
