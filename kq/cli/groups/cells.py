"""Lag, behind, rates and alerts as cells: of one partition, or of several together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kq.cli.groups.looking import Look
from kq.cli.output.render import NONE, Both, Column
from kq.cli.output.units import duration_text
from kq.client.lag.asking import GroupStanding
from kq.client.lag.course import Course, Trend, together
from kq.client.lag.standing import FAR_BEHIND_MS, Standing, Total, total

if TYPE_CHECKING:
    from kq.client import TopicPartition

LAG = [Column("LAG", "count"), Column("BEHIND", "duration")]
# Appended where there are two looks.
TREND = [Column("WRITTEN", "number"), Column("READ", "number"), Column("TREND", "text"), Column("TO EMPTY", "duration")]


@dataclass(frozen=True, slots=True)
class Figures:
    """Of some partitions of one group."""

    total: Total
    trend: Trend | None  # None: not known yet
    has_trend: bool  # whether it will be
    stuck_ms: int | None  # the longest stand of a partition that is far behind and has a member
    alert: str

    @property
    def lag(self) -> int | None:
        return self.total.lag

    @property
    def has_lag(self) -> bool:
        """False: nothing is committed, so there is no lag to be known."""
        return bool(self.total.counted or self.total.unknown)

    @property
    def cells(self) -> list[Any]:
        """In the order of `LAG`."""
        lag = self.lag if self.has_lag else NONE
        return [lag, self._behind()]

    @property
    def trend_cells(self) -> list[Any]:
        """In the order of `TREND`; nothing where there is one look only."""
        if not self.has_trend:
            return []
        if not self.has_lag:
            return [NONE] * len(TREND)
        if self.trend is None:
            return [None] * len(TREND)
        trend = self.trend
        empty = Both("never", "never") if trend.to_empty_ms is None else round(trend.to_empty_ms)
        return [_rate(trend.written_per_s), _rate(trend.read_per_s), _growth(trend.growing_per_s), empty]

    def _behind(self) -> Any:
        if not self.has_lag:
            return NONE
        if self.stuck_ms is not None:
            return Both(f"stuck {duration_text(self.stuck_ms)}", f"stuck={self.stuck_ms}")
        behind_ms = self.total.behind_ms
        if behind_ms is not None and self.total.interpolated:
            return Both(f"~{duration_text(behind_ms)}", str(behind_ms))
        return behind_ms

    @property
    def sort_values(self) -> list[float | None]:
        """What `--sort` compares, for the cells of `LAG` and of `TREND`."""
        behind = self.stuck_ms if self.stuck_ms is not None else self.total.behind_ms
        values: list[float | None] = [self.lag, behind]
        if self.has_trend:
            trend = self.trend
            values += (
                [None] * len(TREND)
                if trend is None
                else [trend.written_per_s, trend.read_per_s, trend.growing_per_s, trend.to_empty_ms]
            )
        return values

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "lag": self.lag,
            "behind_ms": self.total.behind_ms,
            "behind_is_interpolated": self.total.interpolated,
            "gone_records": self.total.gone,
        }
        if self.has_trend:
            trend = self.trend
            body |= {
                "written_per_s": trend and round(trend.written_per_s, 3),
                "read_per_s": trend and round(trend.read_per_s, 3),
                "lag_growth_per_s": trend and round(trend.growing_per_s, 3),
                "to_empty_ms": round(trend.to_empty_ms) if trend and trend.to_empty_ms is not None else None,
                "stuck_ms": self.stuck_ms,
            }
        return body


def figures(look: Look, group: GroupStanding, pairs: Iterable[TopicPartition] | None = None) -> Figures:
    """Of these partitions of the group, or of all."""
    of = group.standings if pairs is None else {pair: group.standings[pair] for pair in pairs}
    courses = look.courses_of(group.id)
    owners = group.owners
    stuck = [
        stood_ms
        for pair, one in of.items()
        if courses is not None and pair in owners and (stood_ms := _stuck_ms(one, courses.get(pair), look.now_ms))
    ]
    alerts = [alert_of(one, has_member=pair in owners, now_ms=look.now_ms) for pair, one in of.items()]
    if stuck:
        alerts.append("yellow")
    return Figures(
        total=total(of, look.now_ms),
        trend=None if courses is None else _trend(of, courses),
        has_trend=courses is not None,
        stuck_ms=max(stuck, default=None),
        alert="red" if "red" in alerts else "yellow" if "yellow" in alerts else "",
    )


def alert_of(standing: Standing, *, has_member: bool, now_ms: int) -> str:
    """Red: records were lost, or will be read again or never. Yellow: somebody should have read them by now."""
    if standing.gone or standing.past_end:
        return "red"
    far = (standing.behind_ms(now_ms) or 0) >= FAR_BEHIND_MS
    return "yellow" if (far and has_member) or not standing.exists else ""


def _stuck_ms(standing: Standing, course: Course | None, now_ms: int) -> int | None:
    if course is None or (standing.behind_ms(now_ms) or 0) < FAR_BEHIND_MS:
        return None
    return course.stuck_ms


def _trend(standings: Mapping[TopicPartition, Standing], courses: Mapping[TopicPartition, Course]) -> Trend | None:
    """Of those partitions that have been seen twice; None of none."""
    return together(
        (one.lag or 0, trend)
        for pair, one in standings.items()
        if pair in courses and (trend := courses[pair].trend) is not None
    )


def _rate(per_second: float) -> Both:
    return Both(f"{_whole(per_second):,}/s", f"{per_second:.3f}")


def growth_text(per_second: float) -> str:
    """`growing 212/s`, `shrinking 40/s`, `steady`."""
    whole = _whole(per_second)
    return "steady" if not whole else f"{'growing' if whole > 0 else 'shrinking'} {abs(whole):,}/s"


def _growth(per_second: float) -> Both:
    return Both(growth_text(per_second), f"{per_second:.3f}")


def _whole(per_second: float) -> int | float:
    """Below 10 a second one digit more counts."""
    return round(per_second) if abs(per_second) >= 10 or round(per_second, 1) == 0 else round(per_second, 1)
