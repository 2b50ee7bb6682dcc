"""One Produce: what is asked, and what an answer says of each batch."""

from __future__ import annotations

import asyncio

import pytest

from kq.client.accumulator import Accumulator
from kq.client.batching import Columns
from kq.client.posting import TOPIC_IDS_SINCE, Load, produce_request, read_verdicts
from kq.client.settings import parse_settings
from kq.errors import Err
from kq.record.batch import decode_records
from kq.wire.apis.produce import PRODUCE

ID = b"t" * 16
Response = PRODUCE.Response


def answer(**partition: object) -> object:
    said = Response.Partition(index=3, **partition)
    nodes = [Response.NodeEndpoint(node_id=2, host="h", port=9092)]
    return Response(topics=[Response.Topic(name="t", topic_id=ID, partitions=[said])], node_endpoints=nodes)


def test_batches_of_one_topic_travel_together_and_are_encoded_once() -> None:
    async def build() -> None:
        settings = parse_settings({"acks": "1", "compression.type": "gzip"})
        accumulator = Accumulator(settings)
        loads = []
        for topic, partition in (("t", 0), ("u", 0), ("t", 1)):
            queue = accumulator.queue(topic, partition)
            accumulator.append(queue, Columns([b"%d" % partition]), 10, range(1))
            loads.append(Load(queue, queue.take()))
        request = produce_request(loads, {"t": ID, "u": bytes(16)}, settings)
        assert (request.acks, request.timeout_ms) == (1, 30_000)
        assert [(t.name, t.topic_id, [p.index for p in t.partitions]) for t in request.topics] == [
            ("t", ID, [0, 1]),
            ("u", bytes(16), [0]),
        ]
        records = request.topics[0].partitions[1].records
        assert [record.value for record in decode_records(records, limit=1000)] == [b"1"]
        again = produce_request(loads, {"t": ID, "u": bytes(16)}, settings)
        assert again.topics[0].partitions[1].records is records

    asyncio.run(build())


@pytest.mark.parametrize(("version", "key"), [(TOPIC_IDS_SINCE - 1, "t"), (TOPIC_IDS_SINCE, ID)])
def test_a_place(version: int, key: str | bytes) -> None:
    verdicts, brokers = read_verdicts(answer(base_offset=7, log_append_time_ms=99), version)
    verdict = verdicts[key, 3]
    assert (verdict.error, verdict.offset, verdict.append_time_ms, verdict.leader) == (None, 7, 99, None)
    assert [broker.address for broker in brokers] == ["h:9092"]


def test_a_refusal_says_what_the_broker_says_or_else_what_it_says_of_a_record() -> None:
    records = [Response.RecordError(batch_index=0), Response.RecordError(batch_index=1, message="no key")]
    told = answer(error_code=Err.INVALID_RECORD, error_message="no", record_errors=records)
    single = answer(error_code=Err.INVALID_RECORD, record_errors=records)
    bare = answer(error_code=Err.INVALID_RECORD)
    said = [read_verdicts(each, 9)[0]["t", 3].error for each in (told, single, bare)]
    assert [error and error.code for error in said] == [Err.INVALID_RECORD] * 3
    assert [str(error) for error in said] == ["no", "no key", Err.INVALID_RECORD.text]


def test_a_refusal_that_names_the_leader() -> None:
    leader = Response.CurrentLeader(leader_id=2, leader_epoch=5)
    verdicts, _ = read_verdicts(answer(error_code=Err.NOT_LEADER_OR_FOLLOWER, current_leader=leader), 10)
    assert verdicts["t", 3].leader == (2, 5)
    nobody = Response.CurrentLeader(leader_id=-1)
    verdicts, _ = read_verdicts(answer(error_code=Err.NOT_LEADER_OR_FOLLOWER, current_leader=nobody), 10)
    assert verdicts["t", 3].leader is None
