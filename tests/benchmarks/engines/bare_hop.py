"""The bare hop: one aiokafka consumer and one producer, each record out as it came, and nothing around them."""

import os

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

SERVERS, COME, GO = (os.environ[f"BENCH_{name}"] for name in ("KAFKA", "COME", "GO"))


async def main() -> None:
    """Run until killed. All that one fetch brought goes out before the next is looked at."""
    consumer = AIOKafkaConsumer(COME, bootstrap_servers=SERVERS, auto_offset_reset="earliest", enable_auto_commit=False)
    producer = AIOKafkaProducer(bootstrap_servers=SERVERS, acks="all", enable_idempotence=True)
    await producer.start()
    await consumer.start()
    while True:
        for tp, records in (await consumer.getmany(timeout_ms=100)).items():
            batch = producer.create_batch()
            for record in records:
                batch.append(timestamp=None, key=None, value=record.value)
            await producer.send_batch(batch, GO, partition=tp.partition)


if __name__ == "__main__":
    uvloop.run(main())
