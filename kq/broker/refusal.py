"""A response that says one error everywhere, made from the request alone (`AbstractRequest.getErrorResponse`).

For requests that no handler can answer any more, and for the faults that tests order. Whatever holds no error says
"unknown" as Kafka does: -1, null, or nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kq.broker.connection import Disconnect
from kq.errors import Err
from kq.wire.apis.produce import PRODUCE

if TYPE_CHECKING:
    from kq.broker.router import Call


def refusal(call: Call, code: Err) -> Any:
    """The error in every place the response has for it: at the top, and in an item for each item of the request.
    Disconnect where the client expects no response."""
    if call.api is PRODUCE and call.body.acks == 0:
        raise Disconnect(f"acks=0, and the answer would be {code.name}")
    return _fill(call.api.Response, call.api.Response, call.body, code)


_ITEM_LISTS = {
    "topics": ("Topic", ("topics", "topic_names")),
    "partitions": ("Partition", ("partitions",)),
    "results": ("Result", ("resources",)),
    "coordinators": ("Coordinator", ("coordinator_keys",)),
    "groups": ("Group", ("groups", "group_ids")),
}
_SAME = ("name", "topic_id", "index", "resource_type", "resource_name", "key", "group_id")
_UNKNOWN = {
    "base_offset": -1,
    "committed_leader_epoch": -1,
    "committed_offset": -1,
    "error_message": None,
    "high_watermark": -1,
    "last_stable_offset": -1,
    "low_watermark": -1,
    "metadata": "",
    "next_cursor": None,
    "node_id": -1,
    "port": -1,
    "producer_epoch": -1,
    "records": b"",
}


def _fill(make: Any, cls: Any, asked: Any, code: Err) -> Any:
    slots = cls.__slots__
    if getattr(asked, "coordinator_keys", None):
        answer = cls()  # FindCoordinator has a place at the top until v3, and from v4 on a list instead
    else:
        answer = cls(**{name: value for name, value in (_UNKNOWN | {"error_code": code}).items() if name in slots})
    if isinstance(asked, int | str):  # a list of bare partitions, names or keys
        setattr(answer, next(name for name in _SAME if name in slots), asked)
        return answer
    for name in _SAME:
        if name in slots and hasattr(asked, name):
            setattr(answer, name, getattr(asked, name))
    for name, (item, sources) in _ITEM_LISTS.items():
        if name in slots:
            items = next((found for source in sources if (found := getattr(asked, source, None))), ())
            setattr(answer, name, [_fill(make, getattr(make, item), one, code) for one in items])
    return answer
