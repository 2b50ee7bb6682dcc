"""Who is speaking: what handlers know of the client behind a request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Operation(IntEnum):
    """AclOperation's codes; an authorized-operations field has bit `1 << code` for each operation granted."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    CLUSTER_ACTION = 9
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11
    IDEMPOTENT_WRITE = 12


class Resource(IntEnum):
    """ResourceType's codes."""

    TOPIC = 2
    GROUP = 3
    CLUSTER = 4


OPERATIONS_OF: dict[Resource, tuple[Operation, ...]] = {
    Resource.TOPIC: (
        Operation.READ,
        Operation.WRITE,
        Operation.CREATE,
        Operation.DELETE,
        Operation.ALTER,
        Operation.DESCRIBE,
        Operation.DESCRIBE_CONFIGS,
        Operation.ALTER_CONFIGS,
    ),
    Resource.CLUSTER: (
        Operation.CREATE,
        Operation.ALTER,
        Operation.DESCRIBE,
        Operation.CLUSTER_ACTION,
        Operation.DESCRIBE_CONFIGS,
        Operation.ALTER_CONFIGS,
        Operation.IDEMPOTENT_WRITE,
    ),
    Resource.GROUP: (
        Operation.READ,
        Operation.DELETE,
        Operation.DESCRIBE,
        Operation.DESCRIBE_CONFIGS,
        Operation.ALTER_CONFIGS,
    ),
}
NOT_ASKED = -(2**31)
CLUSTER = "kafka-cluster"  # the name of the one resource of that type


@dataclass(slots=True)
class Session:
    """One connection's identity. `address` is the peer's host and port; `principal` as Kafka writes it, `Type:name`."""

    address: str
    listener: str = "PLAINTEXT"
    principal: str = "User:ANONYMOUS"
    client_id: str = ""
    software: str = ""

    def authorize(self, operation: Operation, resource: Resource, name: str) -> bool:
        """Whether the principal may do this. Without an authorizer configured Kafka allows all, and so does kq."""
        return True

    def authorized_operations(self, resource: Resource, name: str, *, asked: bool) -> int:
        """The bit field of Metadata, DescribeCluster and DescribeTopicPartitions; INT32_MIN when nobody asked."""
        if not asked:
            return NOT_ASKED
        return sum(1 << op for op in OPERATIONS_OF[resource] if self.authorize(op, resource, name))
