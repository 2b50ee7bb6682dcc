"""From a frame to its handler and back: the one place that knows which API has which handler.

The answer to ApiVersions is derived from the handlers that are registered, so a key appears only when it works
(librdkafka switches features on by the presence of keys).

Rules (PROTOCOL.md, measured on 4.3.1)
1. An unknown key, or a version out of range: the connection is closed without an answer.
2. Except ApiVersions: an unknown version of it is answered in the form of v0 with UNSUPPORTED_VERSION.
3. A body that does not decode closes the connection.
4. A KafkaError that no handler has answered is answered here, in every place of the response; any other exception is a
   defect of kq, logged with its traceback, and closes the connection: what was done is not known then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from kq.broker.connection import Disconnect, Parts, Reply
from kq.broker.metrics import Metrics
from kq.broker.refusal import refusal
from kq.broker.session import Session
from kq.errors import Err, KafkaError
from kq.wire.api import Api
from kq.wire.apis.versions import API_VERSIONS
from kq.wire.errors import ProtocolError
from kq.wire.frame import parse_request, response_parts

if TYPE_CHECKING:
    from kq.broker.broker import Broker


@dataclass(slots=True)
class Call:
    """One request. `body` is the decoded message of `api` at `version`."""

    session: Session
    api: Api
    version: int
    body: Any


Answer = Any  # a response message, None for no answer at all, or an awaitable of either
Handler = Callable[["Broker", Call], Answer]


class Router:
    def __init__(self, broker: Broker, handlers: Mapping[Api, Handler], metrics: Metrics) -> None:
        self._broker = broker
        self._by_key = {api.key: (api, handler, metrics.of(api.name)) for api, handler in handlers.items()}

    @property
    def apis(self) -> list[Api]:
        return [api for api, _, _ in self._by_key.values()]

    def dispatch(self, session: Session, frame: memoryview) -> Reply:
        """The reply to one frame; raises Disconnect or ProtocolError where Kafka closes the connection."""
        began = perf_counter()
        head = parse_request(frame)
        route = self._by_key.get(head.api_key)
        if route is None:
            raise Disconnect(f"unknown or unserved API key {head.api_key}")
        api, handler, stats = route
        version = head.api_version
        if not api.min_version <= version <= api.max_version:
            if api is API_VERSIONS:
                return self._unknown_version(head.correlation_id)
            raise Disconnect(f"{api.name} v{version} is not served")
        session.client_id = head.client_id or ""
        call = Call(session, api, version, api.decode_request(version, frame, head.body_pos))
        try:
            answer = self.handle(handler, call)
        except KafkaError as error:
            answer = refusal(call, error.code)
        if hasattr(answer, "__await__"):
            return self._later(call, head.correlation_id, answer, stats.add, began)
        stats.add(perf_counter() - began)
        return _encoded(api, version, head.correlation_id, answer)

    def handle(self, handler: Handler, call: Call) -> Answer:
        return handler(self._broker, call)

    async def _later(
        self, call: Call, correlation_id: int, answer: Awaitable[Any], add: Callable[[float], None], began: float
    ) -> Parts | None:
        try:
            message = await answer
        except KafkaError as error:
            message = refusal(call, error.code)
        add(perf_counter() - began)
        return _encoded(call.api, call.version, correlation_id, message)

    def _unknown_version(self, correlation_id: int) -> Parts:
        own = API_VERSIONS.Response.ApiKey(
            api_key=API_VERSIONS.key, min_version=API_VERSIONS.min_version, max_version=API_VERSIONS.max_version
        )
        message = API_VERSIONS.Response(error_code=Err.UNSUPPORTED_VERSION, api_keys=[own])
        return response_parts(API_VERSIONS, 0, correlation_id, message)


def _encoded(api: Api, version: int, correlation_id: int, message: Any) -> Parts | None:
    if message is None:
        return None
    try:
        return response_parts(api, version, correlation_id, message)
    except ProtocolError as error:
        raise RuntimeError(f"the handler of {api.name} v{version} made what cannot be sent") from error
