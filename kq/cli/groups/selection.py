"""Which groups a command is about: names and globs against what the brokers list.

A name is looked for with its coordinator alone; only patterns, and names that do not exist, ask every broker for all of
its groups. A name that does not exist ends the command with exit 3 and the nearest name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kq.cli.partitions.names import parse_pattern
from kq.cli.run.failures import Failure, NotFound, Usage, did_you_mean, require_utf8
from kq.client import Admin
from kq.errors import Err, KafkaError

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, GroupDescription, GroupListing, GroupListings

READABLE = ("classic", "consumer", "")  # types whose members and commits kq can ask for; "": a broker too old to say


class WantedGroup(NamedTuple):
    """One word of the command line. `pattern` None: the name itself."""

    text: str
    pattern: re.Pattern[str] | None


def choose_groups(names: Sequence[str], *, regex: bool = False) -> list[WantedGroup]:
    """Reads the words; raises Usage where they make no sense."""
    return [WantedGroup(require_utf8(name, "group"), parse_pattern(name, regex=regex)) for name in names]


def required_groups(names: Sequence[str], command: str) -> list[str]:
    if not names:
        raise Usage(f"{command}: GROUP is missing")
    return list(names)


def one_group(words: Sequence[str], command: str) -> str:
    """For commands that are about a single group."""
    names = required_groups(words, command)
    if len(names) > 1:
        raise Usage(f"{command} is about one group: {' or '.join(names)}?")
    return require_utf8(names[0], "group")


def matching(wanted: Sequence[WantedGroup], known: Iterable[str], where: str) -> list[str]:
    """The groups that are meant, of all that there are; no words: all. Raises NotFound."""
    names = sorted(known)
    if not wanted:
        return names
    found: dict[str, None] = {}
    for text, pattern in wanted:
        hits = [name for name in names if (name == text if pattern is None else pattern.search(name))]
        if not hits:
            raise no_group(text, names, where) if pattern is None else NotFound(f"no group matches '{text}' on {where}")
        found |= dict.fromkeys(hits)
    return sorted(found)


def no_group(name: str, known: Iterable[str], where: str) -> NotFound:
    return NotFound(f"no group '{name}' on {where}{did_you_mean(name, known)}", code=Err.GROUP_ID_NOT_FOUND.name)


async def select_groups(cluster: Cluster, call: Call, wanted: Sequence[WantedGroup]) -> list[str]:
    """Ids of the groups that are meant. A plain name is not looked up: its coordinator will say whether it exists."""
    exact = [text for text, pattern in wanted if pattern is None]
    if wanted and len(exact) == len(wanted):
        return sorted(set(exact))
    listings = await list_all(cluster, call)
    patterns = [one for one in wanted if one.pattern is not None]
    readable = [name for name, listing in listings.groups.items() if listing.type in READABLE]
    return sorted({*exact, *matching(patterns, readable, call.settings.bootstrap)})


async def list_all(
    cluster: Cluster, call: Call, states: Sequence[str] = (), types: Sequence[str] = ()
) -> GroupListings:
    """What the brokers list; one that does not answer is named on stderr."""
    listings = await Admin(cluster).list_groups(states, types)
    for node, error in listings.errors.items():
        call.warn(f"broker {node}: {str(error).rstrip('.')}; its groups are missing")
    return listings


async def missing_group(cluster: Cluster, call: Call, name: str) -> Failure:
    """Why a group could not be described, when its coordinator says that there is none: it may be of a kind that kq
    does not read."""
    listings = await Admin(cluster).list_groups()
    there: GroupListing | None = listings.groups.get(name)
    if there is not None and there.type not in READABLE:
        words = f"{name} is a {there.type} group; kq reads classic and consumer groups"
        return Failure(words, code="UNSUPPORTED_GROUP_TYPE")
    return no_group(name, listings.groups, call.settings.bootstrap)


async def require_existing(cluster: Cluster, call: Call, described: Iterable[GroupDescription]) -> None:
    """Ends the command when one of these groups does not exist or cannot be described."""
    for group in described:
        if group.error is not None:
            raise (
                await missing_group(cluster, call, group.id)
                if group.error.code == Err.GROUP_ID_NOT_FOUND
                else KafkaError(group.error.code, f"group {group.id}: {str(group.error).rstrip('.')}")
            )
