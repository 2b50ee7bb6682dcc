"""What CLI-OUTPUT.md shows, to the character, from figures made up by hand."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kq.cli.groups.cells import growth_text
from kq.cli.groups.description import alerts_of, heading, say_what_is_missing
from kq.cli.groups.looking import Look
from kq.cli.groups.standing_json import group_json
from kq.cli.groups.views import columns_of, lines
from kq.cli.output.render import Form, table_text
from kq.cli.run.call import Call
from kq.client import GroupDescription, GroupMember, TopicPartition
from kq.client.lag.asking import GroupStanding
from kq.client.lag.course import Course, Sample
from kq.client.lag.standing import Standing
from kq.errors import Err, KafkaError

NOW = 1_700_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
PEOPLE = Form(plain=False, width=100)


def since(age_ms: int) -> int:
    return NOW - age_ms


BILLING = GroupStanding(
    GroupDescription(
        "billing",
        "Stable",
        "consumer",
        "consumer",
        "uniform",
        2,
        (
            GroupMember("m1", "billing-1", "10.0.0.6", assignment=(("orders", 0), ("orders", 2))),
            GroupMember("m2", "billing-2", "10.0.0.7", assignment=(("orders", 1), ("orders", 3))),
        ),
        12,
    ),
    {
        ("orders", 0): Standing(1_204_400, 812_118, 1_204_518, since(200)),
        ("orders", 1): Standing(1_040_106, 812_004, 1_204_506, since(42 * MINUTE + 10_000)),
        ("orders", 2): Standing(None, 811_870, 918_222),
        ("orders", 3): Standing(701_000, 812_118, 1_204_118, since(6 * DAY + 23 * HOUR)),
    },
)


def shown(group: GroupStanding, by: str = "partition", courses: Mapping[TopicPartition, Course] | None = None) -> str:
    look = Look([group], NOW, courses=None if courses is None else {group.id: dict(courses)})
    rows = [line.row for line in lines(look, group, by)]
    return heading(look, group) + "\n" + table_text(columns_of(by, has_trend=courses is not None), rows, PEOPLE)


def test_describe() -> None:
    assert shown(BILLING) == (
        "billing   Stable, consumer protocol (uniform), generation 12, coordinator 2\n"
        "2 members, 4 partitions: lag 667,636 records, 6d23h behind (worst: orders:3)\n"
        "! orders:3 stands 111,118 records before the log start: those are gone\n"
        "\n"
        "  PARTITION  COMMITTED        END      LAG  BEHIND  MEMBER\n"
        "  orders:0   1,204,400  1,204,518      118    0.2s  billing-1 @ 10.0.0.6\n"
        "! orders:1   1,040,106  1,204,506  164,400  42m10s  billing-2 @ 10.0.0.7\n"
        "  orders:2           -    918,222        -       -  billing-1 @ 10.0.0.6\n"
        "! orders:3     701,000  1,204,118  503,118   6d23h  billing-2 @ 10.0.0.7\n"
    )


def test_by_member_and_by_topic() -> None:
    assert shown(BILLING, "member").partition("\n\n")[2] == (
        "  MEMBER     HOST      PARTITIONS      LAG  BEHIND  CLIENT     ID\n"
        "  billing-1  10.0.0.6  orders:0,2      118    0.2s  billing-1  m1\n"
        "! billing-2  10.0.0.7  orders:1,3  667,518   6d23h  billing-2  m2\n"
    )
    assert shown(BILLING, "topic").partition("\n\n")[2] == (
        "  TOPIC   PARTITIONS      LAG  BEHIND  MEMBERS\n"
        "! orders           4  667,636   6d23h        2\n"
    )  # fmt: skip


def course(*committed: int, end: int, grows: int = 0) -> Course:
    made = Course()
    for number, offset in enumerate(committed):
        made.add(
            Sample(NOW - (len(committed) - 1 - number) * 2000, offset, end - (len(committed) - 1 - number) * grows)
        )
    return made


def test_two_looks() -> None:
    courses = {
        ("orders", 0): course(1_204_000, 1_204_400, end=1_204_518, grows=300),
        ("orders", 1): course(*[1_040_106] * 11, end=1_204_506),
        ("orders", 2): Course(),
        ("orders", 3): course(700_995, 701_000, end=1_204_118, grows=2000),
    }
    assert shown(BILLING, courses=courses).splitlines()[2:] == [
        "growing 948/s: 1,150/s written, 202/s read; never empty",
        "! orders:3 stands 111,118 records before the log start: those are gone",
        "",
        "  PARTITION  COMMITTED        END      LAG     BEHIND  MEMBER                WRITTEN   READ  TREND"
        "           TO EMPTY",
        "  orders:0   1,204,400  1,204,518      118       0.2s  billing-1 @ 10.0.0.6    150/s  200/s  shrinking 50/s"
        "      2.4s",
        "! orders:1   1,040,106  1,204,506  164,400  stuck 20s  billing-2 @ 10.0.0.7      0/s    0/s  steady"
        "             never",
        "  orders:2           -    918,222        -          -  billing-1 @ 10.0.0.6        -      -  -"
        "                      -",
        "! orders:3     701,000  1,204,118  503,118      6d23h  billing-2 @ 10.0.0.7  1,000/s  2.5/s  growing 998/s"
        "      never",
    ]


def alone(standing: Standing, **members: GroupMember) -> GroupStanding:
    said = GroupDescription("g", "Empty", coordinator=1, members=tuple(members.values()))
    return GroupStanding(said, {("t", 0): standing})


def row(standing: Standing) -> str:
    return shown(alone(standing)).splitlines()[-1]


def test_what_is_not_known_is_never_0() -> None:
    assert row(Standing(5, 0, 9)).split() == ["t:0", "5", "9", "4", "·", "-"]
    assert row(Standing(5, 0, 9, since(3000), interpolated=True)).split() == ["t:0", "5", "9", "4", "~3s", "-"]
    gone = KafkaError(Err.LEADER_NOT_AVAILABLE)
    assert row(Standing(5, None, None, error=gone)).split() == ["t:0", "5", "·", "·", "·", "-"]
    assert row(Standing(None, None, None, error=gone)).split() == ["t:0", "·", "·", "·", "·", "-"]
    assert row(Standing(5, exists=False)).split() == ["!", "t:0", "5", "-", "-", "-", "-"]
    look = Look([], NOW)
    body = group_json(look, alone(Standing(5, None, None, error=gone)))
    assert (body["lag"], body["behind_ms"], body["partitions"][0]["end_offset"]) == (None, None, None)
    assert heading(look, alone(Standing(5, None, None, error=gone))).splitlines()[1] == (
        "0 members, 1 partition: lag ·, · behind"
    )


@pytest.mark.parametrize(
    ("standing", "alert"),
    [
        (Standing(5, 6, 9), "t:0 stands 1 record before the log start: that one is gone"),
        (Standing(50, 0, 9), "t:0 stands 41 records past the end: the log was cut back or made anew"),
        (Standing(5, exists=False), "t:0 does not exist any more; its commit is still kept"),
        (Standing(5, 5, 9), None),
        (Standing(None, 5, 9), None),
    ],
)
def test_what_is_wrong(standing: Standing, alert: str | None) -> None:
    assert alerts_of(alone(standing)) == ([alert] if alert else [])


def test_what_is_missing_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    call = Call("groups describe", [], json=False, quiet=False, verbose=0, form=Form(), error_color=False)
    gone = KafkaError(Err.LEADER_NOT_AVAILABLE, "There is no leader.")
    many = {("t", number): Standing(5, error=gone) for number in range(5)}
    assert say_what_is_missing(call, [GroupStanding(GroupDescription("g"), many)])
    assert capsys.readouterr().err == "kq: t:0, t:1, t:2 and 2 more: There is no leader\n"
    refused = GroupStanding(GroupDescription("g"), error=KafkaError(Err.GROUP_AUTHORIZATION_FAILED, "Not for you."))
    assert say_what_is_missing(call, [refused])
    assert capsys.readouterr().err == "kq: group g: Not for you\n"
    assert not say_what_is_missing(call, [BILLING])


def test_growth() -> None:
    assert [growth_text(rate) for rate in (212.4, -40.0, 0.04, 3.21, -0.5)] == [
        "growing 212/s", "shrinking 40/s", "steady", "growing 3.2/s", "shrinking 0.5/s",
    ]  # fmt: skip
