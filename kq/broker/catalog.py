"""The cluster's metadata between the store and the image: what nodes say, and which transaction makes which change.

Every method is one transaction; it may wait for a commit, so the broker calls them in its metadata thread. Nodes are
laid out as in Kafka's ZooKeeper mode (`coordination.layout`). A topic that is being deleted leaves
`/admin/delete_topics/ID` with its name until its directories are gone, so that a crash in between cannot bring it
back. (Kafka has its name there, which another topic may have by then.)

A transaction that fails raises KafkaError: of `Unavailable` nobody knows whether it happened before the store is read
again (`coordination.store`, rule 6).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from kq.coordination import layout
from kq.coordination.layout import BrokerRegistration, PartitionState, TopicAssignment
from kq.coordination.store import Conflict, Create, Delete, Node, Op, Set, Store
from kq.errors import Err, KafkaError
from kq.machines.image import BrokerImage, ClusterImage, PartitionImage, TopicImage

DELETIONS = "/admin/delete_topics"
FIRST_CONTROLLER_EPOCH = 0


class Catalog:
    def __init__(self, store: Store) -> None:
        self._store = store

    def cluster_id(self, fresh: str) -> str:
        """The cluster's id; `fresh` becomes it where there is none yet."""
        node = self._store.get(layout.CLUSTER_ID)
        if node is None:
            self._transact([Create(layout.CLUSTER_ID, layout.encode_cluster_id(fresh))])
            return fresh
        return layout.decode_cluster_id(node.data)

    def topic_ids(self) -> dict[str, bytes]:
        return {topic.name: topic.id for topic in self.read(-1).topics.values()}

    def read(self, node_id: int) -> ClusterImage:
        """The cluster as the store has it, seen from this broker."""
        return _image(self._store.tree("/"), node_id)

    def start(
        self,
        image: ClusterImage,
        node_id: int,
        registration: BrokerRegistration,
        log_epochs: Mapping[tuple[str, int], int],
    ) -> ClusterImage:
        """Registers this broker and makes it the leader of its partitions, in an epoch above the last one and above all
        that its logs hold (a log may have been copied in from elsewhere)."""
        known = self._store.tree(layout.BROKER_IDS)
        ops: list[Op] = [_put(known, layout.broker_path(node_id), registration.encode())]
        topics = {}
        for name, topic in image.topics.items():
            partitions = []
            for index, partition in enumerate(topic.partitions):
                if node_id in partition.replicas:
                    epoch = max(partition.leader_epoch, log_epochs.get((name, index), -1)) + 1
                    partition = partition._replace(leader=node_id, leader_epoch=epoch)
                    ops.append(Set(layout.state_path(name, index), _state(partition)))
                partitions.append(partition)
            topics[name] = replace(topic, partitions=tuple(partitions))
        self._transact(ops)
        return replace(image, brokers={**image.brokers, node_id: _broker(node_id, registration)}, topics=topics)

    def create_topics(self, topics: Sequence[TopicImage]) -> None:
        ops: list[Op] = []
        for topic in topics:
            ops.append(Create(layout.topic_path(topic.name), _assignment(topic)))
            ops += self._new_states(topic, 0)
            if topic.settings:
                ops.append(Create(layout.topic_settings_path(topic.name), layout.encode_settings(topic.settings)))
        self._transact(ops)

    def add_partitions(self, before: TopicImage, after: TopicImage) -> None:
        assignment: Op = Set(layout.topic_path(after.name), _assignment(after))
        self._transact([assignment, *self._new_states(after, len(before.partitions))])

    def _new_states(self, topic: TopicImage, first: int) -> Iterable[Op]:
        for index in range(first, len(topic.partitions)):
            yield Create(layout.state_path(topic.name, index), _state(topic.partitions[index]))

    def delete_topics(self, topics: Sequence[TopicImage]) -> None:
        ops: list[Op] = []
        for topic in topics:
            ops.append(Create(_deletion_path(topic.id), topic.name.encode()))
            path = layout.topic_path(topic.name)
            for index in range(len(topic.partitions)):
                ops.append(Delete(layout.state_path(topic.name, index)))
                ops.append(Delete(f"{path}/partitions/{index}"))
            ops += [Delete(f"{path}/partitions"), Delete(path)]
            if self._store.get(layout.topic_settings_path(topic.name)) is not None:
                ops.append(Delete(layout.topic_settings_path(topic.name)))
        self._transact(ops)

    def pending_deletions(self) -> dict[bytes, str]:
        """Topics, by id, with the name that they had, whose directories may still be there."""
        prefix = DELETIONS + "/"
        return {
            layout.topic_id_bytes(path.removeprefix(prefix)): node.data.decode()
            for path, node in self._store.tree(DELETIONS).items()
            if path.startswith(prefix)
        }

    def finish_deletions(self, topic_ids: Iterable[bytes]) -> None:
        """Nothing is left of these topics."""
        self._transact([Delete(_deletion_path(topic_id)) for topic_id in topic_ids])

    def set_topic_settings(self, topic: TopicImage) -> None:
        self._put_settings(layout.topic_settings_path(topic.name), topic.settings)

    def set_broker_settings(self, node_id: int | None, settings: Mapping[str, str]) -> None:
        self._put_settings(layout.broker_settings_path(node_id), settings)

    def set_group_settings(self, group_id: str, settings: Mapping[str, str]) -> None:
        self._put_settings(layout.group_settings_path(group_id), settings)

    def _put_settings(self, path: str, settings: Mapping[str, str]) -> None:
        node = self._store.get(path)
        data = layout.encode_settings(settings)
        self._transact([Create(path, data) if node is None else Set(path, data, node.version)])

    def _transact(self, ops: Sequence[Op]) -> None:
        try:
            self._store.transact(ops)
        except Conflict as conflict:
            raise KafkaError(
                Err.UNKNOWN_SERVER_ERROR,
                f"the metadata is not as this broker knows it ({conflict}); a restart reads it again",
            ) from conflict


