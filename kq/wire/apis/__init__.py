"""Every API that kq knows, by key; one module a family, each holding its field tables (`kq.wire.schema` explains them).

Names are Kafka's own in snake case, with one liberty so that handlers read alike: a list of topics is `topics`, of
partitions `partitions`; a topic is `name` and `topic_id`, a partition `index`. Structures have short names.
"""

from __future__ import annotations

from kq.wire.api import Api
from kq.wire.apis import (
    commits,
    configs,
    consumers,
    fetch,
    groups,
    metadata,
    offsets,
    produce,
    producers,
    replicas,
    sasl,
    topics,
    transactions,
    versions,
)

_FAMILIES = (
    produce,
    fetch,
    offsets,
    metadata,
    topics,
    configs,
    versions,
    sasl,
    producers,
    replicas,
    groups,
    commits,
    consumers,
    transactions,
)

API: dict[int, Api] = {api.key: api for family in _FAMILIES for api in vars(family).values() if isinstance(api, Api)}
