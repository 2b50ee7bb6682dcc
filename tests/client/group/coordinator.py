"""A coordinator in the test's own event loop, of a group of one, that errs on demand.

`errors[API.key]` are the codes of its next answers, one each (Cut ends the connection instead, Silence says nothing);
after them it does its work. `calls` are the names of the APIs as they were asked, `commits` what was committed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from typing import Any

from kq.errors import Err
from kq.wire.api import Api
from kq.wire.apis.commits import OFFSET_COMMIT, OFFSET_FETCH
from kq.wire.apis.fetch import FETCH
from kq.wire.apis.groups import FIND_COORDINATOR, HEARTBEAT, JOIN_GROUP, LEAVE_GROUP, SYNC_GROUP
from tests.client.model import Cut, ModelBroker, Silence

Trouble = Err | type[Cut] | type[Silence]


class ModelCoordinator(ModelBroker):
    def __init__(self, partitions: int = 2) -> None:
        super().__init__(partitions)
        self.errors: dict[int, deque[Trouble]] = defaultdict(deque)
        self.calls: list[str] = []
        self.commits: dict[tuple[str, int], int] = {}
        self.generation = 0
        self.member_ids = 0
        self.joins: list[Any] = []
        self.left: list[str] = []
        self.handlers |= {
            FIND_COORDINATOR.key: self._find,
            JOIN_GROUP.key: self._join,
            SYNC_GROUP.key: self._sync,
            HEARTBEAT.key: self._heartbeat,
            LEAVE_GROUP.key: self._leave,
            OFFSET_COMMIT.key: self._commit,
            OFFSET_FETCH.key: self._committed,
            FETCH.key: self._fetch,
        }

    def _trouble(self, api: Api) -> Err:
        self.calls.append(api.name)
        if not self.errors[api.key]:
            return Err.NONE
        trouble = self.errors[api.key].popleft()
        if not isinstance(trouble, Err):
            raise trouble
        return trouble

    def _find(self, version: int, body: Any) -> Any:
        code = self._trouble(FIND_COORDINATOR)
        if version < 4:
            return FIND_COORDINATOR.Response(error_code=code, node_id=1, host="127.0.0.1", port=self.port)
        coordinators = [
            FIND_COORDINATOR.Response.Coordinator(
                key=key, node_id=-1 if code else 1, host="127.0.0.1", port=self.port, error_code=code
            )
            for key in body.coordinator_keys
        ]
        return FIND_COORDINATOR.Response(coordinators=coordinators)

    def _join(self, version: int, body: Any) -> Any:
        response = JOIN_GROUP.Response
        code = self._trouble(JOIN_GROUP)
        member_id = body.member_id
        if not code and not member_id:
            self.member_ids += 1
            member_id = f"m{self.member_ids}"
            if body.group_instance_id is None and version >= 4:
                code = Err.MEMBER_ID_REQUIRED
        if code:
            return response(error_code=code, member_id=member_id, leader="", protocol_name=None)
        self.joins.append(body)
        self.generation += 1
        chosen = body.protocols[0]
        return response(
            generation_id=self.generation,
            protocol_type="consumer",
            protocol_name=chosen.name,
            leader=member_id,
            member_id=member_id,
            members=[response.Member(member_id=member_id, metadata=chosen.metadata)],
        )

    def _sync(self, version: int, body: Any) -> Any:
        code = self._trouble(SYNC_GROUP)
        given = b"" if code else bytes(body.assignments[0].assignment)
        return SYNC_GROUP.Response(error_code=code, assignment=given)

    def _heartbeat(self, version: int, body: Any) -> Any:
        code = self._trouble(HEARTBEAT)
        return HEARTBEAT.Response(error_code=code)

    def _leave(self, version: int, body: Any) -> Any:
        code = self._trouble(LEAVE_GROUP)
        self.left += [member.member_id for member in body.members] if version >= 3 else [body.member_id]
        return LEAVE_GROUP.Response(error_code=code)

    def _commit(self, version: int, body: Any) -> Any:
        response = OFFSET_COMMIT.Response
        code = self._trouble(OFFSET_COMMIT)
        topics = []
        for topic in body.topics:
            for partition in topic.partitions:
                if not code:
                    self.commits[topic.name, partition.index] = partition.committed_offset
            answers = [response.Partition(index=partition.index, error_code=code) for partition in topic.partitions]
            topics.append(response.Topic(name=topic.name, partitions=answers))
        return response(topics=topics)

    def _committed(self, version: int, body: Any) -> Any:
        response = OFFSET_FETCH.Response
        code = self._trouble(OFFSET_FETCH)
        unstable = code if code == Err.UNSTABLE_OFFSET_COMMIT else Err.NONE
        (group,) = body.groups if version >= 8 else [body]
        topics = [
            response.Topic(
                name=topic.name,
                partitions=[
                    response.Partition(
                        index=index,
                        committed_offset=self.commits.get((topic.name, index), 0),
                        metadata="",
                        error_code=unstable,
                    )
                    for index in topic.partitions
                ],
            )
            for topic in group.topics or ()
        ]
        if version < 8:
            return response(topics=topics, error_code=Err.NONE if unstable else code)
        said = response.Group(group_id=group.group_id, topics=topics, error_code=Err.NONE if unstable else code)
        return response(groups=[said])

    async def _fetch(self, version: int, body: Any) -> Any:
        await asyncio.sleep(0.02)  # there is never anything to read
        return FETCH.Response()
