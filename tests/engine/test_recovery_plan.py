"""The plan of a recovery, from a description of the directory: no file, no disk."""

from __future__ import annotations

from kq.engine import names
from kq.engine.recovery import Cut, Facts, Reindex, Remove, Rename, SegmentFacts, plan_leftovers, plan_segments
from kq.engine.walk import Fault, Walk


def facts(*segments: SegmentFacts, **more: object) -> Facts:
    found = {names.file_name(one.base_offset, names.LOG) for one in segments}
    return Facts(names=frozenset(found), snapshots=(), segments=segments, **more)  # type: ignore[arg-type]


def test_a_sound_log_needs_new_indexes_only_after_a_crash() -> None:
    segment = SegmentFacts(0, 118, 8, 12, Walk(118, 1))
    assert plan_segments(facts(segment, clean=True)).steps == ()
    assert [type(step) for step in plan_segments(facts(segment)).steps] == [Reindex]


def test_the_plan_of_an_empty_directory() -> None:
    plan = plan_segments(facts(log_start_offset=17))
    assert (plan.steps, plan.segments, plan.log_end_offset, plan.starts_anew) == ((), (), 17, True)


def test_a_log_that_ends_below_its_start_keeps_what_a_failed_medium_cut_off() -> None:
    hurt = SegmentFacts(0, 5000, 8, 12, Walk(354, 3, Fault.BAD_CRC))
    plan = plan_segments(facts(hurt, recovery_point=9, log_start_offset=5))
    cuts = [step for step in plan.steps if isinstance(step, Cut)]
    assert [step.keep_as for step in cuts] == ["00000000000000000000.log.354.corrupt"]
    assert plan.steps.index(cuts[0]) < plan.steps.index(
        next(step for step in plan.steps if isinstance(step, Remove) and step.name.endswith(".log"))
    )
    assert plan.starts_anew


def test_compaction_replaces_a_range_of_segments() -> None:
    found = [
        names.file_name(base, kind)
        for base in (0, 10, 20)
        for kind in (names.LOG, names.INDEX, names.TIME_INDEX, names.SNAPSHOT)
    ]
    found += ["00000000000000000000.log.swap", "00000000000000000000.index.swap"]
    steps = plan_leftovers(found, {0: 20})
    removed = {step.name for step in steps if isinstance(step, Remove)}
    assert removed == {
        names.file_name(base, kind) for base in (0, 10) for kind in (names.LOG, names.INDEX, names.TIME_INDEX)
    }
    assert {step.new_name for step in steps if isinstance(step, Rename)} == {
        "00000000000000000000.log",
        "00000000000000000000.index",
    }
