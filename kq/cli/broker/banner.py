"""The banner of `kq broker start` (CLI-OUTPUT.md): who it is, where it listens, what it holds, what an ack promises."""

from __future__ import annotations

from typing import Any

from kq.cli.broker.order import Order, addresses_of, split_address
from kq.cli.broker.running import home_short
from kq.cli.output.units import counted, size_text

LOOPBACK = ("127.", "localhost:", "[::1]:")


def banner(order: Order, ready: dict[str, Any], *, took_s: float, color: bool) -> str:
    address, data = ready["bootstrap"], home_short(order.data_dir)
    width = max(len(address), len(data)) + 2
    held = [
        counted(ready["topics"], "topic"),
        counted(ready["partitions"], "partition"),
        size_text(ready["size_bytes"]),
        "clean start" if ready["clean"] else "recovered: it was not stopped cleanly",
    ]
    identity = f"broker {ready['node_id']}, cluster {ready['cluster_id']}"
    bold, plain = ("\x1b[1m", "\x1b[0m") if color else ("", "")
    lines = [
        f"{bold}kq {ready['version']}{plain}: {identity}, ready in {took_s:.2f}s",
        f"  listens on  {address:<{width}}{_reach(order, address)}",
        f"  data        {data:<{width}}{', '.join(held)}",
        *_safety(order),
    ]
    if ready.get("admin"):
        lines.append(f"  metrics     {ready['admin'].rstrip('/')}/metrics")
    lines.append("Try: kq demo      Stop: Ctrl-C")
    return "".join(line + "\n" for line in lines)


def _reach(order: Order, address: str) -> str:
    """Who can connect. Of a name with several addresses the broker takes one, which is worth saying."""
    reach = "this machine only" if address.startswith(LOOPBACK) else "other machines too"
    if order.listen is None or "listeners" in order.given:
        return reach
    host, port = split_address(order.listen, "--listen")
    try:
        taken, *others = [spelled for _, (spelled, _) in addresses_of(host, port)]
    except (OSError, ValueError):
        return reach
    return f"{reach}: on {taken}, not on {', '.join(others)}" if others else reach


def _safety(order: Order) -> list[str]:
    synced = order.given.get("kq.log.fsync.before.ack", "").lower() == "true"
    if synced or order.given.get("log.flush.interval.messages") == "1":
        return ["  safety      an acked record survives kill -9 and a power cut"]
    return [
        "  safety      an acked record survives kill -9, not a power cut",
        "              (-s log.flush.interval.messages=1 makes it survive both)",
    ]
