"""Files and directories of the disk in memory, and what a loss of power leaves of them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass
class Write:
    position: int
    data: bytes
    is_doomed: bool = False  # a sync failed on it

    def apply(self, content: bytearray) -> None:
        if len(content) < self.position:
            content.extend(bytes(self.position - len(content)))
        content[self.position : self.position + len(self.data)] = self.data


@dataclass
class Truncation:
    size: int
    is_doomed: bool = False

    def apply(self, content: bytearray) -> None:
        del content[self.size :]
        content.extend(bytes(self.size - len(content)))


class Inode:
    """The bytes of a file: what is seen, what a crash cannot take, and the way from the second to the first."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)
        self.durable = bytearray(content)
        self.pending: list[Write | Truncation] = []

    def change(self, one: Write | Truncation) -> None:
        one.apply(self.content)
        self.pending.append(one)

    def sync(self) -> None:
        for one in self.pending:
            if not one.is_doomed:
                one.apply(self.durable)
        self.pending = []

    def sync_fails(self) -> None:
        for one in self.pending:
            one.is_doomed = True

    def after_crash(self, rng: Random) -> Inode:
        found = bytearray(self.durable)
        keep_all, drop_all = rng.random() < 0.2, rng.random() < 0.2
        for one in self.pending:
            fate = 0.0 if keep_all else 1.0 if drop_all else rng.random()
            if one.is_doomed or fate > 0.6:
                continue
            if isinstance(one, Truncation) or fate < 0.3:
                one.apply(found)
            else:
                _torn(one, fate, rng).apply(found)
        return Inode(bytes(found))


def _torn(write: Write, fate: float, rng: Random) -> Write:
    at = rng.randrange(len(write.data) + 1)
    if fate < 0.4:
        return Write(write.position, write.data[:at])
    if fate < 0.5:
        return Write(write.position + at, write.data[at:])
    return Write(write.position, write.data[:at] + bytes(len(write.data) - at))


class Directory:
    """Names, what of them a crash cannot take, and the changes since: (old name or None, new name or None, node)."""

    def __init__(self) -> None:
        self.names: dict[str, Inode | Directory] = {}
        self.durable: dict[str, Inode | Directory] = {}
        self.pending: list[tuple[str | None, str | None, Inode | Directory]] = []

    def change(self, old: str | None, new: str | None, node: Inode | Directory) -> None:
        self.pending.append((old, new, node))
        self._apply(self.names, old, new, node)

    @staticmethod
    def _apply(names: dict[str, Inode | Directory], old: str | None, new: str | None, node: Inode | Directory) -> None:
        if old is not None and names.get(old) is not node:
            return  # an earlier change was lost, this one has nothing to work on
        if old is not None:
            del names[old]
        if new is not None:
            names[new] = node

    def sync(self) -> None:
        self.durable = dict(self.names)
        self.pending = []

    def after_crash(self, rng: Random) -> Directory:
        names = dict(self.durable)
        chance = rng.choice((0.0, 0.5, 1.0))
        for change in self.pending:
            if rng.random() < chance:
                self._apply(names, *change)
        found = Directory()
        found.names = {name: node.after_crash(rng) for name, node in names.items()}
        found.durable = dict(found.names)
        return found
