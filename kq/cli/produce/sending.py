"""How `kq produce` works: the order is checked, the topic looked up, the input pumped, the failures named."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Container
from typing import TYPE_CHECKING

from kq.cli.changes.permission import refuse_change
from kq.cli.output.units import counted
from kq.cli.partitions.health import settings_of
from kq.cli.partitions.names import no_topic
from kq.cli.partitions.selection import no_partition
from kq.cli.produce.intake import STDIN
from kq.cli.produce.order import BY_KEY, Checked, Order
from kq.cli.produce.pump import Pump
from kq.cli.run.failures import Failure, Hint, NotFound, Unfinished
from kq.cli.topic.making import make_topic

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import ClientSettings, Cluster

DEFAULT_MAX_MESSAGE_BYTES = 1_048_588  # Kafka's max.message.bytes, where the topic's cannot be asked
BATCH_BYTES = 512 * 1024
BATCH_MARGIN_BYTES = 1024  # what stands around the records of a batch or a request


def produce(call: Call, order: Order) -> None:
    checked = Checked(call, order)
    refuse_change(call)
    if STDIN in checked.sources and sys.stdin.isatty():
        call.warn("reading records from the terminal, one a line; Ctrl-D ends")

    async def work(cluster: Cluster) -> Pump:
        limit = await _prepare(cluster, call, checked)
        settings = _roomy(cluster.settings, limit, chosen=call.settings.values)
        pump = Pump(cluster, call, settings, limit, label=checked.topic or "records")
        await pump.run(
            checked.sources,
            lambda refuse: checked.shape(refuse, limit),
            count=order.count,
            rate=order.rate,
            report=checked.report,
        )
        return pump

    pump = call.run(work, overrides=checked.settings, many_records=True)
    if pump.misplaced:
        raise Unfinished(
            f"{counted(pump.failed, 'record')} not sent", Hint("let keys decide", call.again("-p", BY_KEY))
        )
    if pump.failed:
        raise Unfinished("")  # each has had its line


def _roomy(settings: ClientSettings, limit: int, *, chosen: Container[str]) -> ClientSettings:
    """Large batches, and requests as large as the topic's largest record, where the user chose neither."""
    batch, request = settings.batch_size, settings.max_request_size
    if "batch.size" not in chosen:
        batch = min(BATCH_BYTES, max(limit - BATCH_MARGIN_BYTES, 1))
    if "max.request.size" not in chosen:
        request = max(limit, batch + BATCH_MARGIN_BYTES)  # no more: what the topic would refuse is refused here
    return dataclasses.replace(settings, batch_size=batch, max_request_size=request)


async def _prepare(cluster: Cluster, call: Call, checked: Checked) -> int:
    """Makes sure that the topic is there; returns its max.message.bytes."""
    if checked.topic is None:
        return DEFAULT_MAX_MESSAGE_BYTES
    name = checked.topic
    metadata = await cluster.metadata([name], max_age_ms=0)
    error = metadata.topics[name].error
    if error:
        if error.name not in ("UNKNOWN_TOPIC_OR_PARTITION", "LEADER_NOT_AVAILABLE"):
            raise Failure(f"topic {name}: {error.text}", code=error.name)
        if not checked.order.create:
            missing = no_topic(name, (await cluster.metadata(None)).topics, call.settings.bootstrap)
            raise NotFound(missing.message, Hint("create it", call.again("--create")), code=missing.code)
        await make_topic(cluster, name, checked.order.partitions)
    else:
        partition = checked.common.partition
        if partition is not None and partition not in metadata.topics[name].partitions:
            raise no_partition(metadata.topics[name], partition)
    entry = (await settings_of(cluster, [name], ["max.message.bytes"])).get(name, {}).get("max.message.bytes")
    return int(entry.value) if entry is not None and entry.value else DEFAULT_MAX_MESSAGE_BYTES
