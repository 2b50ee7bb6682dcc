"""Conditions: words into comparisons, what holds them, and the words for those that are none."""

from __future__ import annotations

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.cli.run.failures import Usage
from kq.cli.wait.conditions import Condition, parse
from kq.cli.wait.observing import lag_of
from kq.client import GroupDescription
from kq.client.lag.standing import Standing
from kq.errors import Err, KafkaError


def test_reading() -> None:
    assert parse(["lag==0", "members >= 2", "topic=orders"], "billing") == [
        Condition("lag==0", "lag", "==", 0),
        Condition("members >= 2", "members", ">=", 2),
        Condition("topic=orders", "topic", name="orders"),
    ]
    assert parse(["topic=a", "topic=b"], None)[1].name == "b"


OPERATORS = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge
}  # fmt: skip


@given(st.sampled_from(sorted(OPERATORS)), st.integers(0, 5), st.integers(0, 5))
def test_comparing(compare: str, value: int, limit: int) -> None:
    [condition] = parse([f"lag{compare}{limit}"], "g")
    assert condition.of_number(value) == (value, f"lag is {value}", OPERATORS[compare](value, limit))
    assert not condition.of_number(None).holds


@pytest.mark.parametrize(
    ("words", "group", "said"),
    [
        ([], None, "wait: for what? write topic=NAME, lag==0 or 'members>=2'"),
        (["lagg==0"], "g", "wait: 'lagg==0' is not a condition; did you mean 'lag'?; write topic=NAME,"),
        (["topics=orders"], None, "wait: 'topics=orders' is not a condition; did you mean 'topic'?"),
        (["billing"], None, "wait: 'billing' is not a condition; write topic=NAME,"),
        (["==0"], "g", "wait: '==0' is not a condition"),
        ([""], "g", "wait: '' is not a condition"),
        (["topic"], None, "wait: 'topic': write topic=NAME"),
        (["topic="], None, "wait: 'topic=': write topic=NAME"),
        (["topic==orders"], None, "wait: 'topic==orders': write topic=NAME"),
        (["lag"], "g", "wait: 'lag': compare it with a number, as in lag==0 or 'lag<10' (quoted for the shell)"),
        (["lag<"], "g", "wait: 'lag<': compare it with a number"),
        (["lag=0"], "g", "wait: 'lag=0': write lag==0"),
        (["lag==x"], "g", "wait: 'lag==x': 'x' is not a whole number"),
        (["lag==-1"], "g", "wait: 'lag==-1': '-1' is not a whole number"),
        (["lag<>3"], "g", "wait: 'lag<>3': '>3' is not a whole number"),
        (["lag==0"], None, "wait: lag==0 is about a group; add -g GROUP"),
        (["topic=orders"], "g", "wait -g g: for what? write lag==0 or members==2"),
    ],
)
def test_nonsense(words: list[str], group: str | None, said: str) -> None:
    with pytest.raises(Usage) as caught:
        parse(words, group)
    assert caught.value.message.startswith(said)


LOST = KafkaError(Err.NETWORK_EXCEPTION, "broker 2 is gone")


@pytest.mark.parametrize(
    ("standings", "value", "words"),
    [
        ([Standing(5, 0, 10), Standing(10, 0, 10)], 5, "lag is 5"),
        ([Standing(12, 0, 10)], 0, "lag is 0"),  # past the end
        ([Standing(2, 5, 10)], 8, "lag is 8"),  # 3 of them are gone, as Kafka's tool counts
        ([Standing(5, 0, 5), Standing(None, 3, 3)], 0, "lag is 0"),  # assigned, empty, never committed
        ([Standing(5, 0, 5), Standing(None, 3, 4)], None, "lag is unknown: orders:1 has 1 record and no commit"),
        ([Standing(5, 0, 5), Standing(5, None, None, error=LOST)], None, "the lag of orders:1 is unknown: broker 2 is"),
        ([Standing(5, exists=False), Standing(5, 0, 6)], 1, "lag is 1"),  # deleted with its records
        ([], None, "group 'billing' has committed nothing"),
    ],
)
def test_lag_is_never_zero_for_unknown(standings: list[Standing], value: int | None, words: str) -> None:
    by_pair = {("orders", index): standing for index, standing in enumerate(standings)}
    lag, said = lag_of(by_pair, GroupDescription("billing"))
    assert lag == value
    assert said.startswith(words)
