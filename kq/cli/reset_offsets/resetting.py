"""How `kq reset-offsets` works: the words read, the group at rest, the plan, the commit, and what is printed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kq.cli.changes.permission import refuse_change
from kq.cli.partitions.selection import Choice, choose
from kq.cli.reset_offsets import files, printing
from kq.cli.reset_offsets.planning import Plan, plan_steps, steps_of_file
from kq.cli.reset_offsets.rest import group_at_rest
from kq.cli.reset_offsets.targets import Kind, Target, parse_target
from kq.cli.run.failures import Usage

if TYPE_CHECKING:
    from kq.cli.run.call import Call
    from kq.client import Cluster, GroupDescription


@dataclass(frozen=True, slots=True)
class Order:
    """`ways`: the flags that say where to, with their values."""

    group: str
    topics: list[str]
    regex: bool
    ways: Mapping[str, Any]
    wait_empty: bool
    timeout_s: float | None
    execute: bool
    export: str | None


def run(call: Call, order: Order) -> None:
    target = parse_target(order.ways, now_ms=round(time.time() * 1000), utc=call.form.utc)
    choice = choose(order.topics, regex=order.regex)
    if order.timeout_s is not None and not order.wait_empty:
        raise Usage("reset-offsets: --timeout is how long --wait-empty waits; add it")
    if target.kind is Kind.FILE and order.topics:
        raise Usage("reset-offsets --from-file does what the file says; leave -t out")
    if order.execute:
        refuse_change(call)
    planned = files.read(target.value, order.group) if target.kind is Kind.FILE else {}

    async def work(cluster: Cluster) -> printing.Result:
        described = await group_at_rest(cluster, call, order.group, wait=order.wait_empty, timeout_s=order.timeout_s)
        if target.kind is Kind.FILE:
            steps = await steps_of_file(cluster, call, order.group, planned)
            plan = Plan(order.group, described.state, target.words, steps)
        else:
            plan = await _plan(cluster, call, order, choice, target, described)
        if order.export is not None:
            files.write(order.export, order.group, plan.steps)
        if not order.execute:
            return printing.Result(plan, executed=False, errors={})
        from kq.cli.reset_offsets.acting import act

        return printing.Result(plan, executed=True, errors=await act(cluster, call, plan))

    printing.report(call, call.run(work), export=order.export)


async def _plan(
    cluster: Cluster, call: Call, order: Order, choice: Choice, target: Target, described: GroupDescription
) -> Plan:
    if target.kind is Kind.UNDO:
        from kq.cli.reset_offsets.undo import plan_undo

        return await plan_undo(cluster, call, order.group, choice, described.state)
    exists = described.error is None
    steps = await plan_steps(cluster, call, order.group, choice, target, exists=exists)
    return Plan(order.group, described.state, target.words, steps)
