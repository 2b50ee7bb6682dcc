"""What handlers of groups do with answers that are there already or come later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from kq.broker.router import Answer
from kq.errors import KafkaError

Convert = Callable[[Any], Any]
Refuse = Callable[[KafkaError], Any]


def answered(ask: Callable[[], Any], convert: Convert, refuse: Refuse) -> Answer:
    """`convert` of what `ask` returns, now or when its awaitable is done; `refuse` of the KafkaError that it raises."""
    try:
        result = ask()
        if isinstance(result, asyncio.Future) and result.done():
            result = result.result()
    except KafkaError as error:
        return refuse(error)
    return _later(result, convert, refuse) if isinstance(result, asyncio.Future) else convert(result)


async def _later(result: asyncio.Future[Any], convert: Convert, refuse: Refuse) -> Any:
    try:
        return convert(await result)
    except KafkaError as error:
        return refuse(error)


def java_host(address: str) -> str:
    """The host of a peer's `host:port` as Java prints an address: `/127.0.0.1`, `/0:0:0:0:0:0:0:1`."""
    host = address.rpartition(":")[0].strip("[]")
    if ":" not in host:
        return f"/{host}"
    import ipaddress  # 10 ms, for those who need it

    groups = ipaddress.IPv6Address(host.partition("%")[0]).exploded.split(":")
    return "/" + ":".join(f"{int(group, 16):x}" for group in groups)
