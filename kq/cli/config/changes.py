"""`kq config alter`: all of the given changes to one topic or broker, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kq.cli.changes.outcome import Done, report_done
from kq.cli.changes.permission import refuse_change
from kq.cli.config.pairs import parse_changes
from kq.cli.config.resources import refuse, resource_of, spoken
from kq.cli.run.failures import Usage
from kq.client import Admin

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster


def run(call: Call, kind: str, name: str, *, pairs: list[str], unset: list[str], dry_run: bool) -> None:
    resource = resource_of(kind, name)
    changes = parse_changes(pairs, unset)
    if not changes:
        raise Usage(f"{call.command}: say what to change: key=value, or --unset key")
    refuse_change(call)

    async def work(cluster: Cluster) -> list[Done]:
        error = (await Admin(cluster).alter_configs({resource: changes}, validate_only=dry_run))[resource]
        if error is not None and kind == "topic":
            await refuse(cluster, call, resource, error)
        facts = {
            "kind": kind,
            "changes": [{"name": c.name, "op": c.op.name.lower(), "value": c.value} for c in changes],
        }
        return [Done(spoken(resource), error, facts, words=f"altered {spoken(resource)}")]

    report_done(call, "resources", call.run(work), dry_run=dry_run)
