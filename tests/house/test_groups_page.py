"""docs/groups.md draws the states that there are."""

from __future__ import annotations

from kq.machines.group import classic_states, consumer_offsets
from kq.machines.group.reconciliation import MemberState
from tests.house import groups_page


def test_docs_groups_md_is_current() -> None:
    assert groups_page.PAGE.read_text() == groups_page.page(), (
        "docs/groups.md is behind the code; run: python -m tests.house.groups_page"
    )


def test_every_state_is_drawn_and_no_other() -> None:
    """The tables of the consumer protocol are written in words: these must be the names of its states."""
    classic, consumer = list(groups_page.classic_rows()), list(groups_page.consumer_rows())
    assert {row.start for row in classic} == {row.end for row in classic} == set(classic_states.State) - {"Dead"}
    assert {row.start for row in consumer} == {row.end for row in consumer} == set(consumer_offsets.State)
    member = list(groups_page.member_rows())
    named = {word.partition(",")[0] for row in member for word in (row.start, row.end)} - {"any", "stays"}
    assert named == {state.name for state in MemberState} - {"UNKNOWN"}
