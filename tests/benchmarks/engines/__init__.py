"""The engines, each a process of its own that does the same job: find the upward crossings of 100.

Each reads BENCH_EVENTS from its beginning in group BENCH_GROUP, writes crossings to BENCH_CROSSINGS under the key of the
price that crossed, keeps each symbol's side in a compacted changelog topic, and commits what is done.
"""
