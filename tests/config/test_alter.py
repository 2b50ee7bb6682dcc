"""Changes of settings, each with the answer that Kafka 4.3.1 gave to it (2026-11)."""

from __future__ import annotations

import pytest

from kq.config.alter import Change, Op, alter_broker, alter_topic, create_topic, replace_broker, replace_topic
from kq.config.resolve import BrokerLayers
from kq.errors import Err, KafkaError

HERE = BrokerLayers()


def topic(own: dict[str, str], *changes: tuple[str, Op | int, str | None], broker: BrokerLayers = HERE) -> object:
    """The overrides after the changes, or the error's code."""
    before = dict(own)
    try:
        return alter_topic(own, [Change(*change) for change in changes], broker)
    except KafkaError as error:
        return error.code
    finally:
        assert own == before


def broker(layers: BrokerLayers, *changes: tuple[str, Op | int, str | None], for_all: bool = False) -> object:
    try:
        return alter_broker([Change(*change) for change in changes], layers, for_all=for_all)
    except KafkaError as error:
        return error.code


POLICY = "cleanup.policy"
THROTTLED = "leader.replication.throttled.replicas"


@pytest.mark.parametrize(
    ("own", "change", "after"),
    [
        ({}, ("retention.ms", Op.SET, "5"), {"retention.ms": "5"}),
        ({"segment.ms": "5"}, ("retention.ms", Op.SET, " 5 "), {"segment.ms": "5", "retention.ms": " 5 "}),
        ({"retention.ms": "5"}, ("retention.ms", Op.DELETE, None), {}),
        ({"retention.ms": "5"}, ("retention.ms", Op.DELETE, "9"), {}),
        ({}, ("retention.ms", Op.DELETE, None), {}),
        ({}, ("bogus", Op.DELETE, None), {}),
        ({}, (POLICY, Op.APPEND, "compact"), {POLICY: "delete,compact"}),
        ({POLICY: "delete,compact"}, (POLICY, Op.APPEND, "compact"), {POLICY: "delete,compact"}),
        ({POLICY: "delete,compact"}, (POLICY, Op.SUBTRACT, "delete,nothere"), {POLICY: "compact"}),
        ({POLICY: "compact"}, (POLICY, Op.SUBTRACT, "compact"), {POLICY: ""}),
        ({}, (POLICY, Op.SUBTRACT, "delete"), {POLICY: ""}),
        ({POLICY: ""}, (POLICY, Op.APPEND, "compact"), {POLICY: "compact"}),
        ({}, (THROTTLED, Op.APPEND, "1:1"), {THROTTLED: "1:1"}),
        ({THROTTLED: "1:1"}, (THROTTLED, Op.APPEND, "1:2,1:1"), {THROTTLED: "1:1,1:2"}),
        ({}, ("internal.segment.bytes", Op.SET, "10"), {"internal.segment.bytes": "10"}),
        ({}, ("retention.ms", Op.APPEND, "5"), Err.INVALID_CONFIG),
        ({}, ("max.message.bytes", Op.SUBTRACT, "5"), Err.INVALID_CONFIG),
        ({}, ("bogus", Op.APPEND, "x"), Err.INVALID_CONFIG),
        ({}, ("bogus", Op.SET, "x"), Err.INVALID_CONFIG),
        ({}, (POLICY, Op.APPEND, "compact,bad"), Err.INVALID_CONFIG),
        ({}, ("retention.ms", Op.SET, "-8"), Err.INVALID_CONFIG),
        ({}, ("remote.storage.enable", Op.SET, "true"), Err.INVALID_CONFIG),
        ({}, ("retention.ms", Op.SET, None), Err.INVALID_REQUEST),
        ({}, (POLICY, Op.APPEND, None), Err.INVALID_REQUEST),
        ({}, (POLICY, Op.APPEND, "compact,"), {POLICY: "delete,compact"}),
        ({}, (POLICY, Op.APPEND, ""), Err.INVALID_CONFIG),
        ({}, (POLICY, Op.SUBTRACT, ""), {POLICY: "delete"}),
        ({POLICY: "compact , delete"}, (POLICY, Op.SUBTRACT, "delete "), {POLICY: "compact"}),
        ({}, ("retention.ms", 9, None), Err.INVALID_REQUEST),
        ({}, ("retention.ms", 9, "5"), Err.UNKNOWN_SERVER_ERROR),
        ({}, ("retention.ms", -1, "5"), Err.UNKNOWN_SERVER_ERROR),
    ],
)
def test_one_change_of_a_topic(own: dict[str, str], change: tuple[str, int, str | None], after: object):
    assert topic(own, change) == after


def test_one_bad_change_refuses_all():
    assert topic({}, ("segment.ms", Op.SET, "5"), ("retention.ms", Op.SET, "-8")) is Err.INVALID_CONFIG


def test_a_name_twice():
    assert topic({}, ("retention.ms", Op.SET, "5"), ("retention.ms", Op.SET, "6")) is Err.INVALID_REQUEST
    assert topic({}, ("retention.ms", Op.DELETE, None), ("retention.ms", Op.SET, "6")) is Err.INVALID_REQUEST


def test_the_compaction_lags_must_not_cross():
    changes = ("min.compaction.lag.ms", Op.SET, "50"), ("max.compaction.lag.ms", Op.SET, "5")
    assert topic({}, *changes) is Err.INVALID_CONFIG
    inherited = BrokerLayers(static={"log.cleaner.max.compaction.lag.ms": "5"})
    assert topic({}, changes[0], broker=inherited) is Err.INVALID_CONFIG
    assert topic({}, changes[0]) == {"min.compaction.lag.ms": "50"}


