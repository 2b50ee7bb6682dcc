"""10,000 partitions on one broker: it starts, stops and serves them within bounds. Figures are printed."""

from __future__ import annotations

import time

import pytest

from kq.errors import Err
from kq.testing import Broker
from kq.wire.apis.metadata import METADATA
from kq.wire.apis.topics import CREATE_TOPICS, DELETE_TOPICS
from tests.support import asking
from tests.support.footprint import open_files, resident_bytes
from tests.support.wire import Wire

COUNT = 10_000


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_thousand_partitions(capsys: pytest.CaptureFixture[str]) -> None:
    figures = []

    def note(what: str, began: float, broker: Broker) -> None:
        seconds = time.monotonic() - began
        resident_mb = resident_bytes(broker.pid) / 2**20
        figures.append(f"{what}: {seconds:.1f} s, {resident_mb:.0f} MB resident, {open_files(broker.pid)} open files")

    with Broker({"kq.max.open.files": "1000"}, start_timeout_s=120) as broker:
        began = time.monotonic()
        with Wire(broker.bootstrap, timeout_s=180) as wire:
            topic = CREATE_TOPICS.Request.Topic(name="many", num_partitions=COUNT, replication_factor=1)
            created = wire.call(CREATE_TOPICS, 7, CREATE_TOPICS.Request(topics=[topic]))
            assert created.topics[0].error_code == Err.NONE
            note("created", began, broker)
            began = time.monotonic()
            for index in range(0, COUNT, 5):
                assert asking.produce(wire, "many", asking.batch(), index=index).error_code == Err.NONE
            note("one record into every fifth", began, broker)
            assert (open_files(broker.pid) or 0) < 1200
            began = time.monotonic()
            answer = wire.call(METADATA, 12, METADATA.Request(topics=None))
            assert len(answer.topics[0].partitions) == COUNT
            note("metadata of all", began, broker)
        for how, end in (("a clean stop", broker.stop), ("a kill", broker.kill)):
            began = time.monotonic()
            end()
            stopped = time.monotonic() - began
            began = time.monotonic()
            broker.start()
            note(f"{how} took {stopped:.1f} s, the start after it", began, broker)
            with Wire(broker.bootstrap, timeout_s=60) as wire:
                assert asking.produce(wire, "many", asking.batch(), index=5).base_offset == 1 + (how == "a kill")
        began = time.monotonic()
        with Wire(broker.bootstrap, timeout_s=120) as wire:
            gone = wire.call(DELETE_TOPICS, 5, DELETE_TOPICS.Request(topic_names=["many"]))
            assert gone.topics[0].error_code == Err.NONE
        note("deleted", began, broker)
    with capsys.disabled():
        print(f"\n{COUNT} partitions on one broker\n  " + "\n  ".join(figures))
