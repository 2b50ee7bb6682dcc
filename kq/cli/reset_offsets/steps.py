"""What a reset does to one partition, and what that means for its records. Pure.

Rules
- Only records that are there count: what lies below the log start or past its end is neither skipped nor read again.
- A partition whose commit stays where it is is not written.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kq.cli.output.units import count_text
from kq.client import GroupOffset, TopicPartition


class Step(NamedTuple):
    """`before` and `after` are commits; None is none. `start` and `end` are the log's."""

    topic: str
    partition: int
    start: int
    end: int
    before: GroupOffset | None
    after: GroupOffset | None

    @property
    def pair(self) -> TopicPartition:
        return self.topic, self.partition

    @property
    def name(self) -> str:
        return f"{self.topic}:{self.partition}"

    @property
    def moves(self) -> bool:
        return offset_of(self.before) != offset_of(self.after)

    @property
    def change(self) -> int | None:
        return None if self.before is None or self.after is None else self.after.offset - self.before.offset

    @property
    def read_again(self) -> int:
        return max(-self._forward, 0)

    @property
    def skipped(self) -> int:
        return max(self._forward, 0)

    @property
    def gone(self) -> int:
        """Records that were deleted before the group read them, and that it is now moved past."""
        if self.before is None or self.after is None:
            return 0
        return max(min(self.after.offset, self.start) - self.before.offset, 0)

    @property
    def _forward(self) -> int:
        """Records that are there between the commits; negative: backwards."""
        if self.before is None or self.after is None:
            return 0
        return self._within(self.after.offset) - self._within(self.before.offset)

    def _within(self, offset: int) -> int:
        return min(max(offset, self.start), self.end)

    @property
    def effect(self) -> str:
        """In a word, for programs."""
        if self.before is None:
            return "no_commit" if self.after is None else "first_commit"
        if self.after is None:
            return "removed"
        if not self.moves:
            return "stays"
        return "reads_again" if self.after.offset < self.before.offset else "skips"

    @property
    def words(self) -> str:
        """The same for people."""
        match self.effect:
            case "no_commit":
                return "no commit"
            case "first_commit":
                return "first commit"
            case "removed":
                return "commit removed"
            case "stays":
                return "stays"
            case "reads_again":
                return f"reads {count_text(self.read_again)} again" if self.read_again else "nothing to read again"
        if not self.gone:
            return f"skips {count_text(self.skipped)}" if self.skipped else "nothing to skip"
        lost = f"{count_text(self.gone)} {'was' if self.gone == 1 else 'were'} gone"
        return f"skips {count_text(self.skipped)}, {lost}" if self.skipped else lost


def offset_of(commit: GroupOffset | None) -> int | None:
    return None if commit is None else commit.offset


def totals(steps: Iterable[Step]) -> tuple[int, int]:
    """Records read again, and skipped."""
    moving = list(steps)
    return sum(step.read_again for step in moving), sum(step.skipped for step in moving)


def totals_words(steps: Iterable[Step]) -> str:
    """`620,384 records are read again, 0 are skipped.`"""
    again, skipped = totals(steps)
    return (
        f"{count_text(again)} {'record is' if again == 1 else 'records are'} read again, "
        f"{count_text(skipped)} {'is' if skipped == 1 else 'are'} skipped."
    )
