"""`kq bench produce`, `consume`: how fast records go in and out, from here, through kq's own client."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from kq.cli.run.failures import Usage
from kq.cli.tree import flags
from kq.cli.tree.command import TableCommand
from kq.cli.tree.nouns import noun_app

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster

app = noun_app("bench", "How fast is it here.", "kq bench produce\nkq bench consume orders -n 100000")

DEFAULT_RECORDS = 1_000_000
MAX_SIZE = 1 << 30  # of a value, in bytes: more would not fit in a request


@app.command(
    "produce",
    cls=TableCommand,
    epilog="kq bench produce\nkq bench produce orders -n 100000 --size 1024 --acks all -z lz4",
)
def produce(
    ctx: typer.Context,
    topic: Annotated[
        str | None, flags.argument("[TOPIC]", "an existing topic; without one a topic is made and deleted")
    ] = None,
    topic_flag: flags.Topic = None,
    count: flags.Count = None,
    size: Annotated[
        int, flags.own("--size", metavar="BYTES", help="of each value (100)", parser=flags.whole(0, MAX_SIZE))
    ] = 100,
    partitions: flags.NewPartitions = None,
    sync: Annotated[bool, flags.own("--sync", help="one record at a time, each waits for its acknowledgement")] = False,
    acks: flags.Acks = None,
    compression: flags.Compression = None,
) -> None:
    """Send records as fast as they are taken; P50 to MAX are the times from handing over to acknowledgement."""
    from kq.cli.bench import measuring
    from kq.cli.changes.permission import refuse_change
    from kq.cli.produce.settings import producer_settings

    call: Call = ctx.obj
    name = _one(topic, topic_flag)
    wanted = DEFAULT_RECORDS if count is None else count
    if wanted == 0:
        raise Usage(f"{call.command} -n 0: there would be nothing to measure")
    own = producer_settings(compression, acks)
    refuse_change(call)

    async def work(cluster: Cluster) -> measuring.Result:
        if name is not None:
            await measuring.require(cluster, call, name)
            return await measuring.produce(cluster, name, wanted, size, sync=sync)
        made = f"kq-bench-{os.getpid()}-{time.time_ns() // 1_000_000}"
        async with measuring.temporary_topic(cluster, made, partitions or 1):
            return await measuring.produce(cluster, made, wanted, size, sync=sync)

    result = call.run(work, overrides=own, defaults={"batch.size": str(measuring.BATCH_BYTES)}, many_records=True)
    measuring.show(call, result)


@app.command("consume", cls=TableCommand, epilog="kq bench consume orders\nkq bench consume orders:0 -n 100000 --json")
def consume(
    ctx: typer.Context,
    topic: Annotated[str | None, flags.argument("TOPIC", "what to read, from its start")] = None,
    topic_flag: flags.Topic = None,
    partition: flags.Partition = None,
    count: flags.Count = None,
) -> None:
    """Read a topic from its start to its end, or -n records; P50 to MAX are the times of the fetches."""
    from kq.cli.bench import measuring

    call: Call = ctx.obj
    name = _one(topic, topic_flag)
    if name is None:
        raise Usage(f"{call.command}: TOPIC is missing")

    async def work(cluster: Cluster) -> measuring.Result:
        return await measuring.consume(cluster, call, name, partition, count)

    measuring.show(call, call.run(work, many_records=True))


def _one(topic: str | None, flag: list[str] | None) -> str | None:
    names = [*([topic] if topic is not None else []), *(flag or ())]
    if len(names) > 1:
        raise Usage("bench takes one topic")
    return names[0] if names else None
