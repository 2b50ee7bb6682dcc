"""`kq wait` on Apache Kafka: the tests of `test_wait`, once more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.wait.test_wait import test_a_topic as test_a_topic
from tests.cli.wait.test_wait import test_as_json as test_as_json
from tests.cli.wait.test_wait import test_lag_and_members_must_hold_at_once as test_lag_and_members_must_hold_at_once
from tests.cli.wait.test_wait import test_what_will_not_pass_ends_it as test_what_will_not_pass_ends_it
from tests.support import peers
from tests.support.peers import Kafka

pytestmark = pytest.mark.java


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Kafka]:
    """In place of kq's own: one Apache Kafka for the session, the same that the interop tests use."""
    base = tmp_path_factory.getbasetemp()
    with peers.shared((base if worker_id == "master" else base.parent) / "peer-kafka") as kafka:
        yield kafka
