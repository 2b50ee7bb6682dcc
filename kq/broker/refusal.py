"""A response that says one error everywhere, made from the request alone (`AbstractRequest.getErrorResponse`)."""

from __future__ import annotations

from typing import Any

from kq.broker.router import Call
from kq.errors import Err


def refusal(call: Call, code: Err) -> Any:
    """The error in every place the response has for it: at the top, and in an item for each item of the request."""
    return _fill(call.api.Response, call.api.Response, call.body, code)


_ITEM_LISTS = {
    "topics": ("Topic", ("topics", "topic_names")),
    "partitions": ("Partition", ("partitions",)),
    "results": ("Result", ("resources",)),
    "coordinators": ("Coordinator", ("coordinator_keys",)),
}
_SAME = ("name", "topic_id", "index", "resource_type", "resource_name", "key")


def _fill(make: Any, cls: Any, asked: Any, code: Err) -> Any:
    answer = cls()
    slots = cls.__slots__
    if "error_code" in slots:
        answer.error_code = code
    for name in ("error_message", "records"):
        if name in slots:
            setattr(answer, name, None)
    if "base_offset" in slots:
        answer.base_offset = -1
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
