"""Small things that many client tests need."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from kq.client import Admin, Cluster, NewTopic
from kq.client.settings import ClientSettings, parse_settings

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T], timeout_s: float = 60) -> T:
    """Runs an asynchronous test; a hang is a failure with a name."""

    async def bounded() -> T:
        async with asyncio.timeout(timeout_s):
            return await work

    return asyncio.run(bounded())


def asynchronous(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Decorates an `async def` test."""
    import functools

    @functools.wraps(test)
    def wrapper(*arguments: Any, **named: Any) -> None:
        run(test(*arguments, **named))

    return wrapper


async def until(condition: Callable[[], Awaitable[object]], what: str, timeout_s: float = 30) -> None:
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, f"it did not come true that {what}"
        await asyncio.sleep(0.05)


async def make_topic(cluster: Cluster, name: str, partitions: int = 1, **configs: str) -> None:
    """A topic that shows: a KRaft broker's own metadata follows the controller's a moment later."""
    named = {key.replace("_", "."): value for key, value in configs.items()}
    made = await Admin(cluster).create_topics([NewTopic(name, partitions, 1, configs=named)])
    assert made[name].error is None

    async def shown() -> bool:
        topic = (await cluster.metadata([name], max_age_ms=0)).topics[name]
        return len(topic.partitions) == partitions and all(p.leader >= 0 for p in topic.partitions.values())

    await until(shown, "the topic shows")


def settings(bootstrap: str, **named: object) -> ClientSettings:
    """Settings by their names with underscores; pauses are short, so that tests of retries are."""
    given: dict[str, object] = {
        "bootstrap.servers": bootstrap,
        "retry.backoff.ms": 5,
        "retry.backoff.max.ms": 20,
        "reconnect.backoff.ms": 5,
        "reconnect.backoff.max.ms": 20,
        "linger.ms": 0,
    }
    given.update({name.replace("_", "."): value for name, value in named.items()})
    return parse_settings(given)
