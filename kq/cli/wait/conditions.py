"""What can be waited for: words into conditions, and whether they hold. Pure.

A new kind is a name in `KINDS`, its reading in `parse`, and its value in `observing`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kq.cli.run.failures import Hint, Usage, did_you_mean, require_utf8

LAG, MEMBERS, TOPIC = "lag", "members", "topic"
OF_GROUP = (LAG, MEMBERS)  # numbers, to be compared
KINDS = (*OF_GROUP, TOPIC)

COMPARE: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(r"\s*(?P<kind>[^=!<>]*?)\s*(?P<compare>==|!=|<=|>=|<|>|=|$)\s*(?P<value>.*?)\s*", re.DOTALL)
EXAMPLES = "write topic=NAME, lag==0 or 'members>=2'"


class Observed(NamedTuple):
    """What was seen of a condition. `value` None: unknown, or nothing that compares; `words` say it to a person."""

    value: int | None
    words: str
    holds: bool = False


class Condition(NamedTuple):
    """`lag==0`, or a topic by name."""

    text: str
    kind: str
    compare: str = "=="
    number: int = 0
    name: str = ""

    def of_number(self, value: int | None, words: str | None = None) -> Observed:
        """What a number means for this condition; an unknown one never holds."""
        said = words or f"{self.kind} is {'unknown' if value is None else format(value, ',')}"
        return Observed(value, said, value is not None and COMPARE[self.compare](value, self.number))


def parse(words: Sequence[str], group: str | None) -> list[Condition]:
    """Raises Usage where a word is no condition, or a group is missing or needless."""
    if not words:
        raise Usage(f"wait: for what? {EXAMPLES}", Hint("see", "kq wait --help"))
    conditions = [_condition(word) for word in words]
    about_group = [condition.text for condition in conditions if condition.kind in OF_GROUP]
    if about_group and group is None:
        raise Usage(f"wait: {about_group[0]} is about a group; add -g GROUP")
    if group is not None:
        require_utf8(group, "group")
        if not about_group:
            raise Usage(f"wait -g {group}: for what? write lag==0 or members==2")
    return conditions


def _condition(text: str) -> Condition:
    match = _CONDITION.fullmatch(text)
    kind, compare, value = match.group("kind", "compare", "value") if match else ("", "", "")
    if kind not in KINDS:
        raise Usage(f"wait: '{text}' is not a condition{did_you_mean(kind, KINDS)}; {EXAMPLES}")
    if kind == TOPIC:
        if compare != "=" or not value:
            raise Usage(f"wait: '{text}': write topic=NAME")
        return Condition(text, kind, name=require_utf8(value, "topic"))
    if not compare or not value:
        raise Usage(f"wait: '{text}': compare it with a number, as in {kind}==0 or '{kind}<10' (quoted for the shell)")
    if compare == "=":
        raise Usage(f"wait: '{text}': write {kind}=={value}")
    if not re.fullmatch(r"[0-9]{1,19}", value):
        raise Usage(f"wait: '{text}': '{value}' is not a whole number")
    return Condition(text, kind, compare, int(value))
