"""`kq config describe`: the settings of a topic or a broker, each with where it comes from."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kq.cli.config.resources import refuse, resource_of, whose
from kq.cli.config.table import COLUMNS, is_worth_showing, setting_json, setting_row, source_name
from kq.cli.output.render import NONE, Column, Row
from kq.cli.run.failures import NotFound, did_you_mean
from kq.client import Admin

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, ConfigEntry

MEANING = Column("MEANING", "text", cut=True)


def run(call: Call, kind: str, name: str, keys: list[str], *, every_setting: bool, docs: bool) -> None:
    resource = resource_of(kind, name)

    async def work(cluster: Cluster) -> None:
        answer = (await Admin(cluster).describe_configs([resource], documentation=docs or call.json))[resource]
        if answer.error is not None:
            await refuse(cluster, call, resource, answer.error)
        entries = _chosen(answer.entries, keys, every_setting=every_setting)
        if call.json:
            call.envelope(**whose(resource), settings=[_as_json(entry) for entry in entries])
            return
        columns = [*COLUMNS, MEANING] if docs else COLUMNS
        call.table(columns, [_row(entry, docs=docs) for entry in entries])
        hidden = len(answer.entries) - len(entries)
        if hidden and not keys:
            call.note(f"--all shows {hidden} more")

    call.run(work)


def _chosen(entries: Mapping[str, ConfigEntry], keys: list[str], *, every_setting: bool) -> list[ConfigEntry]:
    for key in keys:
        if key not in entries:
            raise NotFound(f"no setting '{key}'{did_you_mean(key, entries)}")
    chosen = keys or [key for key in sorted(entries) if every_setting or is_worth_showing(entries[key])]
    return [entries[key] for key in chosen]


def _row(entry: ConfigEntry, *, docs: bool) -> Row:
    cells = setting_row(entry).cells
    return Row([*cells, _plain_text(entry.documentation) or NONE] if docs else cells)


def _as_json(entry: ConfigEntry) -> dict[str, Any]:
    return {
        **setting_json(entry),
        "type": entry.type.name.lower(),
        "documentation": entry.documentation,
        "synonyms": [{"name": s.name, "value": s.value, "from": source_name(s.source)} for s in entry.synonyms],
    }


def _plain_text(documentation: str | None) -> str:
    """Kafka's documentation strings hold HTML."""
    return html.unescape(re.sub(r"<[^>]+>", "", documentation or "")).replace("\n", " ")
