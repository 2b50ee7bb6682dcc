"""The interface of the metadata store: a tree of small nodes, each with bytes and a version, as in ZooKeeper.

Rules every implementation keeps (tests/coordination/conformance.py runs on each of them):

1. **Atomic.** A transaction happens whole or not at all, also when its process dies in the midst of it. Its operations
   are carried out in the order given, each seeing what the ones before it did.
2. **Durable.** When `transact` has returned, the change survives a crash of the process or the system, and a power cut.
3. **Serial.** Transactions of all processes happen one after the other. A read sees a state between two of them, never
   older than what the same store object has read or written before; `tree` is one such state, however large.
4. **Versions.** A node is made with version 0 and each `Set` adds 1; one that was deleted and made again begins at 0.
   An operation that names a version is refused unless it is the node's. So a value that was read can be changed
   knowing that nobody else has changed it in between (compare-and-set).
5. **Parents.** Missing parents are made in the same transaction, empty and with version 0. A node that has children
   cannot be deleted. The root always exists and is not a node that can be read or written.
6. **Refusals** raise `Conflict` with the path of the operation and leave everything as it was. `Unavailable` means that
   the store could not be reached or written: when it comes from `transact`, the change has not happened, or it did and
   only its confirmation was lost; reading again tells.

A path begins with `/`, does not end with it, and its names are not empty, `.` or `..`. A store object may be used by
several threads; calls wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from kq.errors import Err, KafkaError


class Node(NamedTuple):
    data: bytes
    version: int


class Check(NamedTuple):
    """The node exists and has this version; nothing changes."""

    path: str
    version: int


class Create(NamedTuple):
    """Makes a node that must not exist yet."""

    path: str
    data: bytes


class Set(NamedTuple):
    """Replaces the data of a node that must exist, and have this version if one is given."""

    path: str
    data: bytes
    version: int | None = None


class Delete(NamedTuple):
    """Removes a node that must exist without children, and have this version if one is given."""

    path: str
    version: int | None = None


Op = Check | Create | Set | Delete


class Conflict(Exception):
    """A transaction was refused because the tree is not as it assumed; nothing was changed."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"{self.path} {self.why}"


class Unavailable(KafkaError):
    """The store could not be read or written; answered as KAFKA_STORAGE_ERROR, on which clients try again."""

    def __init__(self, message: str) -> None:
        super().__init__(Err.KAFKA_STORAGE_ERROR, message)


class Store(Protocol):
    """See the rules at the top of this module."""

    def get(self, path: str) -> Node | None:
        """The node, or None."""

    def children(self, path: str) -> list[str]:
        """The names (not paths) of a node's children, sorted; none when there is no such node."""

    def tree(self, prefix: str) -> dict[str, Node]:
        """The node and everything below it, by path, as of one moment; `/` is the whole tree."""

    def transact(self, ops: Sequence[Op]) -> None:
        """Carries out all operations, or none and raises Conflict."""

    def close(self) -> None:
        """Lets go of the store. Nothing may be called afterwards."""


def check_path(path: str) -> None:
    """ValueError for what is no path of a node: a mistake of the caller, not of the tree."""
    names = path.split("/")
    if names[0] or not names[1:] or any(name in ("", ".", "..") or "\0" in name for name in names[1:]):
        raise ValueError(f"{path!r} is not the path of a node")


def parent_of(path: str) -> str:
    """The parent's path; `/` for a node at the top."""
    return path.rpartition("/")[0] or "/"


def join(parent: str, name: str) -> str:
    return f"/{name}" if parent == "/" else f"{parent}/{name}"
