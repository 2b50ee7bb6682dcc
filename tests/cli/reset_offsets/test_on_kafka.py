"""`kq reset-offsets` on Apache Kafka: the tests of `test_resetting`, once more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.reset_offsets.test_resetting import (
    orders as orders,
)
from tests.cli.reset_offsets.test_resetting import (
    test_an_active_group_is_refused_by_name as test_an_active_group_is_refused_by_name,
)
from tests.cli.reset_offsets.test_resetting import (
    test_execute_journals_and_undo_restores as test_execute_journals_and_undo_restores,
)
from tests.cli.reset_offsets.test_resetting import (
    test_from_another_group as test_from_another_group,
)
from tests.cli.reset_offsets.test_resetting import (
    test_groups_that_are_not_there as test_groups_that_are_not_there,
)
from tests.cli.reset_offsets.test_resetting import (
    test_plans_in_files_are_done_exactly as test_plans_in_files_are_done_exactly,
)
from tests.cli.reset_offsets.test_resetting import (
    test_some_are_refused_the_others_are_done as test_some_are_refused_the_others_are_done,
)
from tests.cli.reset_offsets.test_resetting import (
    test_the_plan_is_shown_and_nothing_else_happens as test_the_plan_is_shown_and_nothing_else_happens,
)
from tests.cli.reset_offsets.test_resetting import (
    test_topics_partitions_and_globs_narrow as test_topics_partitions_and_globs_narrow,
)
from tests.cli.reset_offsets.test_resetting import (
    test_undo_keeps_metadata_and_takes_parts as test_undo_keeps_metadata_and_takes_parts,
)
from tests.cli.reset_offsets.test_resetting import (
    test_undo_leaves_topics_out_that_were_made_anew as test_undo_leaves_topics_out_that_were_made_anew,
)
from tests.cli.reset_offsets.test_resetting import (
    test_undo_tells_what_changed_since as test_undo_tells_what_changed_since,
)
from tests.cli.reset_offsets.test_resetting import (
    test_wait_empty_goes_on_when_the_members_have_left as test_wait_empty_goes_on_when_the_members_have_left,
)
from tests.support import peers
from tests.support.peers import Kafka

pytestmark = pytest.mark.java


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Kafka]:
    """In place of kq's own: one Apache Kafka for the session, the same that the interop tests use."""
    base = tmp_path_factory.getbasetemp()
    with peers.shared((base if worker_id == "master" else base.parent) / "peer-kafka") as kafka:
        yield kafka