def _deletion_path(topic_id: bytes) -> str:
    return f"{DELETIONS}/{layout.topic_id_text(topic_id)}"


def _put(nodes: Mapping[str, Node], path: str, data: bytes) -> Op:
    return Set(path, data) if path in nodes else Create(path, data)


def _assignment(topic: TopicImage) -> bytes:
    return TopicAssignment(topic.id, {i: p.replicas for i, p in enumerate(topic.partitions)}).encode()


def _state(partition: PartitionImage) -> bytes:
    return PartitionState(partition.leader, partition.leader_epoch, partition.isr, FIRST_CONTROLLER_EPOCH).encode()


def _image(nodes: Mapping[str, Node], node_id: int) -> ClusterImage:
    topics = []
    for name in _names(nodes, layout.TOPICS):
        assignment = TopicAssignment.decode(nodes[layout.topic_path(name)].data)
        settings = nodes.get(layout.topic_settings_path(name))
        topic = TopicImage(
            name,
            assignment.topic_id,
            tuple(_partition(nodes, name, i, assignment.replicas[i]) for i in range(len(assignment.replicas))),
            layout.decode_settings(settings.data) if settings else {},
        )
        topics.append(topic)
    brokers = {
        int(name): _broker(int(name), BrokerRegistration.decode(nodes[layout.broker_path(int(name))].data))
        for name in _names(nodes, layout.BROKER_IDS)
    }
    dynamic = {
        node: layout.decode_settings(nodes[path].data)
        for node in (None, *brokers)
        if (path := layout.broker_settings_path(node)) in nodes
    }
    cluster_id = layout.decode_cluster_id(nodes[layout.CLUSTER_ID].data)
    groups = {
        layout.group_of_settings(path): own
        for path, node in nodes.items()
        if path.startswith(f"{layout.GROUP_SETTINGS}/") and (own := layout.decode_settings(node.data))
    }
    image = ClusterImage(
        cluster_id, controller_id=node_id, brokers=brokers, broker_settings=dynamic, group_settings=groups
    )
    return image.with_topics(*topics)


def _names(nodes: Mapping[str, Node], parent: str) -> list[str]:
    prefix = parent + "/"
    return [path[len(prefix) :] for path in nodes if path.startswith(prefix) and "/" not in path[len(prefix) :]]


def _broker(node_id: int, registration: BrokerRegistration) -> BrokerImage:
    first = registration.endpoints[0]
    by_listener = {one.listener: (one.host, one.port) for one in registration.endpoints}
    return BrokerImage(node_id, first.host, first.port, registration.rack, by_listener)


def _partition(nodes: Mapping[str, Node], topic: str, index: int, replicas: tuple[int, ...]) -> PartitionImage:
    state = PartitionState.decode(nodes[layout.state_path(topic, index)].data)
    return PartitionImage(state.leader, state.leader_epoch, replicas, state.isr)
