"""InitProducerId, versions 0 to 5; DescribeProducers, 0.

- An id without a transactional id comes from blocks that are reserved in the metadata store
  (`coordination.producer_ids`), so none is issued twice, whatever is killed when. An id and epoch sent along without
  a transactional id get a new id (4.3.1), one without the other INVALID_REQUEST.
- Transactional ids are TRANSACTIONAL_ID_AUTHORIZATION_FAILED until transactions exist; an empty one is INVALID_REQUEST.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kq.broker.names import check_topic_name
from kq.broker.router import Answer, Call
from kq.broker.session import CLUSTER, Operation, Resource
from kq.errors import Err, KafkaError
from kq.wire.apis.producers import DESCRIBE_PRODUCERS, INIT_PRODUCER_ID

if TYPE_CHECKING:
    from kq.broker.broker import Broker

UNKNOWN = -1


async def init_producer_id(broker: Broker, call: Call) -> Any:
    body = call.body
    transactional_id = body.transactional_id
    if (body.producer_id == UNKNOWN) != (body.producer_epoch == UNKNOWN):
        return INIT_PRODUCER_ID.Response(error_code=Err.INVALID_REQUEST, producer_epoch=-1)
    if transactional_id is not None:
        error = Err.TRANSACTIONAL_ID_AUTHORIZATION_FAILED if transactional_id else Err.INVALID_REQUEST
        return INIT_PRODUCER_ID.Response(error_code=error, producer_epoch=-1)
    if not call.session.authorize(Operation.IDEMPOTENT_WRITE, Resource.CLUSTER, CLUSTER):
        return INIT_PRODUCER_ID.Response(error_code=Err.CLUSTER_AUTHORIZATION_FAILED, producer_epoch=-1)
    try:
        return INIT_PRODUCER_ID.Response(producer_id=await broker.next_producer_id(), producer_epoch=0)
    except KafkaError:  # the store has none to give now: an answer on which every client asks again
        return INIT_PRODUCER_ID.Response(error_code=Err.COORDINATOR_LOAD_IN_PROGRESS, producer_epoch=-1)


def describe_producers(broker: Broker, call: Call) -> Answer:
    make = DESCRIBE_PRODUCERS.Response
    topics = []
    for topic in call.body.topics:
        answers = []
        for index in topic.partitions:
            answer = make.Partition(index=index, error_message=None)
            try:
                if not call.session.authorize(Operation.READ, Resource.TOPIC, topic.name):
                    raise KafkaError(Err.TOPIC_AUTHORIZATION_FAILED)
                check_topic_name(topic.name)
                entries = broker.partitions.resolve(topic.name, index).log.producers.entries
                answer.active_producers = [
                    make.Producer(
                        producer_id=producer_id,
                        producer_epoch=entry.epoch,
                        last_sequence=entry.last_sequence,
                        last_timestamp=entry.last_timestamp,
                        coordinator_epoch=entry.coordinator_epoch,
                        current_txn_start_offset=entry.transaction_start,
                    )
                    for producer_id, entry in entries.items()
                ]
            except KafkaError as failure:
                answer.error_code, answer.error_message = failure.code, str(failure)
            answers.append(answer)
        topics.append(make.Topic(name=topic.name, partitions=answers))
    return make(topics=topics)


HANDLERS = {INIT_PRODUCER_ID: init_producer_id, DESCRIBE_PRODUCERS: describe_producers}
