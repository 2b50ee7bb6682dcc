"""One shard at work: the coordinator of the groups in one partition of `__consumer_offsets`, and its log.

A command is decided, its facts are appended as one batch and replayed, and its answers go out when they are committed:
at once on a single replica, after the sync where the topic syncs before it acknowledges. An answer without facts waits
for what was decided before it: it may tell of it.

Failures (Kafka's `CoordinatorOperationExceptionHelper`)

| appending fails with | answered |
|---|---|
| UNKNOWN_TOPIC_OR_PARTITION, NOT_ENOUGH_REPLICAS, REQUEST_TIMED_OUT | COORDINATOR_NOT_AVAILABLE |
| NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR | NOT_COORDINATOR |
| MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, INVALID_FETCH_SIZE | UNKNOWN_SERVER_ERROR |

A sync that fails leaves the coordinator ahead of its log: the shard stays closed until the log is opened again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from kq.broker.groups.codec import encode_batches
from kq.broker.partition import Partition
from kq.errors import Err, KafkaError
from kq.machines.group.coordinator import GroupCoordinator
from kq.machines.group.decision import Decision
from kq.machines.image import ClusterImage
from kq.record.batch import parse_header

if TYPE_CHECKING:
    from kq.broker.broker import Broker

log = logging.getLogger(__name__)

_ANSWERED = {
    Err.UNKNOWN_TOPIC_OR_PARTITION: Err.COORDINATOR_NOT_AVAILABLE,
    Err.NOT_ENOUGH_REPLICAS: Err.COORDINATOR_NOT_AVAILABLE,
    Err.REQUEST_TIMED_OUT: Err.COORDINATOR_NOT_AVAILABLE,
    Err.NOT_LEADER_OR_FOLLOWER: Err.NOT_COORDINATOR,
    Err.KAFKA_STORAGE_ERROR: Err.NOT_COORDINATOR,
    Err.MESSAGE_TOO_LARGE: Err.UNKNOWN_SERVER_ERROR,
    Err.RECORD_LIST_TOO_LARGE: Err.UNKNOWN_SERVER_ERROR,
    Err.INVALID_FETCH_SIZE: Err.UNKNOWN_SERVER_ERROR,
}
WHOLE = 1 << 62  # bytes: a decision that is answered is one batch, whatever its size


class State(Enum):
    LOADING = "loading"
    ACTIVE = "active"
    FAILED = "failed"
    CLOSED = "closed"


class Runtime:
    """Decide and settle in one turn of the loop, with no command in between. `settled` is told whenever a decision was
    carried out: deadlines and events may be new."""

    def __init__(
        self, broker: Broker, partition: Partition, coordinator: GroupCoordinator, settled: Callable[[Runtime], None]
    ) -> None:
        self.partition = partition
        self.coordinator = coordinator
        self.state = State.LOADING
        self._broker = broker
        self._settled = settled
        self._image: ClusterImage | None = None  # what the coordinator has seen
        self._written_offset = 0  # below it are all facts that were decided here
        self._waiting: set[asyncio.Task[Any]] = set()

    def __repr__(self) -> str:
        return f"{self.partition} ({self.state.value})"

    def activate(self) -> None:
        """The log is replayed: commands are taken from now on."""
        self.state = State.ACTIVE
        self._written_offset = self.partition.log.log_end_offset
        self.settle(self.enter().loaded(self._broker.now_ms()))

    def fail(self, reason: object) -> None:
        log.error("the groups of %s are not served until a restart: %s", self.partition, reason)
        self.close(State.FAILED)

    def close(self, state: State) -> None:
        """No commands any more: who waits for an answer looks for another coordinator."""
        self.state = state
        _answer(self.coordinator.closed(Err.NOT_COORDINATOR))

    def enter(self) -> GroupCoordinator:
        """The coordinator, for one command; KafkaError while there is none."""
        if self.state is State.LOADING:
            raise KafkaError(Err.COORDINATOR_LOAD_IN_PROGRESS)
        if self.state is not State.ACTIVE:
            raise KafkaError(Err.NOT_COORDINATOR)
        if self._broker.image is not self._image:
            self._image = self._broker.image
            self.coordinator.image(self._image)
            self.coordinator.shard.overrides = self._image.group_settings
        return self.coordinator

    def settle(self, decision: Decision) -> Any:
        """Carries a decision out. The response, or an awaitable of it where it is not committed yet; None where it
        comes later, under the request's ticket. Raises KafkaError as a response that is one."""
        if decision.facts:
            try:
                self._remember(decision)
            except KafkaError as error:
                decision = self.coordinator.failed(decision, _mapped(error), self._broker.now_ms())
        self._settled(self)
        if self.is_committed:
            return _answer(decision)
        waiting = asyncio.create_task(self._answer_when_committed(decision, self._written_offset))
        self._waiting.add(waiting)
        waiting.add_done_callback(self._forget)
        return waiting if decision.response is not None else None

    @property
    def is_committed(self) -> bool:
        """Whether all that was decided here is: what is read now may be told."""
        return self.partition.high_watermark >= self._written_offset

    async def committed(self) -> None:
        """Returns when all that was decided until now is committed; KafkaError when it never will be."""
        if not self.is_committed:
            await self.settle(Decision(()))

    def _remember(self, decision: Decision) -> None:
        now_ms = self._broker.now_ms()
        is_answered = bool(decision.response or decision.replies)
        for batch in encode_batches(
            decision.facts,
            now_ms,
            max_bytes=WHOLE if is_answered else self.partition.settings.max_message_bytes,
            codec=self._broker.settings.offsets_topic_compression_codec,
        ):
            appended = self.partition.append(memoryview(batch), parse_header(batch), now_ms)
            self._written_offset = appended.last_offset + 1
        replay = self.coordinator.replay
        for key, value in decision.facts:
            replay(key, value)

    async def _answer_when_committed(self, decision: Decision, offset: int) -> Any:
        try:
            await self._broker.flusher.sync(self.partition, offset)
        except KafkaError as error:
            if self.state is not State.FAILED:
                self.fail(error)
            code = KafkaError(_mapped(error).code)
            return _answer(
                Decision(
                    response=None if decision.response is None else code,
                    replies=[(ticket, code) for ticket, _ in decision.replies],
                )
            )
        return _answer(decision)

    def _forget(self, waiting: asyncio.Task[Any]) -> None:
        self._waiting.discard(waiting)
        error = None if waiting.cancelled() else waiting.exception()
        if error is not None and not isinstance(error, KafkaError):
            log.error("%s: a decision was not answered", self, exc_info=error)


def _answer(decision: Decision) -> Any:
    for ticket, answer in decision.replies:
        if ticket.done():  # whoever asked has gone
            continue
        if isinstance(answer, KafkaError):
            ticket.set_exception(answer)
        else:
            ticket.set_result(answer)
    if isinstance(decision.response, KafkaError):
        raise decision.response
    return decision.response


def _mapped(error: KafkaError) -> KafkaError:
    log.warning("the group coordinator could not write: %s", error)
    return KafkaError(_ANSWERED.get(error.code, error.code))
