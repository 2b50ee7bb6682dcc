"""A real Kafka broker in anyone's tests: `with Broker() as broker: ...`, or the pytest fixtures of kq.testing.plugin.

pytest imports this package in every project where kq is installed, so nothing is loaded here before it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kq.testing.broker import Broker
    from kq.testing.contents import Record
    from kq.testing.process import StartFailed

__all__ = ["Broker", "Record", "StartFailed"]

HOMES = {"Broker": "kq.testing.broker", "Record": "kq.testing.contents", "StartFailed": "kq.testing.process"}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(HOMES[name]), name)
