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
- Heartbeats go on while the user works, but who does not call `fetch` for max.poll.interval.ms is out.
- A member with group.instance.id does not leave the group at `close`: it may come back within session.timeout.ms and
  have its partitions as if nothing had been.
- `fetch` raises what ends the membership, every time. Errors of single partitions come as Fetched with an error.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

from kq.client.admin.group_types import GroupOffset
from kq.client.admin.types import EARLIEST, LATEST, TopicPartition
from kq.client.cluster import Cluster
from kq.client.consumer import Consumer
from kq.client.errands import Errands
from kq.client.fetched import Fetched
from kq.client.group.calls import Calls
from kq.client.group.committer import Committer
from kq.client.group.driver import Driver
from kq.client.group.membership import Membership, Phase
from kq.client.group.protocol import NO_GENERATION
from kq.client.group.topics import Topics
from kq.client.reading import Watermarks
from kq.client.settings import ClientSettings
from kq.errors import Err, KafkaError

__all__ = ["Callback", "GroupConsumer"]

log = logging.getLogger("kq.client")

Callback = Callable[[list[TopicPartition]], Awaitable[None] | None]

LAST_COMMIT_MS = 5_000  # how long a commit may hold up giving partitions up, or closing
RESETS = {"earliest": EARLIEST, "latest": LATEST}


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
        self._settings = settings = settings or cluster.settings
        self.group_id = group_id
        self._stops = dict(stops) if stops is not None else None
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self._on_lost = on_lost or on_revoked  # as Java's listener does by default
        self._owned: set[TopicPartition] = set()
        self._generation_taken = NO_GENERATION  # the last one whose assignment was taken up
        self._news = asyncio.Event()
        self._consumer = Consumer(cluster, settings, news=self._news)
        self._membership = Membership(
            heartbeat_interval_ms=settings.heartbeat_interval_ms,
            max_poll_interval_ms=settings.max_poll_interval_ms,
            instance_id=settings.group_instance_id,
        )
        self._calls = Calls(cluster, group_id, self._membership)
        self._topics = Topics(cluster, topics)
        self._committer = Committer(cluster, self._calls, self._membership, self._consumer.position)
        self._driver = Driver(
            cluster, settings, self._membership, self._calls, self._topics, lambda: self._owned, self._news.set
        )
        self._errands = Errands(finished=self._news.set, crashed=self._crashed)
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
        self._committer.processed(self._owned)
        self._membership.polled(self._driver.now_ms())
        self._driver.fetching = True
        try:
            while True:
                self._news.clear()
                if self._membership.fatal is not None:
                    raise self._membership.fatal
                await self._rebalance()
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
        if self._stops is None or self._membership.phase is not Phase.STABLE or self._membership.reason is not None:
            return False
        return self._taken_up and self._consumer.finished

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
        task.add_done_callback(_told)
        return task

    async def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, GroupOffset]:
        """What the group has committed for these."""
        return await self._calls.committed(partitions)

    def _chosen(self, offsets: Mapping[TopicPartition, int | GroupOffset] | None) -> dict[TopicPartition, GroupOffset]:
        if offsets is None:
            return self._committer.places(self._owned)
        return {partition: at if isinstance(at, GroupOffset) else GroupOffset(at) for partition, at in offsets.items()}

    async def _commit_from_time_to_time(self) -> None:
        while True:
            await asyncio.sleep(self._settings.auto_commit_interval_ms / 1000)
            if self._membership.phase is Phase.STABLE:
                await self._committer.commit_due(None, 0)

    # -- where it is ------------------------------------------------------------------------------------------------

    @property
    def assignment(self) -> list[TopicPartition]:
        return sorted(self._owned)

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

    # -- partitions come and go -------------------------------------------------------------------------------------

    @property
    def _taken_up(self) -> bool:
        """What the group has given is what we have."""
        return self._generation_taken == self._membership.generation

    async def _rebalance(self) -> None:
        """Whatever of it needs the user."""
        me = self._membership
        while True:
            if self._driver.fresh is not None:
                await self._take_up()
            elif me.wants_preparation and me.fatal is None:
                await self._prepare()
                self._driver.wake()
            else:
                return

    async def _prepare(self) -> None:
        """Gives up what has to be given up before joining: all of it, unless the assignors are cooperative."""
        if self._settings.enable_auto_commit and not self._membership.lost:
            await self._committer.commit_due(None, LAST_COMMIT_MS)
        if self._membership.lost or self._membership.fatal is not None:
            await self._give_up(self._owned, self._on_lost)
        else:
            matched = set(self._topics.matched)
            unwanted = {partition for partition in self._owned if partition[0] not in matched}
            await self._give_up(unwanted if self._driver.cooperative else self._owned, self._on_revoked)
        self._membership.prepared()

    async def _take_up(self) -> None:
        fresh, self._driver.fresh = self._driver.fresh, None
        assert fresh is not None
        if fresh.generation != self._membership.generation:
            return
        unasked = sorted({topic for topic, _ in fresh.partitions} - set(self._topics.matched))
        if unasked:
            self._membership.rejoin(f"got partitions of {', '.join(unasked)}, which this member does not want")
            return
        gone = self._owned - set(fresh.partitions)
        if gone:
            if self._settings.enable_auto_commit:
                await self._committer.commit_due(gone, LAST_COMMIT_MS)
            await self._give_up(gone, self._on_revoked)
            self._membership.rejoin("gave up partitions that others wait for")
        new = [partition for partition in fresh.partitions if partition not in self._owned]
        self._begin({partition: fresh.committed[partition] for partition in new})
        self._generation_taken = fresh.generation
        if self._on_assigned is not None:
            await _call(self._on_assigned, sorted(new))

    def _begin(self, committed: Mapping[TopicPartition, GroupOffset]) -> None:
        reset = self._settings.auto_offset_reset
        places = {p: at.offset if at.offset >= 0 else RESETS.get(reset, EARLIEST) for p, at in committed.items()}
        epochs = {p: at.leader_epoch for p, at in committed.items()}
        self._consumer.add(places, self._stops, epochs=epochs)
        self._owned |= set(committed)
        self._committer.begun(committed)
        for partition, at in committed.items():
            if at.error is not None:
                self._consumer.refuse(partition, at.error)
            elif at.offset < 0 and reset not in RESETS:
                where = f"{partition[0]}:{partition[1]}"
                sentence = f"group {self.group_id!r} has committed nothing for {where}, and auto.offset.reset={reset}"
                self._consumer.refuse(partition, KafkaError(Err.OFFSET_OUT_OF_RANGE, sentence))

    async def _give_up(self, partitions: Iterable[TopicPartition], callback: Callback | None) -> None:
        gone = sorted(partitions)
        if gone and callback is not None:
            await _call(callback, gone)
        self._owned -= set(gone)
        self._consumer.remove(gone)
        self._committer.dropped(gone)

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
            if me.fatal is None and not me.lost:
                if all_processed:
                    self._committer.processed(self._owned)
                if self._settings.enable_auto_commit:
                    await self._committer.commit_due(None, LAST_COMMIT_MS)
            await self._give_up(self._owned, self._on_lost if me.lost or me.fatal is not None else self._on_revoked)
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
            async with asyncio.timeout(LAST_COMMIT_MS / 1000):
                await self._calls.leave("the consumer is being closed")
        except (KafkaError, TimeoutError) as error:
            log.info("the group could not be told that its member leaves: %s", error)

    def _crashed(self, error: KafkaError) -> None:
        self._membership.fatal = error
        self._news.set()


async def _call(callback: Callback, partitions: list[TopicPartition]) -> None:
    done = callback(partitions)
    if inspect.isawaitable(done):
        await done


def _told(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.warning("offsets could not be committed: %s", error)
