"""FindCoordinator, versions 0 to 6.

- v1 types of keys and error messages; v4 many keys in one request; v5 may answer TRANSACTION_ABORTABLE and v6 share
  groups, neither of which kq has.
- Groups (0): the one broker coordinates all of them. The first request makes `__consumer_offsets`, and is answered when
  it is there (in Kafka the client has to ask again: COORDINATOR_NOT_AVAILABLE).
- Transactions (1): TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which ends a client at once (15 makes it hang). The key must
  be served even so, because librdkafka switches lz4 on by its presence.
- Share groups (2) are INVALID_REQUEST, as for a client that is no broker in Kafka; so is any other type.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kq.broker.router import Answer, Call
from kq.broker.session import Operation, Resource
from kq.errors import Err, KafkaError
from kq.wire.apis.groups import FIND_COORDINATOR

if TYPE_CHECKING:
    from kq.broker.broker import Broker

log = logging.getLogger(__name__)

MANY_FROM = 4
GROUP, TRANSACTION = 0, 1


def find_coordinator(broker: Broker, call: Call) -> Answer:
    keys = [call.body.key] if call.version < MANY_FROM else call.body.coordinator_keys
    if not broker.groups.has_topic and any(_refused(call, key) is None for key in keys):
        return _make_topic_and_find(broker, call)
    return _find(broker, call)


async def _make_topic_and_find(broker: Broker, call: Call) -> Any:
    try:
        await broker.groups.make_topic()
    except KafkaError as error:
        log.error("the topic of the groups cannot be made: %s", error)
    return _find(broker, call)


def _find(broker: Broker, call: Call) -> Any:
    if call.version < MANY_FROM:
        return FIND_COORDINATOR.Response(**_place(broker, call, call.body.key))
    make = FIND_COORDINATOR.Response.Coordinator
    keys = call.body.coordinator_keys
    return FIND_COORDINATOR.Response(coordinators=[make(key=key, **_place(broker, call, key)) for key in keys])


def _place(broker: Broker, call: Call, key: str) -> dict[str, Any]:
    """What is answered about one key."""
    error = _refused(call, key)
    if error is None and not broker.groups.has_topic:
        error = Err.COORDINATOR_NOT_AVAILABLE
    if error is not None:
        return {"node_id": -1, "host": "", "port": -1, "error_code": error, "error_message": error.text}
    host, port = broker.image.brokers[broker.node_id].at(call.session.listener)
    return {
        "node_id": broker.node_id,
        "host": host,
        "port": port,
        "error_message": "" if call.version >= MANY_FROM else "NONE",
    }


def _refused(call: Call, key: str) -> Err | None:
    if call.body.key_type == TRANSACTION:
        return Err.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    if call.body.key_type != GROUP:
        return Err.INVALID_REQUEST
    if not call.session.authorize(Operation.DESCRIBE, Resource.GROUP, key):
        return Err.GROUP_AUTHORIZATION_FAILED
    return None


HANDLERS = {FIND_COORDINATOR: find_coordinator}
