"""Settings of single groups: altered in turn, kept in the metadata store, seen by coordinators at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kq.broker.broker import Broker

Alteration = Callable[[Mapping[str, str]], dict[str, str]]
"""From the settings that a group has of its own to those that it shall have."""


async def alter_settings(broker: Broker, group_id: str, alteration: Alteration) -> None:
    """As with those of topics (`Topics.alter_settings`); the group need not exist yet."""
    await broker.turn.take(_alter, broker, group_id, alteration)


async def _alter(broker: Broker, group_id: str, alteration: Alteration) -> None:
    settings = alteration(broker.image.group_settings.get(group_id, {}))
    await broker.commit(
        lambda image: image.group_settings.get(group_id, {}) == settings,
        broker.catalog.set_group_settings,
        group_id,
        settings,
    )
    broker.image = broker.image.with_group_settings(group_id, settings)
