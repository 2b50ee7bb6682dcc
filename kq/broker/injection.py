"""Faults on demand, for tests only: the next requests of a kind get an error, a delay, or no answer.

The router of a broker that was started with `--testing PATH`; no other broker has this code in its way. Orders come
over a unix socket at PATH: one JSON line asks,

    {"api": "Produce", "error": "NOT_ENOUGH_REPLICAS", "delay_s": 0.0, "drop": false, "times": 1, "topic": null}

and one answers, `{}` or `{"error": "why not"}`. `api` is a name or a key of an API that kq serves: an order that nobody
could meet, or that changes nothing, would make a test pass for nothing. With a topic only requests that name it count,
and fetches of a session that names it. Orders are used up in the order in which they were given. An error replaces the
work: nothing is written, nothing is read, and a Produce with acks=0 finds its connection closed, as it does when the
work itself fails.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kq.broker.metrics import Metrics
from kq.broker.refusal import refusal
from kq.broker.router import Answer, Call, Handler, Router
from kq.broker.session import Resource
from kq.errors import Err
from kq.wire.api import Api
from kq.wire.apis.fetch import FETCH

if TYPE_CHECKING:
    from kq.broker.broker import Broker


@dataclass(slots=True)
class Order:
    api: Api
    error: Err | None
    delay_s: float
    drop: bool
    times: int
    topic: str | None


TOPICS_STAND_IN = ("topics", "topic_names", "resources")


def _topics(body: Any) -> Iterable[str | bytes | None]:
    """The topics that a request names, by name or by id."""
    for topic in getattr(body, "topics", None) or ():
        yield getattr(topic, "name", None) or getattr(topic, "topic_id", None)
    yield from getattr(body, "topic_names", None) or ()
    for resource in getattr(body, "resources", None) or ():
        if resource.resource_type == Resource.TOPIC:
            yield resource.resource_name


class FaultyRouter(Router):
    """A router that carries out orders before it routes."""

    def __init__(self, broker: Broker, handlers: Mapping[Api, Handler], metrics: Metrics) -> None:
        super().__init__(broker, handlers, metrics)
        self._orders: list[Order] = []
        self._server: asyncio.Server | None = None

    def handle(self, handler: Handler, call: Call) -> Answer:
        order = self._take(call)
        if order is None:
            return super().handle(handler, call)
        return self._carry_out(order, handler, call)

    async def listen(self, path: str) -> None:
        self._server = await asyncio.start_unix_server(self._on_connection, path)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def _take(self, call: Call) -> Order | None:
        order = next((o for o in self._orders if o.api is call.api and self._is_named(o.topic, call)), None)
        if order is not None:
            order.times -= 1
            if order.times <= 0:
                self._orders.remove(order)
        return order

    def _is_named(self, topic: str | None, call: Call) -> bool:
        if topic is None:
            return True
        named = set(_topics(call.body))
        if call.api is FETCH:
            named.update(self._broker.fetch_sessions.topics_of(call.body.session_id))
        image = self._broker.image.topics.get(topic)
        return topic in named or (image is not None and image.id in named)

    async def _carry_out(self, order: Order, handler: Handler, call: Call) -> Any:
        if order.delay_s:
            await asyncio.sleep(order.delay_s)
        if order.drop:
            await asyncio.get_running_loop().create_future()  # until the client gives up and closes the connection
        if order.error is not None:
            return refusal(call, order.error)
        answer = super().handle(handler, call)
        return await answer if hasattr(answer, "__await__") else answer

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ValueError):  # a line that never ends
            while line := await reader.readline():
                writer.write(json.dumps(self._on_order(line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    def _on_order(self, line: bytes) -> dict[str, str]:
        try:
            self._orders.append(_parse(json.loads(line), self.apis))
        except (ValueError, TypeError) as error:
            return {"error": str(error)}
        return {}


def _parse(order: Any, apis: Iterable[Api]) -> Order:
    """Raises ValueError or TypeError with a sentence."""
    if not isinstance(order, dict):
        raise ValueError("an order is a JSON object")
    wanted, error, topic = order.get("api"), order.get("error"), order.get("topic")
    api = next((api for api in apis if wanted in (api.key, api.name)), None)
    if api is None:
        raise ValueError(f"kq serves no API called {wanted!r}; names are Kafka's: Produce, Fetch, Metadata, …")
    if error is not None and (error not in Err.__members__ or error == "NONE"):
        raise ValueError(f"no error is called {error!r}; names are Kafka's: NOT_ENOUGH_REPLICAS, …")
    if not isinstance(topic, str | None):
        raise ValueError(f"a topic's name is a text, not {topic!r}")
    if topic is not None and not any(name in api.Request.__slots__ for name in TOPICS_STAND_IN):
        raise ValueError(f"{api.name} requests name no topic: leave it out")
    times, delay_s, drop = int(order.get("times", 1)), float(order.get("delay_s") or 0.0), bool(order.get("drop"))
    if times < 1 or not 0 <= delay_s < float("inf"):
        raise ValueError("an order is met at least once, and a delay is not negative")
    if error is None and not delay_s and not drop:
        raise ValueError("an order says what happens: error, delay_s or drop")
    if error is not None and drop:
        raise ValueError("a request gets an error or no answer, not both: error or drop")
    return Order(api, None if error is None else Err[error], delay_s, drop, times, topic)
