"""`touchline torture`: a real installation, a feed whose truth is known, faults by a seed, and a check of the history.

What is promised, and so checked, event by event:

| finding | what it means |
| --- | --- |
| lost | an execution that had to come never took effect at the hub, or a fact that was accepted is not on the topic |
| spurious | an execution took effect at the hub that nothing in the feed asked for |
| doubled | one trigger and one event reached the hub under two idempotency keys |
| out of order | of one trigger, a source key's events took effect at a static instance in another order than they happened |
| unaccounted | a record on `events`, a dead letter or a row of `executions` that the sums do not explain |
| unexpected answers | the API said something a client cannot know how to bear |

The room, in the order a run goes through it: `plan` (what will be done, from the seed), `feed` and `price_walk` (what will
happen), `asks` (which triggers there are, and what must come of it), `api`, `doors` and `switches` (how it gets in),
`hub` and `deliveries` (where it arrives), `faults`, `topic_log` (what Kafka and Postgres hold in the end), `verdict`.
The same seed gives the same plan: the same faults at the same seconds, the same events, the same triggers.
"""
