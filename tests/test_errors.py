"""The error table against Kafka's own (written down from 4.3.1) and against kafka-python's."""

from __future__ import annotations

import pickle
from pathlib import Path

import kafka.errors
import pytest

from kq.errors import Err, KafkaError
from kq.nearest import did_you_mean, nearest

FACTS = [
    line.split("\t")
    for line in (Path(__file__).parent / "errors-4.3.1.tsv").read_text().splitlines()
    if not line.startswith("#")
]


def test_the_table_is_kafkas():
    ours = [(err.value, err.name, err.retriable) for err in Err]
    assert ours == [(int(code), name, retriable == "true") for code, name, retriable in FACTS]


def test_kafka_python_agrees():
    theirs = {
        error.errno: error.message
        for error in vars(kafka.errors).values()
        if isinstance(error, type) and isinstance(getattr(error, "errno", None), int)
    }
    assert len(theirs) > 120
    # kafka-python's message is the code's name; some of its names are older ones.
    differing = {name for code, name in theirs.items() if name not in (Err.of(code).name, f"{Err.of(code).name}_ERROR")}
    assert differing <= {"INVALID_REPLICATION_ASSIGNMENT", "MESSAGE_SIZE_TOO_LARGE", "NOT_LEADER_FOR_PARTITION"} | {
        name for code, name in theirs.items() if code in (-1, 0, 17)
    }


def test_a_member_is_its_number():
    assert Err.NOT_LEADER_OR_FOLLOWER == 6
    assert isinstance(Err.NOT_LEADER_OR_FOLLOWER, int)
    assert not Err.NONE


@pytest.mark.parametrize("err", list(Err))
def test_the_text_is_one_sentence(err: Err):
    assert err.text[0].isupper() or err.text.startswith("acks")
    assert err.text.endswith(".")
    assert ". " not in err.text
    assert len(err.text) < 110


def test_of_knows_every_code_and_takes_others_for_unknown():
    assert [Err.of(err.value) for err in Err] == list(Err)
    for code in (134, -2, 32767, -32768):
        assert Err.of(code) is Err.UNKNOWN_SERVER_ERROR


def test_the_exception_says_the_sentence_it_was_given_or_the_codes_own():
    assert str(KafkaError(Err.INVALID_CONFIG)) == Err.INVALID_CONFIG.text
    given = KafkaError(Err.INVALID_CONFIG, "segment.bytes is too small.")
    assert (str(given), given.code, given.message) == ("segment.bytes is too small.", 40, "segment.bytes is too small.")
    again = pickle.loads(pickle.dumps(given))
    assert (str(again), again.code) == (str(given), given.code)


def test_nearest():
    known = ["retention.ms", "retention.bytes", "segment.bytes", "cleanup.policy"]
    assert nearest("retention.mss", known) == "retention.ms"
    assert nearest("Retention_MS", known) == "retention.ms"
    assert nearest("clean-up.policy", known) == "cleanup.policy"
    assert nearest("zookeeper.connect", known) is None
    assert did_you_mean("segmentbytes", known) == " (did you mean segment.bytes?)"
    assert did_you_mean("x", known) == ""
