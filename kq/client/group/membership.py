"""Being a member of a group, without a socket or a clock: what is to be done now, and what an answer changes.

    phase      what the member does                            left by
    OUT        waits for the user (`polled`, `prepared`)       prepared -> JOINING
    JOINING    sends JoinGroup, waits for the others           an answer -> SYNCING; 79: again with the id it was given
    SYNCING    gives or gets the assignment (SyncGroup)        an answer -> STABLE; 27: JOINING
    STABLE     heartbeats                                      rejoin + prepared -> JOINING; asked too rarely -> OUT
    LEFT       nothing, for good                               -

Rules
- Nothing is taken from the user behind his back: before a join he is asked for (`wants_preparation`), gives up what he
  has to, and says so (`prepared`). Meanwhile the member keeps heartbeating.
- 25 (unknown member), 22 (an old generation) and being asked too rarely end the generation: what was owned may be
  somebody else's by now (`lost`). 25 also takes the member id. Java keeps it at 22, and so is it here.
- An answer that belongs to an earlier generation changes nothing.
- 82, 30, 23, 24, 26, 81, 69 and what else does not pass are for good (`fatal`). What passes, a coordinator that moves
  above all, is tried again after a pause.
- Errors of the coordinator do not end a generation, nor does its silence: it ends the session, if it likes.

Source: Kafka's `AbstractCoordinator` and `ConsumerCoordinator`.
"""

from __future__ import annotations

from enum import Enum, auto

from kq.client.errors import is_retriable
from kq.client.group.protocol import NO_GENERATION
from kq.errors import Err, KafkaError

__all__ = ["Membership", "Phase", "Step"]


class Phase(Enum):
    OUT = auto()
    JOINING = auto()
    SYNCING = auto()
    STABLE = auto()
    LEFT = auto()


class Step(Enum):
    """What the rim is to do now."""

    JOIN = auto()
    SYNC = auto()
    HEARTBEAT = auto()
    LEAVE = auto()  # the user has forgotten us: tell the group, then `forgotten`
    WAIT = auto()  # until `wake_ms`, or until something is said to this object


