"""The states of a classic group and what moves it between them; `classic` has the table."""

from __future__ import annotations

from enum import Enum, StrEnum


class State(StrEnum):
    """As ListGroups and DescribeGroups say it. `Dead` is only what they say of a group that does not exist."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


class Cause(Enum):
    REBALANCE = "someone joined, changed, left or was lost"
    GENERATION = "everybody has joined, or the time to join is over"
    DESERTED = "the time to join is over and nobody is there"
    ASSIGNED = "an assignment is remembered"
