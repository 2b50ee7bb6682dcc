"""confluent-kafka under load, as its users write it: one produce() a record, consume() in batches.

python confluent_load.py produce|consume HOST:PORT TOPIC COUNT BYTES|PARTITIONS [key=value]...
"""

from __future__ import annotations

import json
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition


def produce(settings: dict[str, str], topic: str, count: int, size: int) -> int:
    value = bytes(97 + (i * 7 + i // 26) % 26 for i in range(size))
    producer = Producer({"linger.ms": "5", "queue.buffering.max.messages": "500000", **settings})
    refused = 0

    def on_delivery(error: object, _: object) -> None:
        nonlocal refused
        refused += error is not None

    for i in range(count):
        while True:
            try:
                producer.produce(topic, value, on_delivery=on_delivery)
                break
            except BufferError:
                producer.poll(0.01)
        if i % 2000 == 0:
            producer.poll(0)
    if producer.flush(120) or refused:
        sys.exit("not all was delivered")
    return size * count


def consume(settings: dict[str, str], topic: str, count: int, partitions: int) -> int:
    consumer = Consumer({"group.id": "bench", "enable.auto.commit": "false", "check.crcs": "true", **settings})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    got = size = 0
    while got < count:
        batch = consumer.consume(10_000, 30)
        if not batch:
            sys.exit("nothing came for 30 s")
        got += len(batch)
        size += sum(len(message) for message in batch)
    consumer.close()
    return size


if __name__ == "__main__":
    mode, bootstrap, topic, count, third = sys.argv[1:6]
    settings = {"bootstrap.servers": bootstrap, **dict(word.split("=", 1) for word in sys.argv[6:])}
    started = time.perf_counter()
    size = {"produce": produce, "consume": consume}[mode](settings, topic, int(count), int(third))
    took = time.perf_counter() - started
    print(
        json.dumps({"records": int(count), "seconds": took, "records_s": int(count) / took, "mb_s": size / took / 1e6})
    )