class Membership:
    """All times in ms of the rim's clock. `instance_id` makes the member static."""

    def __init__(
        self,
        *,
        heartbeat_interval_ms: int,
        max_poll_interval_ms: int,
        instance_id: str | None = None,
    ) -> None:
        self.instance_id = instance_id
        self.member_id = ""
        self.generation = NO_GENERATION
        self.phase = Phase.OUT
        self.leader = False
        self.lost = False  # what was owned may be somebody else's by now; until `prepared`
        self.reason: str | None = "a new member"  # why to join (again), None: no need to
        self.fatal: KafkaError | None = None
        self._heartbeat_interval_ms = heartbeat_interval_ms
        self._max_poll_interval_ms = max_poll_interval_ms
        self._polled_ms = 0.0
        self._heartbeat_ms = 0.0  # when the next one is due
        self._retry_ms = 0.0  # nothing is sent before
        self.failures = 0  # in a row

    # -- what is to be done -----------------------------------------------------------------------------------------

    @property
    def wants_preparation(self) -> bool:
        """The user is to give up what he has to, and call `prepared`."""
        return self.phase is Phase.OUT or (self.phase is Phase.STABLE and self.reason is not None)

    @property
    def in_group(self) -> bool:
        """Whether commits can be made in the generation's name."""
        return self.generation != NO_GENERATION and self.phase is not Phase.LEFT

    def next(self, now_ms: float) -> Step:
        if self.fatal is not None or self.phase in {Phase.OUT, Phase.LEFT} or now_ms < self._retry_ms:
            return Step.WAIT
        if self.phase is Phase.JOINING:
            return Step.JOIN
        if self.phase is Phase.SYNCING:
            return Step.SYNC
        if now_ms >= self._polled_ms + self._max_poll_interval_ms:
            return Step.LEAVE
        return Step.HEARTBEAT if now_ms >= self._heartbeat_ms else Step.WAIT

    @property
    def wake_ms(self) -> float | None:
        """When `next` will say something else by itself; None: not before it is told something."""
        if self.fatal is not None or self.phase in {Phase.OUT, Phase.LEFT}:
            return None
        if self.phase is not Phase.STABLE:
            return self._retry_ms
        return max(self._retry_ms, min(self._heartbeat_ms, self._polled_ms + self._max_poll_interval_ms))

    # -- the user ---------------------------------------------------------------------------------------------------

    def polled(self, now_ms: float) -> None:
        """He has asked for records: what he got before is processed."""
        self._polled_ms = now_ms

    def prepared(self) -> None:
        """He has given up what he had to."""
        self.phase = Phase.JOINING
        self.lost = False
        self._retry_ms = 0.0

    def rejoin(self, reason: str) -> None:
        """The group has to share out anew. The first reason stays."""
        if self.reason is None:
            self.reason = reason

    def left(self) -> None:
        self.phase = Phase.LEFT

    def forgotten(self) -> None:
        """The user asks for nothing any more: without us the group goes on."""
        self._out("max.poll.interval.ms went by without a fetch", keep_id=self.instance_id is not None)

    # -- answers ----------------------------------------------------------------------------------------------------

    def joined(self, code: Err, member_id: str, generation: int, leader: str) -> None:
        match code:
            case Err.NONE:
                self.member_id, self.generation = member_id, generation
                self.leader = leader == member_id
                self.reason = None
                self.failures = 0
                self.phase = Phase.SYNCING
            case Err.MEMBER_ID_REQUIRED:
                self.member_id = member_id
            case Err.REBALANCE_IN_PROGRESS:
                self.rejoin("a rebalance is under way")
            case _:
                self._refused(code)

    def synced(self, code: Err, now_ms: float) -> None:
        match code:
            case Err.NONE:
                self.failures = 0
                self.phase = Phase.STABLE
                self._heartbeat_ms = now_ms + self._heartbeat_interval_ms
            case Err.REBALANCE_IN_PROGRESS:
                self.rejoin("the group shares out anew")
                self.phase = Phase.JOINING
            case _:
                self._refused(code)

    def heartbeat_sent(self, now_ms: float) -> None:
        self._heartbeat_ms = now_ms + self._heartbeat_interval_ms

    def heartbeat_answered(self, code: Err, generation: int) -> None:
        if generation != self.generation or self.phase is not Phase.STABLE:
            return
        if code in {Err.NONE, Err.REBALANCE_IN_PROGRESS}:
            self.failures = 0
            if code:
                self.rejoin("the group shares out anew")
        else:
            self._refused(code)

    def commit_answered(self, code: Err, generation: int) -> None:
        """A commit of that generation was answered so; what becomes of the commit is its caller's affair."""
        if generation != self.generation or self.phase is Phase.LEFT:
            return
        if code == Err.REBALANCE_IN_PROGRESS and self.phase is Phase.STABLE:
            self.rejoin("the group shares out anew")
        elif code in {Err.UNKNOWN_MEMBER_ID, Err.ILLEGAL_GENERATION, Err.FENCED_INSTANCE_ID}:
            self._refused(code)

    def failed(self, error: KafkaError, now_ms: float, pause_ms: float) -> None:
        """Nothing could be asked, or nobody there is the coordinator now."""
        if not is_retriable(error):
            self.fatal = error
            return
        self.failures += 1
        self._retry_ms = now_ms + pause_ms
        if self.phase is Phase.SYNCING:
            self.phase = Phase.JOINING  # the new coordinator may know nothing of this round
            self.rejoin("the coordinator moved")

    def _refused(self, code: Err) -> None:
        if code == Err.UNKNOWN_MEMBER_ID:
            self._out("the group does not know this member any more", keep_id=False)
        elif code == Err.ILLEGAL_GENERATION:
            self._out("the group has gone on without this member", keep_id=True)
        else:
            self.fatal = KafkaError(code)

    def _out(self, reason: str, *, keep_id: bool) -> None:
        if not keep_id:
            self.member_id = ""
        self.lost = self.lost or self.generation != NO_GENERATION
        self.generation = NO_GENERATION
        self.leader = False
        self.phase = Phase.OUT
        self.reason = reason
