"""Where the data of a broker lies that is about to be started.

`--data-dir`, else `KQ_DATA_DIR`, else `log.dirs`, else `log.dir` (of `-s` or the file), else the XDG data directory.
What names another directory and is not followed is said, so that nobody looks for data where none is. kq keeps all of
it in one directory: several in `log.dirs` are refused unless a flag or the environment decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from kq.cli.broker.running import default_directory, home_short, named_directory
from kq.cli.run.failures import Hint, Usage

SETTINGS = ("log.dirs", "log.dir")  # the first one counts, as in Kafka


class Place(NamedTuple):
    directory: Path
    not_followed: str | None = None
    """A sentence about a setting that names another directory."""


def place_of(data_dir: str | None, properties: Mapping[str, str]) -> Place:
    """`data_dir` is the flag's, `properties` are the settings of this start."""
    named = named_directory(data_dir)
    if named is not None:
        chosen, source = named
    else:
        source = next((name for name in SETTINGS if name in properties), "")
        chosen = _only_one(source, properties[source]) if source else default_directory()
    others = [
        f"{name}={properties[name]}"
        for name in SETTINGS
        if name in properties and name != source and _paths(name, properties[name]) != [chosen]
    ]
    if not others:
        return Place(chosen)
    return Place(chosen, f"the data is in {home_short(chosen)} ({source}), not in {' or '.join(others)}")


def _only_one(name: str, text: str) -> Path:
    paths = _paths(name, text)
    if len(paths) > 1:
        raise Usage(
            f"{name}={text} names {len(paths)} directories, and a kq broker keeps its data in one",
            Hint("choose one", f"kq broker start --data-dir {paths[0]}"),
        )
    return paths[0]


def _paths(name: str, text: str) -> list[Path]:
    from kq.config import BROKER
    from kq.errors import KafkaError

    try:
        found = BROKER.parse(name, text)
    except KafkaError as error:
        raise Usage(str(error).rstrip(".")) from None
    words = found if isinstance(found, tuple) else (found,)
    paths = [Path(str(word)).expanduser().absolute() for word in words if word]
    if not paths:
        raise Usage(f"{name} is empty: name the directory of the data, or leave it out")
    return paths
