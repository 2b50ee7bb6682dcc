"""The plan carried out: journalled, then committed in the group's name."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from kq.cli.reset_offsets import journal
from kq.cli.reset_offsets.rest import active, describe, is_active
from kq.cli.reset_offsets.undo import journal_directory
from kq.client import Admin
from kq.client.errors import ConnectionLost, RequestTimedOut
from kq.errors import Err, KafkaError
from kq.wire.primitives import uuid_text

if TYPE_CHECKING:
    from kq.cli.reset_offsets.planning import Plan
    from kq.cli.run.call import Call
    from kq.client import Cluster, TopicPartition

# What the coordinator says to a commit from outside when a member has come between the plan and the commit.
JOINED = {
    Err.UNKNOWN_MEMBER_ID,
    Err.ILLEGAL_GENERATION,
    Err.REBALANCE_IN_PROGRESS,
    Err.STALE_MEMBER_EPOCH,
    Err.GROUP_SUBSCRIBED_TO_TOPIC,
    Err.NON_EMPTY_GROUP,
}
UNKNOWN_OUTCOME = (ConnectionLost, RequestTimedOut)  # it may have been done: the journal keeps it


async def act(cluster: Cluster, call: Call, plan: Plan) -> dict[TopicPartition, KafkaError]:
    """What was refused, by partition. Raises Failure when the group is active again."""
    moving, undoes = plan.moving, plan.undoes
    if not moving and undoes is None:
        return {}
    metadata = await cluster.metadata(sorted({step.topic for step in moving}))
    moves = {
        step.pair: journal.Move(uuid_text(metadata.topics[step.topic].id), step.before, step.after) for step in moving
    }
    entry = journal.write(
        await journal_directory(cluster, plan.group),
        group=plan.group,
        cluster_id=metadata.cluster_id or "",
        command=shlex.join(["kq", *call.args]),
        moves=moves if undoes is None else {**undoes.moves, **moves},
        undoes=None if undoes is None else undoes.entry,
    )
    errors = await _commit(cluster, plan)
    refused = {pair for pair, error in errors.items() if not isinstance(error, UNKNOWN_OUTCOME)}
    if refused:
        journal.take_out(entry, refused if len(refused) < len(moving) else entry.moves.keys())
    if errors and all(error.code in JOINED for error in errors.values()):
        described = await describe(cluster, plan.group)
        if is_active(described):
            raise active(described)
    return errors


async def _commit(cluster: Cluster, plan: Plan) -> dict[TopicPartition, KafkaError]:
    """Both kinds are carried to their end: an error of one leaves the other done."""
    admin = Admin(cluster)
    errors: dict[TopicPartition, KafkaError] = {}
    set_to = {step.pair: step.after for step in plan.moving if step.after is not None}
    removed = [step.pair for step in plan.moving if step.after is None]
    try:
        answers = await admin.alter_group_offsets(plan.group, set_to) if set_to else {}
        errors |= {pair: error for pair, error in answers.items() if error is not None}
    except KafkaError as error:
        errors |= dict.fromkeys(set_to, error)
    try:
        answers = await admin.delete_group_offsets(plan.group, removed) if removed else {}
        errors |= {pair: error for pair, error in answers.items() if error is not None}
    except KafkaError as error:
        errors |= dict.fromkeys(removed, error)
    return errors
