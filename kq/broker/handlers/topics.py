"""CreateTopics, versions 2 to 7; DeleteTopics, 1 to 6; CreatePartitions, 0 to 3.

- A name given twice is answered once, INVALID_REQUEST, and nothing is done about it.
- CreateTopics: -1 means the broker's default for partitions and replication factor; `validate_only` answers the same,
  an id included; v5 answers the settings that the topic has; v7 its id. A request for more than 10,000 partitions is
  refused as a whole (44), before anything is made of it.
- DeleteTopics v6: each topic by name or by id, not both; one that is named by both ways is named twice.
- CreatePartitions has the same limit; Kafka has none there and starts making two million.
- What is asked is done when it is answered, whatever the timeout (Kafka answers 7 to one of 0, and does nothing).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from kq.broker.router import Call
from kq.broker.session import Operation, Resource
from kq.broker.topic_plans import BROKER_DEFAULT, plan_growth, plan_topic
from kq.config.resolve import describe_topic
from kq.errors import Err, KafkaError
from kq.machines.image import TopicImage
from kq.wire.apis.topics import CREATE_PARTITIONS, CREATE_TOPICS, DELETE_TOPICS
from kq.wire.primitives import ZERO_UUID

if TYPE_CHECKING:
    from kq.broker.broker import Broker

BY_ID_FROM = 6
MAX_NEW_PARTITIONS = 10_000


async def create_topics(broker: Broker, call: Call) -> Any:
    body = call.body
    named = Counter(topic.name for topic in body.topics)
    outcomes: dict[str, TopicImage | KafkaError] = {}
    total = sum(_partitions(broker, topic) for topic in body.topics if named[topic.name] == 1)
    for topic in body.topics:
        try:
            if named[topic.name] > 1:
                raise KafkaError(Err.INVALID_REQUEST, f"topic {topic.name!r} is named more than once")
            if not call.session.authorize(Operation.CREATE, Resource.TOPIC, topic.name):
                raise KafkaError(Err.TOPIC_AUTHORIZATION_FAILED)
            if total > MAX_NEW_PARTITIONS:
                raise KafkaError(Err.POLICY_VIOLATION, f"{total} partitions in one request, over {MAX_NEW_PARTITIONS}")
            outcomes[topic.name] = plan_topic(
                broker,
                topic.name,
                num_partitions=topic.num_partitions,
                replication_factor=topic.replication_factor,
                assignment=_assignment(topic.assignments),
                settings=_settings(topic.configs),
            )
        except KafkaError as error:
            outcomes[topic.name] = error
    if not body.validate_only:
        planned_topics = [outcome for outcome in outcomes.values() if isinstance(outcome, TopicImage)]
        outcomes.update(await broker.topics.create(planned_topics))
    return CREATE_TOPICS.Response(topics=[_created(broker, name, outcome) for name, outcome in outcomes.items()])


def _partitions(broker: Broker, topic: Any) -> int:
    """How many partitions are asked for; a number that cannot be is refused with its topic."""
    if topic.assignments:
        return len(topic.assignments)
    return max(0, broker.settings.num_partitions if topic.num_partitions == BROKER_DEFAULT else topic.num_partitions)


def _assignment(assignments: Any) -> dict[int, list[int]]:
    given = {one.index: list(one.broker_ids) for one in assignments}
    if len(given) < len(assignments):
        raise KafkaError(Err.INVALID_REPLICA_ASSIGNMENT, "a partition is assigned more than once")
    return given


def _settings(configs: Any) -> dict[str, str]:
    settings: dict[str, str] = {}
    for config in configs:
        if config.value is None:
            raise KafkaError(Err.INVALID_CONFIG, f"{config.name} has no value; leave it out to have the default")
        settings[config.name] = config.value
    return settings


def _created(broker: Broker, name: str, outcome: TopicImage | KafkaError) -> Any:
    if isinstance(outcome, KafkaError):
        return CREATE_TOPICS.Response.Topic(name=name, error_code=outcome.code, error_message=str(outcome), configs=[])
    make = CREATE_TOPICS.Response.Config
    return CREATE_TOPICS.Response.Topic(
        name=name,
        topic_id=outcome.id,
        error_message=None,
        num_partitions=len(outcome.partitions),
        replication_factor=len(outcome.partitions[0].replicas),
        configs=[
            make(
                name=d.name,
                value=d.value,
                read_only=d.read_only,
                config_source=d.source,
                is_sensitive=d.sensitive,
            )
            for d in describe_topic(outcome.settings, broker.layers)
        ],
    )


async def delete_topics(broker: Broker, call: Call) -> Any:
    make = DELETE_TOPICS.Response.Topic
    asked: list[tuple[str | None, bytes]] = (
        [(topic.name, topic.topic_id) for topic in call.body.topics]
        if call.version >= BY_ID_FROM
        else [(name, ZERO_UUID) for name in call.body.topic_names]
    )
    times = Counter(asked)
    answers: list[Any] = []
    doomed: dict[str, Any] = {}
    for name, topic_id in times:
        answer = make(name=name, topic_id=topic_id, error_message=None)
        answers.append(answer)
        try:
            if times[name, topic_id] > 1:
                raise _named_twice()
            topic = _doomed(broker, call, name, topic_id)
            answer.name, answer.topic_id = topic.name, topic.id
            if topic.name in doomed:
                answers.pop()
                answer = doomed.pop(topic.name)
                raise _named_twice()
            doomed[topic.name] = answer
        except KafkaError as error:
            answer.error_code, answer.error_message = error.code, str(error)
    for name, failure in (await broker.topics.delete(list(doomed))).items():
        doomed[name].error_code, doomed[name].error_message = failure.code, str(failure)
    return DELETE_TOPICS.Response(topics=answers)


def _named_twice() -> KafkaError:
    return KafkaError(Err.INVALID_REQUEST, "the topic is named more than once")


def _doomed(broker: Broker, call: Call, name: str | None, topic_id: bytes) -> TopicImage:
    if (name is None) == (topic_id == ZERO_UUID):
        raise KafkaError(Err.INVALID_REQUEST, "a topic is deleted by its name or by its id, one of them")
    if name is None:
        topic = broker.image.topic_by_id(topic_id)
        if topic is None:
            raise KafkaError(Err.UNKNOWN_TOPIC_ID)
    else:
        topic = broker.image.topics.get(name)
        if topic is None:
            raise KafkaError(Err.UNKNOWN_TOPIC_OR_PARTITION)
    if not broker.settings.delete_topic_enable:
        raise KafkaError(Err.TOPIC_DELETION_DISABLED)
    if not call.session.authorize(Operation.DELETE, Resource.TOPIC, topic.name):
        raise KafkaError(Err.TOPIC_AUTHORIZATION_FAILED)
    return topic


async def create_partitions(broker: Broker, call: Call) -> Any:
    body = call.body
    named = Counter(topic.name for topic in body.topics)
    answers, grown = {}, []
    room = MAX_NEW_PARTITIONS
    for topic in body.topics:
        answer = CREATE_PARTITIONS.Response.Topic(name=topic.name, error_message=None)
        answers[topic.name] = answer
        try:
            if named[topic.name] > 1:
                raise KafkaError(Err.INVALID_REQUEST, f"topic {topic.name!r} is named more than once")
            if not call.session.authorize(Operation.ALTER, Resource.TOPIC, topic.name):
                raise KafkaError(Err.TOPIC_AUTHORIZATION_FAILED)
            assignments = None if topic.assignments is None else [list(a.broker_ids) for a in topic.assignments]
            planned = plan_growth(broker, topic.name, topic.count, assignments, most_new=room)
            room -= topic.count - len(broker.image.topics[topic.name].partitions)
            grown.append(planned)
        except KafkaError as error:
            answer.error_code, answer.error_message = error.code, str(error)
    if not body.validate_only:
        for name, failure in (await broker.topics.grow(grown)).items():
            answers[name].error_code, answers[name].error_message = failure.code, str(failure)
    return CREATE_PARTITIONS.Response(topics=list(answers.values()))


HANDLERS = {CREATE_TOPICS: create_topics, DELETE_TOPICS: delete_topics, CREATE_PARTITIONS: create_partitions}
