"""What a topic may be called (Kafka's Topic.validate): the name becomes a directory, and a part of metric names. And
the ids that topics get."""

from __future__ import annotations

import re
import uuid

from kq.errors import Err, KafkaError
from kq.wire.primitives import uuid_text

MAX_LENGTH = 249  # "<name>-<partition>.<32 hex>-delete" must fit into the 255 bytes of a file name
_LEGAL = re.compile(r"[a-zA-Z0-9._-]+")


def check_topic_name(name: str | None) -> str:
    """The name, if it is legal; raises KafkaError(INVALID_TOPIC_EXCEPTION) that says what is wrong with it."""
    if not name:
        raise KafkaError(Err.INVALID_TOPIC_EXCEPTION, "a topic name cannot be empty")
    if name in (".", ".."):
        raise KafkaError(Err.INVALID_TOPIC_EXCEPTION, f"a topic cannot be called {name!r}")
    if len(name) > MAX_LENGTH:
        raise KafkaError(Err.INVALID_TOPIC_EXCEPTION, f"the topic name has {len(name)} characters, over {MAX_LENGTH}")
    if not _LEGAL.fullmatch(name):
        raise KafkaError(Err.INVALID_TOPIC_EXCEPTION, f"topic name {name!r}: only a-z A-Z 0-9 . _ - are allowed")
    return name


def new_topic_id() -> bytes:
    """Random; none whose text begins with a dash, which command lines take for an option (Uuid.randomUuid)."""
    while uuid_text(new := uuid.uuid4().bytes).startswith("-"):
        continue
    return new
