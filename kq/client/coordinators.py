"""Where the coordinator of a group is, and requests that find their way to it.

Rules
- An answer is kept until somebody proves it wrong: the node says that it is not the coordinator (16) or not yet (14,
  15), or cannot be reached. Then it is asked for again.
- What passes is tried again, with growing pauses, until default.api.timeout.ms: a new cluster takes seconds to make
  the topic that coordinators live on, and a broker that takes over a group has to read its history first.
- Many groups are looked up in one request where the broker knows how (version 4), and asked about in one request a
  coordinator.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from kq.client.errors import Unreachable, is_retriable
from kq.client.pool import COMMON, Lane
from kq.errors import Err, KafkaError
from kq.wire.apis.groups import FIND_COORDINATOR

if TYPE_CHECKING:
    from kq.client.cluster import Cluster
    from kq.wire.api import Api

__all__ = ["MOVED", "Coordinators"]

MOVED = frozenset({Err.NOT_COORDINATOR, Err.COORDINATOR_NOT_AVAILABLE, Err.COORDINATOR_LOAD_IN_PROGRESS})
MANY_SINCE = 4  # version of FindCoordinator
GROUP = 0  # key type


class Answer(Protocol):
    @property
    def error(self) -> KafkaError | None: ...


Got = TypeVar("Got", bound=Answer)


class Coordinators:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._nodes: dict[str, int] = {}

    def known(self, group_id: str) -> int | None:
        return self._nodes.get(group_id)

    def forget(self, group_id: str) -> None:
        """The node we had is not, or cannot be reached as, the coordinator of this group."""
        self._nodes.pop(group_id, None)

    async def find(self, group_id: str) -> int:
        """Node id of the coordinator; tries until default.api.timeout.ms."""

        async def attempt() -> int:
            return await self.find_now(group_id)

        return await self._cluster.retrying(attempt)

    async def find_now(self, group_id: str) -> int:
        """The same, asked once at most."""
        node = self._nodes.get(group_id)
        if node is None:
            found = (await self._look_up([group_id]))[group_id]
            if isinstance(found, KafkaError):
                raise found
            node = found
        return node

    async def ask(
        self,
        group_id: str,
        api: Api,
        body: Any,
        code: Callable[[Any], int],
        *,
        highest: int | None = None,
    ) -> Any:
        """The coordinator's answer; `code` reads the one that says whether it is the coordinator. KafkaError for any
        other code is the caller's to raise. `highest`: the last version that says what the caller means."""

        async def attempt() -> Any:
            return await self.ask_now(group_id, api, body, code, highest=highest)

        return await self._cluster.retrying(attempt)

    async def ask_now(
        self,
        group_id: str,
        api: Api,
        body: Any,
        code: Callable[[Any], int],
        *,
        highest: int | None = None,
        lane: Lane = COMMON,
        timeout_ms: float | None = None,
    ) -> Any:
        """The same, sent once; what went wrong is raised, and forgotten is where it went wrong."""
        node = await self.find_now(group_id)
        try:
            connection = await self._cluster.connection(node, lane)
            version = connection.version(api)
            if highest is not None:
                version = min(version, highest)
            answer = await connection.request(api, body, version=version, timeout_ms=timeout_ms)
        except KafkaError as error:
            if is_retriable(error):
                self.forget(group_id)
            raise
        error_code = Err.of(code(answer))
        if error_code in MOVED:
            self.forget(group_id)
            raise KafkaError(error_code)
        return answer

    async def each(
        self,
        groups: Iterable[str],
        ask: Callable[[int, list[str]], Awaitable[dict[str, Got]]],
        failed: Callable[[str, KafkaError], Got],
    ) -> dict[str, Got]:
        """What the coordinators say about many groups, all asked at once; `failed` makes the answer where there is only
        an error."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._cluster.settings.default_api_timeout_ms / 1000
        answers: dict[str, Got] = {}
        pending = wanted = list(dict.fromkeys(groups))
        failures = 0
        while pending:
            answers |= await self._each_once(pending, ask, failed)
            pending = [group for group in pending if _passes(answers[group].error)]
            for group in pending:
                self.forget(group)
            failures += 1
            pause_s = self._cluster.retry.delay_ms(failures, self._cluster.rng) / 1000
            if loop.time() + pause_s > deadline_s:
                break
            if pending:
                await asyncio.sleep(pause_s)
        return {group: answers[group] for group in wanted}

    async def _each_once(
        self,
        groups: list[str],
        ask: Callable[[int, list[str]], Awaitable[dict[str, Got]]],
        failed: Callable[[str, KafkaError], Got],
    ) -> dict[str, Got]:
        answers: dict[str, Got] = {}
        at: dict[int, list[str]] = {}
        unknown = [group for group in groups if group not in self._nodes]
        found = await self._look_up(unknown) if unknown else {}
        for group in groups:
            node = found.get(group, self._nodes.get(group, -1))
            if isinstance(node, KafkaError):
                answers[group] = failed(group, node)
            else:
                at.setdefault(node, []).append(group)

        async def one(node: int) -> dict[str, Got]:
            try:
                said = await ask(node, at[node])
            except KafkaError as error:
                return {group: failed(group, error) for group in at[node]}
            silent = KafkaError(Err.UNKNOWN_SERVER_ERROR, f"broker {node} said nothing about this group")
            return {group: said.get(group) or failed(group, silent) for group in at[node]}

        for said in await asyncio.gather(*map(one, at)):
            answers |= said
        return answers

    async def _look_up(self, groups: list[str]) -> dict[str, int | KafkaError]:
        """Asks any broker, once."""
        connection = await self._cluster.any_connection()
        request = FIND_COORDINATOR.Request
        if connection.version(FIND_COORDINATOR) >= MANY_SINCE:
            body = request(key_type=GROUP, coordinator_keys=groups)
            answer = await connection.request(FIND_COORDINATOR, body)
            said = {entry.key: entry for entry in answer.coordinators}
        else:
            single = [connection.request(FIND_COORDINATOR, request(key=group, key_type=GROUP)) for group in groups]
            said = dict(zip(groups, await asyncio.gather(*single), strict=True))
        found: dict[str, int | KafkaError] = {}
        for group in groups:
            entry = said.get(group)
            code = Err.UNKNOWN_SERVER_ERROR if entry is None else Err.of(entry.error_code)
            if entry is None or code:
                found[group] = KafkaError(code, (entry and entry.error_message) or None)
            else:
                found[group] = self._nodes[group] = entry.node_id
        return found


def _passes(error: KafkaError | None) -> bool:
    return error is not None and (error.code in MOVED or (isinstance(error, Unreachable) and is_retriable(error)))
