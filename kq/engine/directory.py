"""The data directory itself: whose it is, whether its last broker stopped cleanly, the offset checkpoints.

    .lock                              held while a broker runs, kq or Apache Kafka; has its pid
    meta.properties                    node and cluster the directory belongs to; written once
    .kafka_cleanshutdown               every log was synced and closed: nothing has to be scanned
    *-offset-checkpoint                recovery points, log starts, high watermarks of all partitions

Rules:
1. A directory belongs to one process at a time (`DirectoryInUse`) and for ever to one node of one cluster
   (`ForeignDirectory`). Both are asked before anything is written.
2. The marker is removed, and its removal synced, before the first log is touched, and written after the last one is
   synced: a marker that is there is true. Kafka does not sync its removal, so a power failure can bring it back there.
3. Checkpoints are hints that make recovery shorter. A missing or damaged one costs a longer recovery, never data: an
   unknown recovery point counts as 0.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from kq.engine import checkpoint
from kq.engine.checkpoint import CorruptCheckpoint, MetaProperties
from kq.engine.disk import Locked

if TYPE_CHECKING:
    from kq.engine.disk import Disk, Lock

_LOG: Final = logging.getLogger(__name__)

LOCK_FILE: Final = ".lock"

Offsets = Mapping[tuple[str, int], int]
ClusterId = str | Callable[[str | None], str]
"""Of the node that opens the directory. A function is asked once the directory is locked; it is told which cluster the
directory says it belongs to, None for a new one."""


class DirectoryInUse(Exception):
    """Another process has the data directory."""

    def __init__(self, path: str, pid: int | None) -> None:
        by = f"process {pid}" if pid else "another process"
        super().__init__(f"The data directory {path} is in use by {by}.")
        self.path = path
        self.pid = pid


class ForeignDirectory(Exception):
    """The data directory belongs to another node or cluster, or says nothing that can be read about it."""


class DataDirectory:
    """One data directory, locked until `release`."""

    def __init__(self, disk: Disk, path: str, lock: Lock, meta: MetaProperties) -> None:
        self._disk = disk
        self._lock = lock
        self._written: dict[str, bytes] = {}
        self.path = path
        self.meta = meta
        self.was_clean = disk.exists(self.file(checkpoint.CLEAN_SHUTDOWN))

    @classmethod
    def open(cls, disk: Disk, path: str, *, node_id: int, cluster_id: ClusterId) -> DataDirectory:
        """Makes it if need be; `path` is absolute. Raises DirectoryInUse, ForeignDirectory, OSError."""
        _make(disk, path)
        lock_path = os.path.join(path, LOCK_FILE)
        try:
            lock = disk.lock(lock_path)
        except Locked as error:
            raise DirectoryInUse(path, _pid_in(disk, lock_path)) from error
        try:
            meta = _claim(disk, path, node_id, cluster_id)
            _write_pid(disk, lock_path)
            return cls(disk, path, lock, meta)
        except BaseException:
            lock.release()
            raise

    def file(self, name: str) -> str:
        return os.path.join(self.path, name)

    def remove_marker(self) -> None:
        """From here on the directory counts as stopped uncleanly, until `write_marker`."""
        if self._disk.exists(self.file(checkpoint.CLEAN_SHUTDOWN)):
            self._disk.unlink(self.file(checkpoint.CLEAN_SHUTDOWN))
            self._disk.sync_directory(self.path)

    def write_marker(self, broker_epoch: int = -1) -> None:
        """Only after every log has been synced and closed. An unknown broker epoch is -1."""
        data = checkpoint.encode_clean_shutdown(broker_epoch)
        self._disk.replace(self.file(checkpoint.CLEAN_SHUTDOWN), data, sync=True)

    def read_offsets(self, name: str) -> dict[tuple[str, int], int]:
        """What the checkpoint file says; nothing, when it says nothing that can be read (rule 3)."""
        try:
            return checkpoint.decode_offsets(self._disk.read(self.file(name)))
        except FileNotFoundError:
            return {}
        except CorruptCheckpoint as fault:
            _LOG.warning("%s is of no use: %s", self.file(name), fault)
            return {}

    def write_offsets(self, name: str, offsets: Offsets) -> None:
        """Once this has returned no crash brings the old ones back. Nothing is written when nothing has changed."""
        data = checkpoint.encode_offsets(offsets)
        if self._written.get(name) != data:
            self._disk.replace(self.file(name), data, sync=True)
            self._written[name] = data

    def release(self) -> None:
        self._lock.release()


def _make(disk: Disk, path: str) -> None:
    """The directory and what is missing above it, so that no crash takes them away again."""
    above: list[str] = []
    missing = path
    while not disk.exists(missing) and (parent := os.path.dirname(missing)) != missing:
        above.append(parent)
        missing = parent
    disk.make_directory(path)
    for parent in above:
        disk.sync_directory(parent)


def _claim(disk: Disk, path: str, node_id: int, cluster: ClusterId) -> MetaProperties:
    file = os.path.join(path, checkpoint.META_PROPERTIES)
    meta = _read_meta(disk, file)
    cluster_id = cluster if isinstance(cluster, str) else cluster(None if meta is None else meta.cluster_id)
    if meta is None:
        meta = MetaProperties(cluster_id, node_id, _directory_id(path, node_id, cluster_id))
        disk.replace(file, checkpoint.encode_meta_properties(meta), sync=True)
        return meta
    if meta.cluster_id != cluster_id:
        raise ForeignDirectory(
            f"The data directory {path} belongs to cluster {meta.cluster_id}, this broker to cluster {cluster_id}."
        )
    if meta.node_id != node_id:
        raise ForeignDirectory(
            f"The data directory {path} belongs to node {meta.node_id}, this broker is node {node_id}."
        )
    return meta


def _read_meta(disk: Disk, file: str) -> MetaProperties | None:
    try:
        return checkpoint.decode_meta_properties(disk.read(file))
    except FileNotFoundError:
        return None
    except CorruptCheckpoint as error:
        raise ForeignDirectory(
            f"{file} cannot be read: {error}. It says whose data this is: restore it, or name another data directory."
        ) from error


def _directory_id(path: str, node_id: int, cluster_id: str) -> str:
    """Unique without asking for randomness: a node of a cluster has one directory at one place."""
    name = f"{cluster_id} {node_id} {path}"
    return checkpoint.id_text(hashlib.sha256(name.encode()).digest()[:16])


def _write_pid(disk: Disk, lock_path: str) -> None:
    """In place: a file put in its stead would be another file, without the lock."""
    try:
        file = disk.create(lock_path)
    except FileExistsError:  # the usual case: it is the file that was locked
        file = disk.open(lock_path)
    try:
        file.truncate(0)
        file.write(0, b"%d\n" % os.getpid())
    finally:
        file.close()


def _pid_in(disk: Disk, lock_path: str) -> int | None:
    """Whoever holds the lock wrote its pid, unless it is Apache Kafka or has only just got it."""
    text = disk.read(lock_path)[:20].strip()
    return int(text) if text.isdigit() else None
