"""The tables against what Apache Kafka 4.3.1 says of itself (facts/*.tsv)."""

from __future__ import annotations

from pathlib import Path

import pytest

from kq.config import BROKER, TOPIC, Mode, Type
from kq.config.broker import DYNAMIC_RATES
from kq.config.honoured import DEFAULTS, DOCS, MODES
from kq.config.table import ConfigTable, parse_value, render_value
from kq.errors import Err, KafkaError


def facts(name: str) -> dict[str, list[str]]:
    lines = (Path(__file__).parent / "facts" / name).read_text().splitlines()
    return {row[0]: row[1:] for row in (line.split("\t") for line in lines if not line.startswith("#"))}


def test_every_topic_setting_of_kafka_and_one_internal_one():
    known = facts("topic.tsv")
    assert len(known) == 33
    assert set(TOPIC) == set(known) | {"internal.segment.bytes"}
    for name, (kind, default, *_) in known.items():
        setting = TOPIC[name]
        assert (setting.type.name, TOPIC.render(name, setting.default)) == (kind, default), name
        assert not setting.read_only, name
        assert not setting.sensitive, name


def test_every_broker_setting_of_kafka():
    known = facts("broker.tsv")
    assert len(known) == 360
    assert sum(row[3] == "" for row in known.values()) == 340
    ours = {name for name in BROKER if not name.startswith("kq.")} - set(DYNAMIC_RATES)
    assert ours == set(known)
    for name, (kind, default, mode, internal, sensitive) in known.items():
        setting = BROKER[name]
        assert setting.type.name == kind, name
        assert setting.internal == (internal == "internal"), name
        assert setting.sensitive == (sensitive == "true"), name
        if name not in MODES:
            assert setting.mode.value == mode, name
        if name not in DEFAULTS:
            assert BROKER.render(name, setting.default) == (None if default == "<null>" else default), name


def test_what_differs_from_kafka_does_differ():
    known = facts("broker.tsv")
    for name in DEFAULTS:
        assert BROKER.render(name, BROKER[name].default) != known[name][1], name
    for name in MODES:
        assert BROKER[name].mode.value != known[name][2], name


@pytest.mark.parametrize("table", [TOPIC, BROKER], ids=["topic", "broker"])
def test_every_default_is_a_value_of_its_setting(table: ConfigTable):
    for setting in table.values():
        if setting.default is not None:
            text = render_value(setting.default)
            assert text is not None
            assert parse_value(setting, text) == setting.default, setting.name


@pytest.mark.parametrize("table", [TOPIC, BROKER], ids=["topic", "broker"])
def test_every_setting_is_documented_in_our_own_words(table: ConfigTable):
    for setting in table.values():
        assert setting.doc.endswith("."), setting.name
        assert 20 < len(setting.doc) < 420, setting.name


def test_what_is_documented_as_honoured_exists():
    assert set(DOCS) | set(DEFAULTS) | set(MODES) <= set(BROKER)
    idle = "without effect"
    for setting in BROKER.values():
        assert (idle in setting.doc) != setting.honoured, setting.name


def test_synonyms_name_broker_settings_of_the_same_unit_or_say_the_factor():
    factors = {}
    for setting in TOPIC.values():
        for name, factor in setting.synonyms:
            assert name in BROKER
            factors[name] = factor
    assert {name: factor for name, factor in factors.items() if factor} == {
        "log.retention.minutes": 60_000,
        "log.retention.hours": 3_600_000,
        "log.roll.hours": 3_600_000,
        "log.roll.jitter.hours": 3_600_000,
    }


def test_own_settings_are_listed_like_kafkas():
    own = {name: setting for name, setting in BROKER.items() if name.startswith("kq.")}
    assert all(setting.honoured and not setting.internal for setting in own.values())
    assert own["kq.admin.listener"].mode is Mode.READ_ONLY
    assert own["kq.log.fsync.before.ack"].type is Type.BOOLEAN


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(KafkaError, match=r"no topic setting retention\.mss \(did you mean retention\.ms\?\)") as raised:
        TOPIC.parse("retention.mss", "5")
    assert raised.value.code is Err.INVALID_CONFIG
    with pytest.raises(KafkaError, match=r"no broker setting utterly-else\.$"):
        BROKER.render("utterly-else", 5)
