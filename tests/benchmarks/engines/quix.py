"""The same job on Quix Streams, as its guide shows it. Runs in an environment of its own, without touchline."""

import os
from typing import Any

from quixstreams import Application  # type: ignore[import-not-found]  # lives in an environment of its own

THRESHOLD = 100


def judge(event: Any, state: Any) -> Any:
    """The crossing, None when there is none."""
    payload = event["payload"]
    across = payload["price"] >= THRESHOLD
    before = state.get("across")
    if before is across:
        return None
    state.set("across", across)
    if not across or before is None:
        return None
    told = {"symbol": payload["symbol"], "threshold": THRESHOLD, "price": payload["price"]}
    return {"source": "stocks", "type": "price_cross_above", "payload": told}


def main() -> None:
    """Run until killed."""
    app = Application(
        broker_address=os.environ["BENCH_KAFKA"],
        consumer_group=os.environ["BENCH_GROUP"],
        auto_offset_reset="earliest",
        state_dir=os.environ["BENCH_STATE_DIRECTORY"],
        loglevel="WARNING",
    )
    events = app.topic(os.environ["BENCH_EVENTS"], value_deserializer="json")
    crossings = app.topic(os.environ["BENCH_CROSSINGS"], value_serializer="json")
    frame = app.dataframe(events).apply(judge, stateful=True)
    frame.filter(lambda crossing: crossing is not None).to_topic(crossings)
    app.run()


if __name__ == "__main__":
    main()
