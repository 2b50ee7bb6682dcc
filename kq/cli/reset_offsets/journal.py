"""The journal: every executed reset, kept on this machine, so that the last one can be undone.

    ~/.local/state/kq/resets/CLUSTER/GROUP/20261122T140322.118000Z.json     (XDG_STATE_HOME is honoured)

Rules
- One file a reset: what was committed before, and what after. It is written and synced before the commit is sent: after
  a crash at any moment the way back is there.
- Partitions whose commit the coordinator refused are taken out again; a reset that moved nothing leaves no file.
- An undo is journalled too, and names what it undoes. The last reset is the newest that is no undo, of which something
  has not been undone yet: so repeated undoing goes back step by step.
- Names in order are resets in order, also where the clock was set back.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from kq.cli.run.failures import Failure, Hint, os_reason
from kq.client import GroupOffset, TopicPartition

VERSION = 1
LONGEST_NAME = 200  # bytes of a directory's name; file systems take 255


class Move(NamedTuple):
    topic_id: str  # 22 characters: a topic made anew under its name is another one
    before: GroupOffset | None
    after: GroupOffset | None


class Entry(NamedTuple):
    path: Path
    group: str
    cluster_id: str
    command: str
    at_ms: int
    undoes: str | None  # name of another file
    moves: Mapping[TopicPartition, Move]

    @property
    def name(self) -> str:
        return self.path.name


def journal_of(environ: Mapping[str, str], cluster_id: str, group: str) -> Path:
    """The directory of a group's entries."""
    state = Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "kq" / "resets" / _file_name(cluster_id) / _file_name(group)


def _file_name(name: str) -> str:
    """Any name as one that a directory can have, and no other name has."""
    quoted = quote(name, safe="").replace(".", "%2E") or "%"
    if len(quoted) <= LONGEST_NAME:
        return quoted
    import hashlib

    return f"{quoted[:LONGEST_NAME]}%{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def write(
    directory: Path,
    *,
    group: str,
    cluster_id: str,
    command: str,
    moves: Mapping[TopicPartition, Move],
    undoes: str | None,
) -> Entry:
    """Makes the entry durable. Raises Failure where that cannot be done: then nothing may be sent."""
    now_ns = time.time_ns()
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = directory / _next_name(directory, now_ns // 1000)
        entry = Entry(path, group, cluster_id, command, now_ns // 1_000_000, undoes, moves)
        _save(entry)
        # The directories above may be new as well.
        for above in (directory, *directory.parents[:4]):
            _sync(above)
    except OSError as fault:
        raise Failure(
            f"the reset cannot be journalled in {directory}: {os_reason(fault)}; nothing has been changed",
            Hint("elsewhere", "XDG_STATE_HOME=DIR kq reset-offsets …"),
            code="NOT_JOURNALLED",
        ) from fault
    return entry


def take_out(entry: Entry, refused: Collection[TopicPartition]) -> None:
    """These partitions have not been moved after all."""
    moves = {pair: move for pair, move in entry.moves.items() if pair not in refused}
    if moves:
        _save(entry._replace(moves=moves))
    else:
        entry.path.unlink(missing_ok=True)
    _sync(entry.path.parent)


def last(directory: Path) -> Entry | None:
    """The last reset, with those of its partitions that have not been undone."""
    undone: dict[str, set[TopicPartition]] = {}
    for path in sorted(_entries(directory), reverse=True):
        entry = _load(path)
        if entry.undoes is not None:
            undone.setdefault(entry.undoes, set()).update(entry.moves)
            continue
        left = {pair: move for pair, move in entry.moves.items() if pair not in undone.get(entry.name, ())}
        if left:
            return entry._replace(moves=left)
    return None


# -- files -------------------------------------------------------------------------------------------------------------

_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z\.json")


def _entries(directory: Path) -> Iterable[Path]:
    return [path for path in directory.glob("*.json") if _NAME.fullmatch(path.name)] if directory.is_dir() else []


def _next_name(directory: Path, now_us: int) -> str:
    newest = max((path.name for path in _entries(directory)), default="")
    name = _name_at(now_us)
    while name <= newest:  # the clock was set back, or two in one microsecond
        now_us = max(now_us, _us_of(newest)) + 1
        name = _name_at(now_us)
    return name


def _name_at(at_us: int) -> str:
    seconds, us = divmod(at_us, 1_000_000)
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(seconds))}.{us:06}Z.json"


def _us_of(name: str) -> int:
    import calendar

    return calendar.timegm(time.strptime(name[:15], "%Y%m%dT%H%M%S")) * 1_000_000 + int(name[16:22])


def _save(entry: Entry) -> None:
    """Whole or not at all."""
    document = {
        "_command": "reset-offsets",
        "_version": VERSION,
        "group": entry.group,
        "cluster_id": entry.cluster_id,
        "command": entry.command,
        "at_ms": entry.at_ms,
        "undoes": entry.undoes,
        "partitions": [
            {
                "topic": topic,
                "partition": partition,
                "topic_id": move.topic_id,
                "before": _commit_json(move.before),
                "after": _commit_json(move.after),
            }
            for (topic, partition), move in sorted(entry.moves.items())
        ],
    }
    unfinished = entry.path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=False, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(entry.path)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _load(path: Path) -> Entry:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["_version"] != VERSION:
            raise Failure(f"{path}: written by a newer kq (version {document['_version']})")
        moves = {
            (item["topic"], item["partition"]): Move(
                item["topic_id"], _commit_of(item["before"]), _commit_of(item["after"])
            )
            for item in document["partitions"]
        }
        return Entry(
            path,
            document["group"],
            document["cluster_id"],
            document["command"],
            document["at_ms"],
            document["undoes"],
            moves,
        )
    except (ValueError, KeyError, TypeError) as fault:
        raise Failure(f"{path}: not an entry of the journal; move it away to undo what came before it") from fault


def _commit_json(commit: GroupOffset | None) -> dict[str, Any] | None:
    if commit is None:
        return None
    return {"offset": commit.offset, "leader_epoch": commit.leader_epoch, "metadata": commit.metadata}


def _commit_of(document: dict[str, Any] | None) -> GroupOffset | None:
    if document is None:
        return None
    return GroupOffset(document["offset"], document["leader_epoch"], document["metadata"])
