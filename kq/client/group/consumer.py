"""A consumer that shares topics with the other members of its group.

    async with GroupConsumer(cluster, "billing", ["orders"]) as consumer:
        while True:
            for fetched in await consumer.fetch():
                handle(fetched.values())                 # committed when fetch is called again, and later

    async with GroupConsumer(cluster, "billing", re.compile("orders-.*"), on_revoked=flush) as consumer:
        for fetched in await consumer.fetch(timeout_ms=1000):
            await store(fetched.records())
            await consumer.commit()                      # with enable.auto.commit=false, or beside it

Rules
- Every record of the topics comes to some member at least once: after a member is gone, from what it had committed.
- Partitions come and go only inside `fetch` (and `close`): `on_revoked` while commits are still possible, `on_lost`
  when the group has gone on without us, `on_assigned` before the first record. They may be coroutines.
- With enable.auto.commit what was returned by one `fetch` is committed after the next one has begun, every
  auto.commit.interval.ms, before partitions are given up, and at `close`. When the block is left by an exception, what
  the last fetch returned is not.
- Heartbeats go on while the user works, as long as he lets the event loop turn (`asyncio.to_thread` is for what does
  not); but who does not call `fetch` for max.poll.interval.ms is out.
- A member with group.instance.id does not leave the group at `close`: it may come back within session.timeout.ms and
  have its partitions as if nothing had been.
- `fetch` raises what ends the membership, every time. Errors of single partitions come as Fetched with an error.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from kq.client.admin.group_types import GroupOffset
from kq.client.admin.types import TopicPartition
from kq.client.cluster import Cluster
from kq.client.consumer import Consumer
from kq.client.errands import Errands
from kq.client.fetched import Fetched
from kq.client.group.calls import Calls
from kq.client.group.committer import Committer
from kq.client.group.driver import Driver
from kq.client.group.holding import Callback, Callbacks, Holding
from kq.client.group.membership import Membership, Phase
from kq.client.group.topics import Topics
from kq.client.reading import Watermarks
from kq.client.settings import ClientSettings
from kq.errors import Err, KafkaError

__all__ = ["GroupConsumer"]

log = logging.getLogger("kq.client")

LEAVE_MS = 5_000  # how long a coordinator that does not answer may hold up closing, for each of two reasons


class GroupConsumer:
    """Made inside a running event loop; joins at the first `fetch`. `stops`: where reading of partitions ends, whoever
    of the group reads them; `finished` then says that this member has nothing left to do."""

    def __init__(
        self,
        cluster: Cluster,
        group_id: str,
        topics: Iterable[str] | re.Pattern[str],
        settings: ClientSettings | None = None,
        *,
        stops: Mapping[TopicPartition, int] | None = None,
        on_assigned: Callback | None = None,
        on_revoked: Callback | None = None,
        on_lost: Callback | None = None,
    ) -> None:
        topics_wanted = Topics(cluster, topics)  # refuses what is none before anything is begun
        self._settings = settings = settings or cluster.settings
        if settings.group_protocol != "classic":
            raise KafkaError(
                Err.INVALID_CONFIG,
                f"group.protocol={settings.group_protocol}: kq's own members speak the classic protocol, "
                "with which they also get into groups of the new one; leave the setting out",
            )
        self.group_id = group_id
        self._has_stops = stops is not None
        self._news = asyncio.Event()
        self._consumer = Consumer(cluster, settings, news=self._news)
        self._membership = Membership(
            heartbeat_interval_ms=settings.heartbeat_interval_ms,
            max_poll_interval_ms=settings.max_poll_interval_ms,
            instance_id=settings.group_instance_id,
        )
        self._calls = Calls(cluster, group_id, self._membership)
        self._committer = Committer(cluster, self._calls, self._membership, self._consumer.position)
        owned: set[TopicPartition] = set()
        self._driver = Driver(cluster, settings, self._membership, self._calls, topics_wanted, owned, self._news.set)
        self._holding = Holding(
            settings,
            owned,
            self._consumer,
            self._membership,
            self._driver,
            self._committer,
            topics_wanted,
            Callbacks(on_assigned, on_revoked, on_lost or on_revoked),
            stops,
        )
        self._errands = Errands(finished=self._news.set, crashed=self._crashed)
        self._commits: set[asyncio.Task[None]] = set()  # those under way that nobody has to wait for
        self._closed = False
        self._driver.start()
        if settings.enable_auto_commit:
            self._errands.start(self._commit_from_time_to_time())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close(None, all_processed=error is None)

    # -- records ----------------------------------------------------------------------------------------------------

    async def fetch(self, timeout_ms: float | None = None) -> list[Fetched]:
        """All that has come since the last call; waits until there is something, or so long.

        Empty when time is over, or when all partitions have reached their `stops`. What earlier calls returned is taken
        to be processed.
        """
        if self._closed:
            raise KafkaError(Err.INVALID_REQUEST, "this consumer is closed")
        loop = asyncio.get_running_loop()
        deadline_s = None if timeout_ms is None else loop.time() + timeout_ms / 1000
        self._committer.processed()
        self._membership.polled(self._driver.now_ms())
        self._driver.fetching = True
        try:
            while True:
                self._news.clear()
                if self._membership.fatal is not None:
                    raise self._membership.fatal
                await self._holding.settle()
                fetched = self._consumer.take()
                if fetched or self.finished or not await self._something_new(deadline_s):
                    self._committer.returned(fetched)
                    return fetched
        finally:
            self._driver.fetching = False
            self._membership.polled(self._driver.now_ms())

    async def _something_new(self, deadline_s: float | None) -> bool:
        try:
            async with asyncio.timeout_at(deadline_s):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    @property
    def finished(self) -> bool:
        """With `stops`: the group is at rest, and every partition that this member has is read up to its stop."""
        return self._has_stops and self._holding.at_rest and self._consumer.finished

    # -- committing -------------------------------------------------------------------------------------------------

    async def commit(self, offsets: Mapping[TopicPartition, int | GroupOffset] | None = None) -> None:
        """Commits these offsets (the next to be read), or all that was returned by `fetch`; raises when that cannot be.

        What may pass is tried again until default.api.timeout.ms. UNKNOWN_MEMBER_ID and the like: the partitions are
        somebody else's by now.
        """
        await self._committer.commit(self._chosen(offsets), self._settings.default_api_timeout_ms)

    def commit_soon(self, offsets: Mapping[TopicPartition, int | GroupOffset] | None = None) -> asyncio.Task[None]:
        """The same without waiting, tried once. Commits leave in the order of the calls. Who awaits the task gets what
        went wrong; otherwise the log does."""
        task = asyncio.ensure_future(self._committer.commit(self._chosen(offsets), 0))
        self._commits.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._commits.discard)
        task.add_done_callback(_told)
        return task

    async def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, GroupOffset]:
        """What the group has committed for these."""
        return await self._calls.committed(partitions)

    def _chosen(self, offsets: Mapping[TopicPartition, int | GroupOffset] | None) -> dict[TopicPartition, GroupOffset]:
        if offsets is None:
            return self._committer.places(self._holding.owned)
        return {partition: at if isinstance(at, GroupOffset) else GroupOffset(at) for partition, at in offsets.items()}

    async def _commit_from_time_to_time(self) -> None:
        while True:
            await asyncio.sleep(self._settings.auto_commit_interval_ms / 1000)
            if self._membership.phase is Phase.STABLE:
                await self._committer.commit_due(None, 0)

    # -- where it is ------------------------------------------------------------------------------------------------

    @property
    def assignment(self) -> list[TopicPartition]:
        return sorted(self._holding.owned)

    @property
    def member_id(self) -> str:
        """As the coordinator named us; empty before the first join."""
        return self._membership.member_id

    @property
    def generation(self) -> int:
        """-1 while not in the group."""
        return self._membership.generation

    @property
    def trouble(self) -> KafkaError | None:
        """Why nothing comes at the moment; it is being tried again."""
        return self._driver.trouble or self._consumer.trouble

    def seek(self, partition: TopicPartition, place: int) -> None:
        self._consumer.seek(partition, place)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Until `resume`, or until the partition is given up."""
        self._consumer.pause(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self._consumer.resume(partitions)

    def position(self, partition: TopicPartition) -> int | None:
        return self._consumer.position(partition)

    def watermarks(self, partition: TopicPartition) -> Watermarks:
        return self._consumer.watermarks(partition)

    async def end_offsets(self, partitions: Iterable[TopicPartition] | None = None) -> dict[TopicPartition, int]:
        """Where these (or the assigned) partitions end now, for this isolation level."""
        return await self._consumer.end_offsets(partitions)

    # -- the end ----------------------------------------------------------------------------------------------------

    async def close(self, *, leave: bool | None = None) -> None:
        """Commits what was returned (with enable.auto.commit), gives up the partitions and leaves the group.

        `leave`: whether the group is told; None: unless the member is static.
        """
        await self._close(leave, all_processed=True)

    async def _close(self, leave: bool | None, *, all_processed: bool) -> None:
        if self._closed:
            return
        self._closed = True
        me = self._membership
        try:
            await self._driver.close()
            await self._errands.close()
            if all_processed:
                self._committer.processed()
            if self._commits:
                await asyncio.wait(self._commits, timeout=LEAVE_MS / 1000)
            await self._holding.end()
            if leave if leave is not None else me.instance_id is None:
                await self._leave()
        finally:
            me.left()
            await self._consumer.close()
            await self._calls.close()

    async def _leave(self) -> None:
        if not self._membership.member_id:
            return
        try:
            async with asyncio.timeout(LEAVE_MS / 1000):
                await self._calls.leave("the consumer is being closed")
        except (KafkaError, TimeoutError) as error:
            log.info("the group could not be told that its member leaves: %s", error)

    def _crashed(self, error: KafkaError) -> None:
        self._membership.fatal = error
        self._news.set()


def _told(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.warning("offsets could not be committed: %s", error)
