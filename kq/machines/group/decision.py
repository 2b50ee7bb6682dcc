"""What a command decided: an answer, and facts to remember (Kafka's CoordinatorResult).

A decision changes nothing durable by itself. The runtime appends its facts in one batch, replays them in order, and
sends the answers when they are committed; all but the last in one turn, so that nobody decides in between. If the
append fails, the coordinator's `failed` says what to answer instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from kq.machines.group.facts import Fact

Ticket: TypeAlias = Any  # whatever the runtime parks a request under: a future


@dataclass(slots=True)
class Decision:
    """`response` None: the answer comes in the `replies` of this or of a later decision, under the request's ticket.

    A KafkaError as a reply or response is the error of the whole answer.
    """

    response: Any = None
    facts: list[Fact] = field(default_factory=list)
    replies: list[tuple[Ticket, Any]] = field(default_factory=list)

    def reply(self, ticket: Ticket, answer: Any) -> None:
        self.replies.append((ticket, answer))
