"""A member of librdkafka in a process of its own: `python member.py BOOTSTRAP GROUP TOPIC KIND`.

Prints `+ TIME partition ...` when it gets partitions, `- TIME partition ...` when it gives them up or has lost them, in
nanoseconds of a clock that all processes share, and each value before it is marked to be committed. SIGTERM closes it.
"""

from __future__ import annotations

import signal
import sys
import threading
import time

from confluent_kafka import Consumer, TopicPartition

KINDS: dict[str, dict[str, str | int]] = {
    "eager": {"partition.assignment.strategy": "range", "heartbeat.interval.ms": 200, "session.timeout.ms": 4000},
    "cooperative": {
        "partition.assignment.strategy": "cooperative-sticky",
        "heartbeat.interval.ms": 200,
        "session.timeout.ms": 4000,
    },
    "consumer": {"group.protocol": "consumer"},
}


def main(bootstrap: str, group: str, topic: str, kind: str) -> None:
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
            "auto.commit.interval.ms": 200,
            "reconnect.backoff.max.ms": 500,
            **KINDS[kind],
        }
    )
    consumer.subscribe([topic], on_assign=noting("+"), on_revoke=noting("-"), on_lost=noting("-"))
    while not stopping.is_set():
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            say(message.value().decode())
            consumer.store_offsets(message)
    consumer.close()


def noting(sign: str) -> object:
    def note(_: Consumer, partitions: list[TopicPartition]) -> None:
        say(sign, str(time.monotonic_ns()), *(str(one.partition) for one in partitions))

    return note


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
