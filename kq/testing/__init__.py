"""A real Kafka broker in anyone's tests: `with Broker() as broker: ...`, or the pytest fixtures of kq.testing.plugin.

pytest imports this package in every project where kq is installed, so nothing is loaded here before it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kq.testing.broker import Broker, StartFailed

__all__ = ["Broker", "StartFailed"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kq.testing import broker

    return getattr(broker, name)
