"""Every handler asks whether the client may: who may do nothing is refused by all of them, and nothing is done."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kq.broker.broker import HANDLERS, Broker
from kq.broker.router import Call
from kq.broker.session import Session
from kq.broker.topic_plans import plan_topic
from kq.errors import Err
from kq.wire.api import Api
from kq.wire.apis.groups import LIST_GROUPS
from kq.wire.apis.metadata import DESCRIBE_CLUSTER, DESCRIBE_TOPIC_PARTITIONS, METADATA
from kq.wire.apis.versions import API_VERSIONS
from tests.support import brokers
from tests.support.everything import places, request_of_two

FOR_EVERYBODY = (API_VERSIONS, DESCRIBE_CLUSTER)
BY_NAME = {"Produce": 12, "Fetch": 12, "OffsetCommit": 9, "OffsetFetch": 9}  # the last version that names topics
REFUSALS = {Err.TOPIC_AUTHORIZATION_FAILED, Err.CLUSTER_AUTHORIZATION_FAILED, Err.GROUP_AUTHORIZATION_FAILED}


async def answer(broker: Broker, api: Api, body: Any = None) -> Any:
    version = BY_NAME.get(api.name, api.max_version)
    call = Call(Session("127.0.0.1:1"), api, version, body or request_of_two(api, version))
    answered = HANDLERS[api](broker, call)
    return await answered if hasattr(answered, "__await__") else answered


def test_who_may_do_nothing_is_refused_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with brokers.running(tmp_path) as broker:
            await broker.topics.create([plan_topic(broker, name, num_partitions=2) for name in ("a", "b")])
            before = broker.image
            monkeypatch.setattr(Session, "authorize", lambda *_: False)
            assert (await answer(broker, LIST_GROUPS)).groups == []
            for api in HANDLERS.keys() - {*FOR_EVERYBODY, LIST_GROUPS}:
                errors = set(places(await answer(broker, api))) - {Err.NONE}
                assert errors, api.name
                assert errors <= REFUSALS, api.name
            for api in (METADATA, DESCRIBE_TOPIC_PARTITIONS):
                everything = api.Request(topics=None if api is METADATA else [])
                assert (await answer(broker, api, everything)).topics == [], api.name
            assert broker.image is before
            assert len(broker.logs.logs()) == 4

    asyncio.run(story())
