"""FindCoordinator, versions 0 to 6.

The key must be there, because librdkafka switches lz4 on by its presence. Groups answer COORDINATOR_NOT_AVAILABLE
until this broker coordinates them; transactions TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which ends a client at once
(15 makes it hang). Share groups are INVALID_REQUEST, as for a client that is no broker in Kafka.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kq.broker.router import Answer, Call
from kq.broker.session import Operation, Resource
from kq.errors import Err
from kq.wire.apis.groups import FIND_COORDINATOR

if TYPE_CHECKING:
    from kq.broker.broker import Broker

MANY_FROM = 4
GROUP, TRANSACTION = 0, 1
_ANSWERS = {
    GROUP: Err.COORDINATOR_NOT_AVAILABLE,
    TRANSACTION: Err.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}


def find_coordinator(_broker: Broker, call: Call) -> Answer:
    body = call.body
    if call.version < MANY_FROM:
        return FIND_COORDINATOR.Response(**_nowhere(call, body.key))
    make = FIND_COORDINATOR.Response.Coordinator
    return FIND_COORDINATOR.Response(
        coordinators=[make(key=key, **_nowhere(call, key)) for key in body.coordinator_keys]
    )


def _nowhere(call: Call, key: str) -> dict[str, Any]:
    """What is answered about one key."""
    error = _ANSWERS.get(call.body.key_type, Err.INVALID_REQUEST)
    if call.body.key_type == GROUP and not call.session.authorize(Operation.DESCRIBE, Resource.GROUP, key):
        error = Err.GROUP_AUTHORIZATION_FAILED
    return {"node_id": -1, "host": "", "port": -1, "error_code": error, "error_message": error.text}


HANDLERS = {FIND_COORDINATOR: find_coordinator}
