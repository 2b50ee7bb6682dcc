"""`kq config list`: every setting that was set, on topics, on brokers, for all brokers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kq.cli.config.resources import kind_of, name_of, spoken, whose
from kq.cli.config.table import setting_json, setting_row
from kq.cli.output.render import Column, Row
from kq.cli.run.failures import Unfinished
from kq.client import Admin, ConfigSource, Resource, ResourceType

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, ConfigEntry

COLUMNS = [
    Column("KIND"),
    Column("NAME"),
    Column("SETTING"),
    Column("VALUE", "text", cut=True),
    Column("FROM", "text"),
]


def run(call: Call) -> None:
    async def work(cluster: Cluster) -> None:
        metadata = await cluster.metadata(None, max_age_ms=0)
        topics = [Resource.topic(name) for name, topic in sorted(metadata.topics.items()) if not topic.internal]
        brokers = [Resource.broker(), *(Resource.broker(node) for node in sorted(metadata.brokers))]
        answers = await Admin(cluster).describe_configs([*topics, *brokers])
        found: list[tuple[Resource, ConfigEntry]] = []
        for resource in (*topics, *brokers):
            sources = _own_sources(resource)
            entries = sorted(answers[resource].entries.items())
            found += [(resource, entry) for _, entry in entries if entry.source in sources]
        if call.json:
            call.envelope(settings=[{**whose(resource), **setting_json(entry)} for resource, entry in found])
        else:
            rows = [Row([kind_of(resource), name_of(resource), *setting_row(entry).cells]) for resource, entry in found]
            call.table(COLUMNS, rows)
        failed = [(resource, answer.error) for resource, answer in answers.items() if answer.error is not None]
        for resource, error in failed:
            call.warn(f"{spoken(resource)}: {error}")
        if failed:
            raise Unfinished("")

    call.run(work)


def _own_sources(resource: Resource) -> set[ConfigSource]:
    """Where a setting comes from that was set on this very resource."""
    if resource.type is ResourceType.TOPIC:
        return {ConfigSource.TOPIC}
    return {ConfigSource.BROKER, ConfigSource.STATIC} if resource.name else {ConfigSource.CLUSTER}
