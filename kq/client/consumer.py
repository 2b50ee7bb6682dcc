"""The consumer: partitions and places in, records out.

    async with Consumer(cluster) as consumer:
        consumer.assign({("orders", 0): EARLIEST, ("orders", 1): 4711}, stops={("orders", 1): 5000})
        while not consumer.finished:
            for fetched in await consumer.fetch():
                handle(fetched.values())

Rules
- Records of one partition come in order, each once, from the place given up to the stop. Offsets may have gaps.
- Only what counts comes: no control records, and under isolation.level=read_committed nothing of aborted or open
  transactions.
- `position` is behind what `fetch` has returned, not behind what has been read ahead. `seek`, `pause` and a new
  `assign` drop what was read ahead.
- A place that does not exist (any more) moves by auto.offset.reset; with `none` it is an error of that partition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from kq.client.admin.calls import Admin
from kq.client.admin.types import EARLIEST, LATEST, TopicPartition
from kq.client.cluster import Cluster
from kq.client.errands import Errands
from kq.client.fetched import Fetched
from kq.client.fetcher import Fetcher
from kq.client.housekeeper import Housekeeper
from kq.client.reading import Reader, Watermarks
from kq.client.settings import ClientSettings
from kq.errors import Err, KafkaError

__all__ = ["Consumer"]


class Consumer:
    """Made inside a running event loop. `settings` replace the cluster's for this consumer; `news` is set when `take`
    may have something."""

    def __init__(
        self, cluster: Cluster, settings: ClientSettings | None = None, *, news: asyncio.Event | None = None
    ) -> None:
        self._readers: dict[TopicPartition, Reader] = {}
        # Those that are not finished, and some that are: only `seek` makes a finished reader go on, and puts it back.
        self._unfinished: list[Reader] = []
        self._news = news or asyncio.Event()
        settings = settings or cluster.settings
        self._isolation_level = settings.isolation_level
        self._admin = Admin(cluster)
        self._errands = Errands(finished=self._wake, crashed=lambda error: self._fetcher.crashed(error))
        self._fetcher = Fetcher(cluster, settings, self._readers, self._errands, self._news.set, self._wake)
        self._housekeeper = Housekeeper(cluster, settings, self._readers, self._fetcher)
        self._errands.start(self._housekeeper.run())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- what to read --

    def assign(self, places: Mapping[TopicPartition, int], stops: Mapping[TopicPartition, int] | None = None) -> None:
        """Reads these partitions from these offsets, or from EARLIEST or LATEST, and no others.

        At its offset in `stops` a partition ends: the record there is not read. Nothing of an earlier assignment stays.
        KafkaError(INVALID_REQUEST) for what is no offset; the earlier assignment then stays as it was.
        """
        stops = stops or {}
        readers = {
            (topic, partition): Reader(topic, partition, _place(place), _stop(stops.get((topic, partition))))
            for (topic, partition), place in places.items()
        }
        for reader in self._readers.values():
            reader.turn += 1  # whatever is under way for it is nobody's any more
        self._fetcher.touch(*self._readers.values())
        self._readers.clear()
        self._readers.update(readers)
        self._unfinished = list(readers.values())
        self._wake()

    def add(
        self,
        places: Mapping[TopicPartition, int],
        stops: Mapping[TopicPartition, int] | None = None,
        *,
        epochs: Mapping[TopicPartition, int] | None = None,
    ) -> None:
        """Reads these partitions too. `epochs`: of the leaders under which what lies before was read, -1 if unknown."""
        for (topic, partition), place in places.items():
            stop = (stops or {}).get((topic, partition))
            reader = Reader(topic, partition, _place(place), _stop(stop))
            reader.epoch_read = (epochs or {}).get((topic, partition), -1)
            self._readers[topic, partition] = reader
            self._unfinished.append(reader)
        self._wake()

    def remove(self, partitions: Iterable[TopicPartition]) -> None:
        """Reads these no more. Of the others nothing is lost."""
        removed = [self._readers.pop(partition) for partition in partitions]
        for reader in removed:
            reader.turn += 1
        self._fetcher.touch(*removed)
        self._unfinished = [reader for reader in self._readers.values() if not reader.finished]
        self._wake()

    def refuse(self, partition: TopicPartition, error: KafkaError) -> None:
        """Nothing comes of this partition, but once this error, until `seek`."""
        self._fetcher.complain(self._reader(partition), error)

    @property
    def assigned(self) -> list[TopicPartition]:
        return list(self._readers)

    def seek(self, partition: TopicPartition, place: int) -> None:
        """The next record is the one at this offset; also after an error of the partition."""
        reader = self._reader(partition)
        reader.move(_place(place))
        self._unfinished.append(reader)
        self._fetcher.touch(reader)
        self._wake()

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Nothing comes from these until `resume`."""
        for partition in partitions:
            reader = self._reader(partition)
            if not reader.paused:
                reader.paused = True
                if reader.position is not None and reader.stopped is None:
                    reader.move(reader.position)
                self._fetcher.touch(reader)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            self._reader(partition).paused = False
        self._wake()

    # -- where it is --

    def position(self, partition: TopicPartition) -> int | None:
        """The next offset that `fetch` will return; None until EARLIEST or LATEST has been looked up."""
        return self._reader(partition).position

    def watermarks(self, partition: TopicPartition) -> Watermarks:
        """Where the partition begins and ends, as of the last answer about it."""
        return self._reader(partition).watermarks

    async def end_offsets(self, partitions: Iterable[TopicPartition] | None = None) -> dict[TopicPartition, int]:
        """Where these (or the assigned) partitions end now, for this isolation level; raises the first error."""
        places = dict.fromkeys(self._readers if partitions is None else partitions, LATEST)
        listed = await self._admin.list_offsets(places, isolation_level=self._isolation_level)
        for end in listed.values():
            if end.error is not None:
                raise end.error
        return {partition: end.offset for partition, end in listed.items()}

    @property
    def finished(self) -> bool:
        """Every partition has reached its stop, or has ended in an error."""
        while self._unfinished and self._unfinished[-1].finished:
            self._unfinished.pop()
        return not self._unfinished

    @property
    def trouble(self) -> KafkaError | None:
        """Why nothing comes at the moment, while a broker cannot be asked; it is being tried again."""
        return self._fetcher.trouble

    # -- records --

    async def fetch(self, timeout_ms: float | None = None) -> list[Fetched]:
        """All that has come since the last call; waits until there is something, or so long.

        Empty when time is over, when nothing is assigned, or when all is finished. Raises what concerns all partitions
        (the user was refused); errors of single ones come as Fetched with an error.
        """
        try:
            async with asyncio.timeout(None if timeout_ms is None else timeout_ms / 1000):
                while True:
                    self._news.clear()
                    fetched = self.take()
                    if fetched or self.finished:
                        return fetched
                    await self._news.wait()
        except TimeoutError:
            return []

    def take(self) -> list[Fetched]:
        """What `fetch` gives, without waiting."""
        fetched = self._fetcher.take()
        if self._fetcher.fatal is not None and not fetched:
            raise self._fetcher.fatal
        return fetched

    async def close(self) -> None:
        await self._errands.close()
        await self._fetcher.close()

    def _wake(self) -> None:
        self._news.set()
        self._housekeeper.wake()

    def _reader(self, partition: TopicPartition) -> Reader:
        reader = self._readers.get(partition)
        if reader is None:
            raise KafkaError(Err.INVALID_REQUEST, f"{partition[0]}:{partition[1]} is not assigned to this consumer")
        return reader


def _place(place: int) -> int:
    if place >= 0 or place in {EARLIEST, LATEST}:
        return place
    raise KafkaError(Err.INVALID_REQUEST, f"{place} is not an offset, nor EARLIEST or LATEST")


def _stop(stop: int | None) -> int | None:
    if stop is None or stop >= 0:
        return stop
    raise KafkaError(Err.INVALID_REQUEST, f"{stop} is not an offset to stop at")
