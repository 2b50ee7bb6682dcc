"""Waiting for something to become true, with an end and a name. Never a bare sleep, never a measurement."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

STEP_S = 0.05


def until(condition: Callable[[], object], what: str, timeout_s: float = 30) -> None:
    for _ in range(int(timeout_s / STEP_S)):
        if condition():
            return
        time.sleep(STEP_S)
    raise AssertionError(f"within {timeout_s:g} s it did not come true that {what}")


async def until_async(condition: Callable[[], Awaitable[object]], what: str, timeout_s: float = 30) -> None:
    for _ in range(int(timeout_s / STEP_S)):
        if await condition():
            return
        await asyncio.sleep(STEP_S)
    raise AssertionError(f"within {timeout_s:g} s it did not come true that {what}")