def test_append_begins_with_what_the_broker_says():
    compacting = BrokerLayers(static={"log.cleanup.policy": "compact"})
    assert topic({}, (POLICY, Op.APPEND, "delete"), broker=compacting) == {POLICY: "compact,delete"}


def test_topics_are_created_with_checked_settings():
    assert create_topic([("retention.ms", "5"), (POLICY, "")], HERE) == {"retention.ms": "5", POLICY: ""}
    for bad in [
        ("retention.ms", None),
        ("segment.bytes", "1000"),
        ("nonsense", "1"),
        ("remote.storage.enable", "true"),
    ]:
        with pytest.raises(KafkaError) as raised:
            create_topic([bad], HERE)
        assert raised.value.code is Err.INVALID_CONFIG, bad
        assert bad[0] in str(raised.value)


def test_alter_configs_replaces_everything():
    assert replace_topic([("retention.ms", "5")], HERE) == {"retention.ms": "5"}
    with pytest.raises(KafkaError) as raised:
        replace_topic([("retention.ms", None)], HERE)
    assert raised.value.code is Err.INVALID_REQUEST
    layers = BrokerLayers(dynamic={"num.io.threads": "9"}, dynamic_default={"num.io.threads": "7"})
    assert replace_broker([("log.retention.ms", "5")], layers, for_all=False) == {"log.retention.ms": "5"}
    assert replace_broker([], layers, for_all=True) == {}


@pytest.mark.parametrize(
    ("layers", "change", "for_all", "after"),
    [
        (HERE, ("log.retention.ms", Op.SET, "5"), False, {"log.retention.ms": "5"}),
        (HERE, ("log.retention.ms", Op.SET, "5"), True, {"log.retention.ms": "5"}),
        (HERE, ("bogus.x", Op.SET, "1"), False, {"bogus.x": "1"}),
        (HERE, ("leader.replication.throttled.rate", Op.SET, "5"), False, {"leader.replication.throttled.rate": "5"}),
        (HERE, ("log.cleanup.policy", Op.APPEND, "compact"), False, {"log.cleanup.policy": "delete,compact"}),
        (HERE, ("log.dirs", Op.DELETE, None), False, {}),
        (
            HERE,
            ("listener.name.foo.ssl.keystore.type", Op.SET, "x"),
            False,
            {"listener.name.foo.ssl.keystore.type": "x"},
        ),
        (
            BrokerLayers(dynamic={"log.retention.ms": "5", "num.io.threads": "9"}),
            ("log.retention.ms", Op.DELETE, None),
            False,
            {"num.io.threads": "9"},
        ),
        (HERE, ("log.dirs", Op.SET, "x"), False, Err.INVALID_REQUEST),
        (HERE, ("num.partitions", Op.SET, "4"), False, Err.INVALID_REQUEST),
        (HERE, ("log.retention.hours", Op.SET, "1"), True, Err.INVALID_REQUEST),
        (HERE, ("listeners", Op.SET, "PLAINTEXT://:1"), False, Err.INVALID_REQUEST),
        (HERE, ("sasl.jaas.config", Op.SET, "x"), True, Err.INVALID_REQUEST),
        (HERE, ("ssl.keystore.password", Op.SET, "x"), False, Err.INVALID_REQUEST),
        (HERE, ("log.segment.bytes", Op.SET, "5"), False, Err.INVALID_REQUEST),
        (HERE, ("num.io.threads", Op.SET, "x"), False, Err.INVALID_REQUEST),
        (HERE, ("log.cleanup.policy", Op.SET, "bad"), False, Err.INVALID_REQUEST),
        (HERE, ("log.cleanup.policy", Op.SET, None), False, Err.INVALID_REQUEST),
        (HERE, ("min.insync.replicas", Op.SET, "0"), True, Err.INVALID_REQUEST),
        (HERE, ("num.io.threads", 9, "1"), False, Err.INVALID_REQUEST),
        (HERE, ("num.io.threads", Op.APPEND, "1"), False, Err.INVALID_CONFIG),
        (HERE, ("bogus.x", Op.APPEND, "1"), False, Err.INVALID_CONFIG),
        # Kafka takes this one; all records of all topics would be gone at the next turn of retention.
        (HERE, ("log.retention.ms", Op.SET, "0"), True, Err.INVALID_REQUEST),
    ],
)
def test_one_change_of_a_broker(
    layers: BrokerLayers, change: tuple[str, int, str | None], for_all: bool, after: object
):
    assert broker(layers, change, for_all=for_all) == after


def test_a_brokers_list_grows_from_what_holds_for_the_layer_that_is_changed():
    layers = BrokerLayers(dynamic={"log.cleanup.policy": ""}, dynamic_default={"log.cleanup.policy": "compact"})
    change = ("log.cleanup.policy", Op.APPEND, "delete")
    assert broker(layers, change) == {"log.cleanup.policy": "delete"}
    assert broker(layers, change, for_all=True) == {"log.cleanup.policy": "compact,delete"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("retention.ms", 9, "5"), "There is no operation 9 on settings."),
        (("retention.ms", Op.SET, None), "retention.ms is given no value."),
        (("retention.ms", Op.APPEND, "5"), "Nothing can be added to retention.ms: it is not a list."),
        (("retention.mss", Op.SET, "5"), "There is no topic setting retention.mss (did you mean retention.ms?)."),
    ],
)
def test_refusals_say_what_is_wrong(change: tuple[str, int, str | None], said: str):
    with pytest.raises(KafkaError) as raised:
        alter_topic({}, [Change(*change)], HERE)
    assert str(raised.value) == said


def test_a_read_only_setting_says_when_it_can_be_set():
    with pytest.raises(KafkaError, match=r"^log\.dirs cannot be changed while the broker runs: set it at its start\.$"):
        alter_broker([Change("log.dirs", Op.SET, "/x")], HERE, for_all=False)
