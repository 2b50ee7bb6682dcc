"""A member in a process of its own: `python member_process.py BOOTSTRAP GROUP TOPIC STRATEGY`.

Prints a line for each assignment (`= generation member partition partition ...`) and for each value it has handled; it
commits what it has printed. Ends by a signal: SIGTERM closes it, SIGKILL does not.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from kq.client import Cluster, ConnectionLost, GroupConsumer, Unreachable, connect
from kq.client.admin.types import TopicPartition


async def main(bootstrap: str, group: str, topic: str, strategy: str) -> None:
    given: dict[str, object] = {
        "bootstrap.servers": bootstrap,
        "auto.offset.reset": "earliest",
        "heartbeat.interval.ms": 100,
        "session.timeout.ms": 6000,
        "auto.commit.interval.ms": 100,
        "partition.assignment.strategy": strategy,
    }
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)

    def assigned(partitions: list[TopicPartition]) -> None:
        say(f"= {consumer.generation} {consumer.member_id}", *(str(number) for _, number in consumer.assignment))

    cluster = await connected(given)
    consumer = GroupConsumer(cluster, group, [topic], on_assigned=assigned)
    while not stopping.is_set():
        for fetched in await consumer.fetch(timeout_ms=100):
            say(*(value.decode() for value in fetched.values() if value is not None), sep="\n")
    await consumer.close()
    await cluster.close()


async def connected(given: dict[str, object]) -> Cluster:
    while True:
        try:
            return await connect(given)
        except (ConnectionLost, Unreachable):  # somebody kills brokers here
            await asyncio.sleep(0.1)


def say(*words: str, sep: str = " ") -> None:
    sys.stdout.write(sep.join(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
