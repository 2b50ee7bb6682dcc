"""The banner of `kq broker start` (CLI-OUTPUT.md): who it is, where it listens, what it holds, what an ack promises."""

from __future__ import annotations

from typing import Any

from kq.cli.broker.order import Order, addresses_of, split_address
from kq.cli.broker.running import home_short
from kq.cli.output.units import counted, size_text

LOOPBACK = ("127.", "localhost:", "[::1]:")


def banner(order: Order, ready: dict[str, Any], *, took_s: float, color: bool) -> str:
    data = home_short(order.data_dir)
    width = max(map(len, (*ready["listens"], data))) + 2
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
        *_listening(order, ready, width),
        f"  data        {data:<{width}}{', '.join(held)}",
        *_safety(order),
    ]
    if ready.get("admin"):
        lines.append(f"  metrics     {ready['admin'].rstrip('/')}/metrics")
    lines.append("Try: kq demo      Stop: Ctrl-C")
    return "".join(line + "\n" for line in lines)


def misled(order: Order, ready: dict[str, Any]) -> str | None:
    """What to say where other machines can connect, and are then sent to themselves. Whoever chose that has reasons."""
    chosen = order.advertise is not None or "advertised.listeners" in order.given
    if chosen or all(map(_is_loopback, ready["listens"])) or not _is_loopback(ready["bootstrap"]):
        return None
    return f"clients on other machines are told {ready['bootstrap']}, which is themselves; give --advertise HOST:PORT"


def _listening(order: Order, ready: dict[str, Any], width: int) -> list[str]:
    """Every address that is bound, and who can connect. Clients may be told another one: it is that of the first."""
    lines = []
    for number, bound in enumerate(ready["listens"]):
        reach = "this machine only" if _is_loopback(bound) else "other machines too"
        if number == 0:
            reach += f", as {ready['bootstrap']}" if bound != ready["bootstrap"] else ""
            reach += _not_taken(order)
        lines.append(f"  {'listens on' if number == 0 else '':<10}  {bound:<{width}}{reach}")
    warning = misled(order, ready)
    return [*lines, f"! {warning}"] if warning else lines


def _is_loopback(address: str) -> bool:
    return address.startswith(LOOPBACK)


def _not_taken(order: Order) -> str:
    """Of a name with several addresses the broker takes one, which is worth saying."""
    if order.listen is None or "listeners" in order.given:
        return ""
    host, port = split_address(order.listen, "--listen")
    try:
        others = [spelled for _, (spelled, _) in addresses_of(host, port)][1:]
    except (OSError, ValueError):
        return ""
    return f"; not on {', '.join(others)}" if others else ""


def _safety(order: Order) -> list[str]:
    synced = order.given.get("kq.log.fsync.before.ack", "").lower() == "true"
    if synced or order.given.get("log.flush.interval.messages") == "1":
        return ["  safety      an acked record survives kill -9 and a power cut"]
    return [
        "  safety      an acked record survives kill -9, not a power cut",
        "              (-s log.flush.interval.messages=1 makes it survive both)",
    ]
