"""Who is in a group of the classic protocol: its members, their votes, its leader, and who waits for what.

Rules
1. `joining` counts the members with a parked JoinGroup; nobody has more than one JoinGroup and one SyncGroup parked.
2. A protocol can be chosen only if every member supports it; of those, each member votes for the first in its list.
3. There is a leader whenever there are members; when the leader goes, the member that has been here longest leads.
4. An instance id belongs to one member. Pending members have a member id and nothing else (KIP-394).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kq.errors import Err
from kq.machines.group.alarms import Alarm, Owner
from kq.machines.group.decision import Ticket
from kq.machines.group.facts import GroupMetadataValue, MemberMetadata
from kq.machines.group.requests import JoinedMember


class Member:
    """One member. `protocols` are (name, metadata), the preferred first; timeouts in ms. `is_new` until its first
    generation begins: it does not know its id yet, cannot heartbeat, and is lost when its join takes too long."""

    __slots__ = (
        "alarm",
        "assignment",
        "client_host",
        "client_id",
        "instance_id",
        "is_new",
        "join_ticket",
        "member_id",
        "protocols",
        "rebalance_timeout_ms",
        "session_timeout_ms",
        "sync_ticket",
    )

    def __init__(
        self,
        member_id: str,
        *,
        instance_id: str | None,
        client_id: str,
        client_host: str,
        rebalance_timeout_ms: int,
        session_timeout_ms: int,
        protocols: Sequence[tuple[str, bytes]],
        alarm: Alarm,
        assignment: bytes = b"",
    ) -> None:
        self.member_id = member_id
        self.instance_id = instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.session_timeout_ms = session_timeout_ms
        self.protocols = tuple(protocols)
        self.alarm = alarm
        self.assignment = assignment
        self.is_new = False
        self.join_ticket: Ticket = None
        self.sync_ticket: Ticket = None

    @property
    def called(self) -> str:
        """What people know it by."""
        return self.instance_id or self.member_id

    def take_sync(self) -> Ticket:
        ticket, self.sync_ticket = self.sync_ticket, None
        return ticket

    @property
    def waits(self) -> bool:
        return self.join_ticket is not None or self.sync_ticket is not None

    def metadata(self, protocol: str | None) -> bytes:
        return next((metadata for name, metadata in self.protocols if name == protocol), b"")

    def vote(self, candidates: set[str]) -> str:
        return next(name for name, _ in self.protocols if name in candidates)


class Roster:
    """Members in the order in which they came."""

    def __init__(self) -> None:
        self.by_id: dict[str, Member] = {}
        self.by_instance: dict[str, str] = {}  # instance id -> member id
        self.pending: dict[str, Alarm] = {}  # member ids handed out, not yet joined
        self.leader: str | None = None
        self.joining = 0
        self._support: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self.by_id)

    def __iter__(self) -> Iterator[Member]:
        return iter(self.by_id.values())

    @property
    def everyone_joined(self) -> bool:
        return self.joining == len(self.by_id) and not self.pending

    @property
    def rebalance_timeout_ms(self) -> int:
        return max((member.rebalance_timeout_ms for member in self), default=0)

    def add(self, member: Member) -> None:
        self.by_id[member.member_id] = member
        if member.instance_id is not None:
            self.by_instance[member.instance_id] = member.member_id
        self._support.update({name for name, _ in member.protocols})
        self.leader = self.leader or member.member_id

    def remove(self, member_id: str) -> Member | None:
        """The member, who is gone with its alarm stopped; its tickets are the caller's to answer."""
        member = self.by_id.pop(member_id, None)
        if member is None:
            return None
        member.alarm.stop()
        self._support.subtract({name for name, _ in member.protocols})
        if member.join_ticket is not None:
            self.joining -= 1
        if member.instance_id is not None:
            del self.by_instance[member.instance_id]
        if self.leader == member_id:
            self.leader = next(iter(self.by_id), None)
        return member

    def rename(self, member: Member, member_id: str, alarm: Alarm) -> None:
        """A static member comes back under a new id and keeps its place, its assignment and the lead."""
        old_id = member.member_id
        member.alarm.stop()
        member.member_id, member.alarm = member_id, alarm
        self.by_id = {held.member_id: held for held in self}
        if member.instance_id is not None:
            self.by_instance[member.instance_id] = member_id
        if self.leader == old_id:
            self.leader = member_id

    def propose(self, member: Member, protocols: Sequence[tuple[str, bytes]]) -> None:
        self._support.subtract({name for name, _ in member.protocols})
        member.protocols = tuple(protocols)
        self._support.update({name for name, _ in member.protocols})

    def park_join(self, member: Member, ticket: Ticket) -> Ticket:
        """The ticket that was parked before, which must be answered now; None mostly."""
        before, member.join_ticket = member.join_ticket, ticket
        if before is None:
            self.joining += 1
        return before

    def take_join(self, member: Member) -> Ticket:
        ticket, member.join_ticket = member.join_ticket, None
        if ticket is not None:
            self.joining -= 1
        return ticket

    def drop_pending(self, member_id: str) -> bool:
        alarm = self.pending.pop(member_id, None)
        if alarm is not None:
            alarm.stop()
        return alarm is not None

    def supports_any(self, names: Iterable[str]) -> bool:
        return any(self._support[name] == len(self.by_id) for name in names)

    def elect(self) -> bool:
        """A leader who has joined; False if nobody has. The one there is stays if it has joined."""
        if self.leader is None:
            return False
        if self.by_id[self.leader].join_ticket is None:
            joined = next((member.member_id for member in self if member.join_ticket is not None), None)
            if joined is None:
                return False
            self.leader = joined
        return True

    def select_protocol(self) -> str:
        """The protocol with the most votes; of equals, the one that was voted for first."""
        candidates = {name for name, count in self._support.items() if count == len(self.by_id)}
        votes = Counter(member.vote(candidates) for member in self)
        return max(votes, key=votes.__getitem__)

    def check(self, member_id: str, instance_id: str | None) -> Err:
        """Whether the group knows the member, and under this instance id."""
        if instance_id is not None:
            holder = self.by_instance.get(instance_id)
            if holder is None:
                return Err.UNKNOWN_MEMBER_ID
            if holder != member_id:
                return Err.FENCED_INSTANCE_ID
        return Err.NONE if member_id in self.by_id else Err.UNKNOWN_MEMBER_ID

    def introduced(self, protocol: str | None) -> tuple[JoinedMember, ...]:
        """Everybody, as the leader hears of them."""
        return tuple(JoinedMember(member.member_id, member.instance_id, member.metadata(protocol)) for member in self)

    def metadata(self, protocol: str | None, assignments: Mapping[str, bytes]) -> tuple[MemberMetadata, ...]:
        """Everybody, as it is remembered."""
        return tuple(
            MemberMetadata(
                member.member_id,
                member.instance_id,
                member.client_id,
                member.client_host,
                member.rebalance_timeout_ms,
                member.session_timeout_ms,
                member.metadata(protocol),
                assignments.get(member.member_id, b""),
            )
            for member in self
        )

    def restore(self, value: GroupMetadataValue, owner: Owner) -> None:
        """The members that are remembered, and no others. Those that are here keep what is not remembered of them."""
        remembered = {kept.member_id: kept for kept in value.members}
        for member_id in [member_id for member_id in self.by_id if member_id not in remembered]:
            self.remove(member_id)
        for kept in value.members:
            patience_ms = kept.rebalance_timeout if kept.rebalance_timeout >= 0 else kept.session_timeout
            member = self.by_id.get(kept.member_id)
            if member is not None:
                member.assignment = kept.assignment
                continue
            self.add(
                Member(
                    kept.member_id,
                    instance_id=kept.group_instance_id,
                    client_id=kept.client_id,
                    client_host=kept.client_host,
                    rebalance_timeout_ms=patience_ms,
                    session_timeout_ms=kept.session_timeout,
                    protocols=[(value.protocol or "", kept.subscription)],
                    alarm=Alarm(owner, "session", kept.member_id),
                    assignment=kept.assignment,
                )
            )
        if value.leader in self.by_id:
            self.leader = value.leader
