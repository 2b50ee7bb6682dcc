"""What the groups of one partition of `__consumer_offsets` share."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from kq.machines.group.alarms import Alarms
from kq.machines.group.events import Event
from kq.machines.group.group import Group
from kq.machines.group.settings import GroupSettings
from kq.machines.image import ClusterImage


@dataclass(slots=True)
class Shard:
    """`overrides` are the settings of GROUP resources by group id, under Kafka's names; `events` wait to be fetched;
    `image` has the topics that the consumer protocol assigns; `prepared` are groups of the other protocol, which
    `replay` takes up when their facts come."""

    settings: GroupSettings
    rng: random.Random
    alarms: Alarms = field(default_factory=Alarms)
    events: list[Event] = field(default_factory=list)
    overrides: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    prepared: dict[str, Group] = field(default_factory=dict)
    image: ClusterImage = field(default_factory=lambda: ClusterImage("", -1))

    def new_member_id(self, prefix: str) -> str:
        """As Kafka makes them: the client's or instance's name, a dash, and a random UUID."""
        return f"{prefix}-{uuid.UUID(int=self.rng.getrandbits(128), version=4)}"
