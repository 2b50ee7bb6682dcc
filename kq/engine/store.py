"""All partitions of one data directory: found, checked, loaded, made, deleted, and closed again.

A start (`load`):
1. The clean-shutdown marker is taken away. If it was there no log is scanned, but for one without a recovery point in
   the checkpoint (copied in by hand). If it was not, each log is scanned from its recovery point on, a few at a time in
   threads.
2. A directory of a known topic is loaded if its topic id fits; what is refused or a stray (survey.py) is left as it
   is and reported. One partition that cannot be loaded keeps no other from being served.
3. What a deletion left over is collected.

A refused directory is in the way of its partition: that is not served, and not made anew either, so that what was put
there by mistake can be put right. It is so until the topic is deleted. A stranger or a stray that is then in the way of
a new partition is renamed to `-stray` and kept, for nobody here knows what it is worth. (Kafka's LogManager renames all
that the metadata does not know, at its start.)

What is promised:
- No crash undoes a `create` or a `delete` that has returned: the data directory is synced, once for many of them inside
  `one_sync`. What `partition.metadata` says is not synced, as in Kafka: the metadata store knows it, and the next start
  writes it again.
- Checkpoints are synced. A partition made anew is taken out of them first: it must not inherit the recovery point or
  the log start of the one that had its name.
- After `close` every log is durable, and the marker says so; if one could not be closed there is no marker.

`get`, `logs` and what only looks may be called from any thread; everything else from one.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Final

from kq.engine import checkpoint
from kq.engine.directory import ClusterId, DataDirectory
from kq.engine.disk import Disk
from kq.engine.doomed import Doomed
from kq.engine.log import Log
from kq.engine.offsets import Key, OffsetCheckpoints
from kq.engine.partition_names import Kind, directory_name, suffixed_name
from kq.engine.settings import LogSettings
from kq.engine.survey import Found, Refused, survey
from kq.errors import Err, KafkaError

_LOG: Final = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with how many partitions are loaded, and of how many."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    was_clean: bool
    loaded: int
    scanned: int  # of those, not closed cleanly: read from their recovery point on
    refused: tuple[Refused, ...]
    strays: tuple[Found, ...]
    ignored: tuple[str, ...]  # names of directories that are no partition in use


class LogStore:
    """The logs of one broker, by topic and partition."""

    def __init__(self, disk: Disk, directory: DataDirectory) -> None:
        self._disk = disk
        self._directory = directory
        self._logs: dict[Key, Log] = {}
        self._refused: dict[Key, Refused] = {}
        self._doomed = Doomed(disk)
        self._offsets = OffsetCheckpoints(directory)
        self._renames = count()
        self._syncs_later = False  # inside `one_sync`
        self._is_loaded = False
        self._now_ms = 0  # as last told

    @classmethod
    def open(cls, disk: Disk, data_dir: str, *, node_id: int, cluster_id: ClusterId) -> LogStore:
        """Takes the data directory, making it if need be. Raises DirectoryInUse, ForeignDirectory, OSError."""
        return cls(disk, DataDirectory.open(disk, os.path.abspath(data_dir), node_id=node_id, cluster_id=cluster_id))

    @property
    def data_dir(self) -> str:
        return self._directory.path

    @property
    def high_watermarks(self) -> Mapping[Key, int]:
        """As they were last checkpointed, until `load`."""
        return self._offsets.high_watermarks

    # ---- loading

    def load(
        self,
        settings_for: Callable[[str], LogSettings],
        topic_ids: Mapping[str, bytes],
        *,
        now_ms: int,
        workers: int = 2,
        progress: Progress | None = None,
    ) -> LoadReport:
        """Opens every partition of the topics in `topic_ids`; once, before anything else. `settings_for` is asked once
        a topic; `progress` is called in this thread."""
        self._now_ms = now_ms
        self._directory.remove_marker()
        found = survey(self._disk, self.data_dir, topic_ids)
        for path in found.leftovers:
            self._doomed.add(path, now_ms)
        settings = {topic: settings_for(topic) for topic in {one.topic for one in found.known}}
        was_clean = self._directory.was_clean
        quick = [one for one in found.known if was_clean and one.key in self._offsets.recovery_points]
        slow = [one for one in found.known if not was_clean or one.key not in self._offsets.recovery_points]

        def open_log(one: Found, *, clean: bool) -> Log | str:
            return self._open_log(one, settings[one.topic], topic_ids[one.topic], clean=clean)

        for done, (one, outcome) in enumerate(_open_all(open_log, quick, slow, workers), 1):
            if isinstance(outcome, Log):
                self._logs[one.key] = outcome
            else:
                found.refused.append(Refused(one.topic, one.partition, one.path, outcome, is_foreign=False))
            if progress is not None:
                progress(done, len(found.known))
        for refused in found.refused:
            _LOG.error("%s", refused)
        self._refused = {one.key: one for one in found.refused if one.topic in topic_ids}
        unloaded = {one.key for one in found.refused} | {one.key for one in found.strays}
        self._offsets.loaded(unloaded, was_clean=was_clean)
        self._is_loaded = True
        return LoadReport(
            was_clean=was_clean,
            loaded=len(self._logs),
            scanned=len(slow),
            refused=tuple(found.refused),
            strays=tuple(found.strays),
            ignored=tuple(found.ignored),
        )

    def _open_log(self, one: Found, settings: LogSettings, topic_id: bytes, *, clean: bool) -> Log | str:
        """The log, or the sentence why it cannot be served. Runs in a thread of the pool, for a scan."""
        try:
            if one.topic_id is None:
                self._write_partition_metadata(one.path, topic_id)
            log = Log.open(
                self._disk,
                one.path,
                one.topic,
                one.partition,
                settings,
                now_ms=self._now_ms,
                clean=clean,
                recovery_point=self._offsets.recovery_points.get(one.key, 0),
                log_start_offset=self._offsets.log_starts.get(one.key, 0),
            )
            log.compaction.note_clean(self._offsets.clean_offsets.get(one.key, 0), log.log_end_offset)
            return log
        except OSError as error:
            return f"it cannot be read: {error}."
        except KafkaError as error:
            return str(error)

    # ---- looking

    def get(self, topic: str, partition: int) -> Log | None:
        return self._logs.get((topic, partition))

    def logs(self) -> list[Log]:
        return list(self._logs.values())

    def refusal(self, topic: str, partition: int) -> Refused | None:
        """Why this partition of a known topic is not served though it is there."""
        return self._refused.get((topic, partition))

    def highest_producer_id(self) -> int:
        """The highest id that any log or snapshot was found to hold, or holds since; -1: none."""
        return max((log.producers.highest_producer_id for log in self._logs.values()), default=-1)

    # ---- making and deleting

    def create(
        self, topic: str, partition: int, topic_id: bytes, settings: LogSettings, *, now_ms: int | None = None
    ) -> Log:
        """A new, empty log; a directory that has its name is set aside. KafkaError(KAFKA_STORAGE_ERROR) when the disk
        refuses, or the partition is there and was refused."""
        key = topic, partition
        if key in self._logs:
            raise ValueError(f"{topic}-{partition} is there already")
        if key in self._refused:
            raise KafkaError(Err.KAFKA_STORAGE_ERROR, str(self._refused[key]))
        self._now_ms = self._now_ms if now_ms is None else now_ms
        path = os.path.join(self.data_dir, directory_name(topic, partition))
        try:
            if self._disk.exists(path):
                aside = self._rename(key, path, Kind.STRAY)
                _LOG.warning("%s was in the way of a new partition, and is %s now", path, aside)
            self._offsets.forget(key, self._logs)
            log = self._logs[key] = self._make(key, path, topic_id, settings)
        except OSError as error:
            raise KafkaError(Err.KAFKA_STORAGE_ERROR, f"Could not make {path}: {error.strerror}.") from error
        return log

    def _make(self, key: Key, path: str, topic_id: bytes, settings: LogSettings) -> Log:
        try:
            self._disk.make_directory(path)
            self._write_partition_metadata(path, topic_id)
            log = Log.open(self._disk, path, *key, settings, now_ms=self._now_ms, clean=True)
            self._sync()
        except (OSError, KafkaError):
            self._disk.remove_tree(path)
            raise
        return log

    def delete(self, topic: str, partition: int, now_ms: int) -> None:
        """The log is gone at once; its files go with `collect`, file.delete.delay.ms from now on. What could not be
        loaded goes too, without delay; a stranger in its place stays where it is. KafkaError(KAFKA_STORAGE_ERROR) when
        the disk refuses: it is closed, but not deleted."""
        key = topic, partition
        self._now_ms = now_ms
        log, refused = self._logs.pop(key, None), self._refused.pop(key, None)
        path = os.path.join(self.data_dir, directory_name(topic, partition))
        due_ms = now_ms
        try:
            if log is not None:
                due_ms += log.settings.file_delete_delay_ms
                log.discard()
            elif refused is None or refused.is_foreign:
                return
            self._doomed.add(self._rename(key, path, Kind.DELETED), due_ms)
            self._sync()
        except OSError as error:
            raise KafkaError(Err.KAFKA_STORAGE_ERROR, f"Could not delete {path}: {error.strerror}.") from error

    @contextmanager
    def one_sync(self) -> Iterator[None]:
        """What is created and deleted inside is promised when the block ends, by one sync for all of it."""
        self._syncs_later = True
        try:
            yield
        finally:
            self._syncs_later = False
            try:
                self._sync()
            except OSError as error:
                raise KafkaError(
                    Err.KAFKA_STORAGE_ERROR, f"Could not sync {self.data_dir}: {error.strerror}."
                ) from error

    def collect(self, now_ms: int) -> bool:
        """Delete files that are due: segments the logs have let go of, and some of deleted partitions (doomed.py); True
        when more of those are waiting."""
        for log in self.logs():
            try:
                log.collect_deleted(now_ms)
            except OSError as error:
                _LOG.warning("files of %s cannot be deleted now: %s", log.directory, error)
        return self._doomed.collect(now_ms)

    def _rename(self, key: Key, path: str, kind: Kind) -> str:
        topic, partition = key
        seed = f"{topic}-{partition} {kind.value} {self._now_ms} {next(self._renames)}"
        unique = hashlib.sha256(seed.encode()).digest()[:16]
        new_path = os.path.join(self.data_dir, suffixed_name(topic, partition, unique, kind))
        self._disk.rename(path, new_path)
        return new_path

    def _sync(self) -> None:
        if not self._syncs_later:
            self._disk.sync_directory(self.data_dir)

    def _write_partition_metadata(self, path: str, topic_id: bytes) -> None:
        data = checkpoint.encode_partition_metadata(topic_id)
        self._disk.replace(os.path.join(path, checkpoint.PARTITION_METADATA), data, sync=False)

    # ---- checkpoints and the end

    def checkpoint(self, high_watermarks: Mapping[Key, int] | None = None) -> None:
        """Write the offset checkpoints and sync them. Without `high_watermarks` each is its log's end: so it is where
        every partition has one replica. Raises OSError."""
        self._offsets.write(self._logs, high_watermarks)

    def close(self, clean: bool = True, *, workers: int = 4) -> None:
        """Closes and syncs every log, checkpoints, writes the marker, frees the directory; not `clean`: writes nothing,
        as if the process had died. KafkaError(KAFKA_STORAGE_ERROR) when a log could not be closed: there is no marker
        then, and the next start scans."""
        try:
            if clean and self._is_loaded:
                self._close_logs(workers)
        finally:
            for log in self._logs.values():
                log.discard()
            self._logs.clear()
            self._directory.release()

    def _close_logs(self, workers: int) -> None:
        with ThreadPoolExecutor(workers, "closing") as pool:
            faults = [fault for fault in pool.map(_close_log, self._logs.values()) if fault]
        try:
            self.checkpoint()
            if not faults:
                self._directory.write_marker()
        except OSError as error:
            faults.append(f"{self.data_dir}: {error.strerror}.")
        if faults:
            raise KafkaError(Err.KAFKA_STORAGE_ERROR, f"{len(faults)} could not be closed; the first: {faults[0]}")


def _open_all(
    open_log: Callable[..., Log | str], quick: list[Found], slow: list[Found], workers: int
) -> Iterator[tuple[Found, Log | str]]:
    """The quick ones in this thread, those that must be scanned in several."""
    for one in quick:
        yield one, open_log(one, clean=True)
    with ThreadPoolExecutor(workers, "recovery") as pool:
        yield from zip(slow, pool.map(partial(open_log, clean=False), slow), strict=True)


def _close_log(log: Log) -> str:
    """What went wrong; empty if nothing. A log that never held anything has nothing to make durable, not even the name
    of its file: an empty directory is an empty log too. Of many partitions most are like that."""
    if log.log_end_offset == 0 and not log.failed:
        log.discard()
        return ""
    try:
        log.close()
    except KafkaError as error:
        return f"{log.topic}-{log.partition}: {error}"
    return ""
