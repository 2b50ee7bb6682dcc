"""A broker inside the test's own process, on the test's own loop: to look into it, and to break what it stands on."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from kq.broker.broker import Broker, Options

SETTINGS = {"listeners": "PLAINTEXT://127.0.0.1:0", "kq.admin.listener": ""}


@contextlib.asynccontextmanager
async def running(data_dir: Path, **settings: str) -> AsyncIterator[Broker]:
    """Stopped cleanly at the end. Settings with `_` for `.`."""
    broker = made(data_dir, **settings)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


def made(data_dir: Path, **settings: str) -> Broker:
    return Broker(Options(str(data_dir), SETTINGS | {name.replace("_", "."): text for name, text in settings.items()}))


async def kill(broker: Broker) -> None:
    """What the death of its process does: nothing is written any more, the lock is free."""
    broker._stops_cleanly = False
    await broker._end()
