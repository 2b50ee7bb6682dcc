"""Which texts are values: each row was put to Kafka 4.3.1's own `LogConfig.validate` (throwaway Java, 2026-11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.config import BROKER, TOPIC, Setting, Type
from kq.config.table import parse_value, render_value
from kq.errors import Err, KafkaError

LONG_MAX = (1 << 63) - 1

TAKEN = [
    ("cleanup.policy", " compact ", ("compact",)),
    ("cleanup.policy", "delete , compact", ("delete", "compact")),
    ("cleanup.policy", "", ()),
    ("cleanup.policy", "compact,compact", ("compact",)),
    ("max.message.bytes", " 5 ", 5),
    ("max.message.bytes", "+5", 5),
    ("max.message.bytes", "0", 0),
    ("preallocate", "TRUE", True),
    ("preallocate", " false", False),
    ("min.cleanable.dirty.ratio", "1", 1.0),
    ("min.cleanable.dirty.ratio", "1e-1", 0.1),
    ("min.cleanable.dirty.ratio", ".5", 0.5),
    ("compression.type", " zstd ", "zstd"),
    ("compression.type", "uncompressed", "uncompressed"),
    ("compression.gzip.level", "-1", -1),
    ("compression.gzip.level", "9", 9),
    ("compression.lz4.level", "17", 17),
    ("compression.zstd.level", "-131072", -131072),
    ("compression.zstd.level", "0", 0),
    ("retention.ms", "-1", -1),
    ("retention.ms", "0", 0),
    ("retention.ms", str(LONG_MAX), LONG_MAX),
    ("retention.bytes", "-5", -5),
    ("flush.ms", "0", 0),
    ("segment.bytes", "1048576", 1 << 20),
    ("internal.segment.bytes", "10", 10),
    ("leader.replication.throttled.replicas", " * ", ("*",)),
    ("leader.replication.throttled.replicas", "", ()),
    ("leader.replication.throttled.replicas", "1:2 , 3:4", ("1:2", "3:4")),
    ("message.timestamp.type", " LogAppendTime ", "LogAppendTime"),
    ("remote.storage.enable", "false", False),
    ("remote.log.copy.disable", "true", True),
]

REFUSED = [
    ("cleanup.policy", " , "),
    ("cleanup.policy", "compact,"),
    ("cleanup.policy", "compact,,delete"),
    ("cleanup.policy", "Compact"),
    ("cleanup.policy", "[compact]"),
    ("max.message.bytes", "1_000"),
    ("max.message.bytes", "5L"),
    ("max.message.bytes", "5.0"),
    ("max.message.bytes", "1e3"),
    ("max.message.bytes", ""),
    ("max.message.bytes", "-1"),
    ("max.message.bytes", "2147483648"),
    ("preallocate", "yes"),
    ("preallocate", "1"),
    ("preallocate", ""),
    ("min.cleanable.dirty.ratio", "1.1"),
    ("min.cleanable.dirty.ratio", "-0.1"),
    ("min.cleanable.dirty.ratio", ""),
    ("compression.type", "GZIP"),
    ("compression.type", "none"),
    ("compression.type", ""),
    ("compression.gzip.level", "0"),
    ("compression.gzip.level", "-2"),
    ("compression.gzip.level", "10"),
    ("compression.lz4.level", "0"),
    ("compression.lz4.level", "18"),
    ("compression.zstd.level", "-131073"),
    ("compression.zstd.level", "23"),
    ("retention.ms", "-2"),
    ("retention.ms", str(LONG_MAX + 1)),
    ("segment.bytes", "1048575"),
    ("segment.bytes", "1000"),
    ("segment.index.bytes", "3"),
    ("segment.ms", "0"),
    ("flush.messages", "0"),
    ("min.insync.replicas", "0"),
    ("leader.replication.throttled.replicas", "a:b"),
    ("leader.replication.throttled.replicas", "1"),
    ("leader.replication.throttled.replicas", "*,1:2"),
    ("leader.replication.throttled.replicas", "-1:2"),
    ("message.timestamp.type", "createtime"),
    # Kafka's LogConfig takes this one, its controller refuses it as long as the broker has no tiered storage.
    ("remote.storage.enable", "TRUE"),
]

ONLY_KAFKA_TAKES = [
    ("max.message.bytes", "\u0665"),  # ARABIC-INDIC DIGIT FIVE
    ("min.cleanable.dirty.ratio", "NaN"),
    ("min.cleanable.dirty.ratio", "0.5f"),
    ("min.cleanable.dirty.ratio", "0x1p-1"),
]


@pytest.mark.parametrize(("name", "text", "value"), TAKEN)
def test_taken(name: str, text: str, value: object):
    assert TOPIC.parse(name, text) == value
    assert type(TOPIC.parse(name, text)) is type(value)


@pytest.mark.parametrize(("name", "text"), REFUSED + ONLY_KAFKA_TAKES)
def test_refused_with_a_sentence_naming_the_setting_and_the_value(name: str, text: str):
    with pytest.raises(KafkaError) as raised:
        TOPIC.parse(name, text)
    assert raised.value.code is Err.INVALID_CONFIG
    assert str(raised.value).startswith(f"{name} cannot be {text.strip()!r}: it must ")
    assert str(raised.value).endswith(".")


def test_each_kind_of_refusal_reads_well():
    def sentence(name: str, text: str) -> str:
        with pytest.raises(KafkaError) as raised:
            (TOPIC if name in TOPIC else BROKER).parse(name, text)
        return str(raised.value)

    assert sentence("segment.bytes", "1000") == "segment.bytes cannot be '1000': it must be at least 1048576."
    assert (
        sentence("compression.gzip.level", "0")
        == "compression.gzip.level cannot be '0': it must lie between 1 and 9, or be -1."
    )
    assert sentence("cleanup.policy", "x") == "cleanup.policy cannot be 'x': it must be a list of compact, delete."
    assert sentence("preallocate", "1") == "preallocate cannot be '1': it must be true or false."
    assert sentence("retention.ms", "7d") == "retention.ms cannot be '7d': it must be a whole number."
    assert sentence("num.partitions", "3e9") == "num.partitions cannot be '3e9': it must be a whole number."
    assert (
        sentence("num.partitions", "3000000000") == "num.partitions cannot be '3000000000': it must fit into 32 bits."
    )
    assert sentence("log.dirs", "") == "log.dirs cannot be '': it must name at least one item."
    assert (
        sentence("ssl.client.auth", "x")
        == "ssl.client.auth cannot be 'x': it must be one of required, requested, none."
    )


def test_a_number_of_absurd_length_is_refused_at_once():
    with pytest.raises(KafkaError, match="whole number"):
        TOPIC.parse("retention.ms", "9" * 100_000)


def test_names_that_ignore_case_and_lists_that_must_not_be_empty():
    assert BROKER.parse("group.consumer.migration.policy", "Upgrade") == "Upgrade"
    with pytest.raises(KafkaError):
        BROKER.parse("group.consumer.migration.policy", "sideways")
    with pytest.raises(KafkaError):
        BROKER.parse("listeners", "  ")
    assert BROKER.parse("metric.reporters", "") == ()


def test_a_secret_is_not_repeated_in_a_refusal():
    secret = Setting("ssl.key.password", Type.PASSWORD, None, "", valid=BROKER["ssl.client.auth"].valid)
    with pytest.raises(KafkaError) as raised:
        parse_value(secret, "hunter2")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("value", "text"),
    # The right side is what Java's Double.toString prints.
    [
        (0.5, "0.5"), (1.0, "1.0"), (0.0, "0.0"), (-0.25, "-0.25"), (1e-3, "0.001"), (9.9e-4, "9.9E-4"),
        (1e7, "1.0E7"), (9999999.0, "9999999.0"), (1.25e10, "1.25E10"), (-3e-10, "-3.0E-10"),
        (1.7976931348623157e308, "1.7976931348623157E308"), (123456789.125, "1.23456789125E8"),
        (True, "true"), (False, "false"), (("a", "b"), "a,b"), ((), ""), (None, None), (7, "7"), ("x", "x"),
    ],
)  # fmt: skip
def test_values_are_spelled_as_java_does(value: object, text: str | None):
    assert render_value(value) == text  # type: ignore[arg-type]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_comes_back(number: float):
    text = render_value(number)
    assert text is not None
    assert float(text) == number


@given(st.sampled_from(sorted(TOPIC)), st.text(max_size=30))
def test_any_text_is_a_value_or_one_clean_refusal(name: str, text: str):
    try:
        value = TOPIC.parse(name, text)
    except KafkaError:
        return
    rendered = TOPIC.render(name, value)
    assert rendered is not None
    assert TOPIC.parse(name, rendered) == value
