"""All admin calls in one class. `types` says what they take and give, one module a family how they are made."""

from __future__ import annotations

from kq.client.admin.brokers import BrokerAdmin
from kq.client.admin.configs import ConfigAdmin
from kq.client.admin.group_offsets import GroupOffsetAdmin
from kq.client.admin.groups import GroupAdmin
from kq.client.admin.offsets import OffsetAdmin
from kq.client.admin.topics import TopicAdmin
from kq.client.cluster import Cluster

__all__ = ["Admin"]


class Admin(TopicAdmin, ConfigAdmin, OffsetAdmin, BrokerAdmin, GroupAdmin, GroupOffsetAdmin):
    """One family of calls a base class. Holds no state of its own: as many as one likes on one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
