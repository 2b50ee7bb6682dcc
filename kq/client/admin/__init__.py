"""Admin: every question about, and change of, a cluster, as typed calls.

`types` can be imported without the calls and their network: commands name them before they know that they need a
broker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kq.client.admin.calls import Admin

__all__ = ["Admin"]


def __getattr__(name: str) -> object:
    if name != "Admin":
        raise AttributeError(f"module 'kq.client.admin' has no attribute {name!r}")
    from kq.client.admin.calls import Admin

    return Admin
