"""`make bench`: what touchline does, measured beside other engines on the same data, and checked against the same truth.

Everything runs on this machine, on the embedded stack, whatever the environment names. The parts, each in its own file:

- `track.py`: crossings out of a stream of prices; a bare loop, touchline, plain Faust, Quix Streams and Kafka Streams, each
  in `engines/`; and detect and match together, with 1, 1,000 and 100,000 triggers, in one worker and two;
- `matching.py`: the index alone, up to 1,000,000 triggers, beside a naive loop; `loading.py` and `live.py`: its rows;
- `latency.py`: from an event's POST to its inject, through a whole installation; `hop.py`: a bare hop as a yardstick;
- `ingest.py`: requests a second at the door;
- `firings.py`: firings a second through gate and dispatch, and healthy hubs beside a dead one;
- `executions.py`: how far Postgres lags behind the topic `executions`, and how long a page of 100,000 takes;
- `restart.py`: how long a worker with restored state takes to work again;
- a soak: the memory of a worker that is fed at half of its rate for ten minutes.

How an engine is measured stands in `race.py`, what it is given in `feed.py`.
"""
