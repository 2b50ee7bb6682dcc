"""The error table of the Kafka protocol, and the exception that carries one of its codes.

One row a code: number, whether a client may send the same request again, and one sentence for people.
Numbers, names and retriability are those of Apache Kafka 4.3.1 (`org.apache.kafka.common.protocol.Errors`; retriable
means that its exception class is a `RetriableException`); the sentences are kq's own. A test compares the table with
kafka-python's and, where it is installed, with Kafka's own jar.

Rules: the broker answers codes from this table only; `UNKNOWN_SERVER_ERROR` is never the answer to a state that passes
(it made Java producers write duplicates, KAFKA-14034).
"""

from __future__ import annotations

from enum import IntEnum

RETRY = True
FINAL = False


class Err(IntEnum):
    """An error code: compares and encodes as its number, knows `.retriable` and `.text`."""

    retriable: bool
    text: str

    def __new__(cls, code: int, retriable: bool, text: str) -> Err:
        member = int.__new__(cls, code)
        member._value_ = code
        member.retriable = retriable
        member.text = text
        return member

    @classmethod
    def of(cls, code: int) -> Err:
        """The member for a code from the wire; a code this table does not know is UNKNOWN_SERVER_ERROR, as in Java."""
        member = cls._value2member_map_.get(code, cls.UNKNOWN_SERVER_ERROR)
        assert isinstance(member, cls)
        return member

    UNKNOWN_SERVER_ERROR = -1, FINAL, "The broker failed in a way it did not expect; its log has the cause."
    NONE = 0, FINAL, "No error."
    OFFSET_OUT_OF_RANGE = 1, FINAL, "The offset lies outside of what the partition holds."
    CORRUPT_MESSAGE = 2, RETRY, "The record batch is damaged: its checksum, length or format is wrong."
    UNKNOWN_TOPIC_OR_PARTITION = 3, RETRY, "This broker has no such topic or partition."
    INVALID_FETCH_SIZE = 4, FINAL, "The fetch size is not valid."
    LEADER_NOT_AVAILABLE = 5, RETRY, "The partition has no leader at the moment."
    NOT_LEADER_OR_FOLLOWER = 6, RETRY, "This broker is not the leader, or not a replica, of the partition."
    REQUEST_TIMED_OUT = 7, RETRY, "The request was not finished in the time it allowed."
    BROKER_NOT_AVAILABLE = 8, FINAL, "The broker is not available."
    REPLICA_NOT_AVAILABLE = 9, RETRY, "The replica of the partition is not available on this broker."
    MESSAGE_TOO_LARGE = 10, FINAL, "The record batch is larger than max.message.bytes allows."
    STALE_CONTROLLER_EPOCH = 11, FINAL, "The request comes from a controller that has been replaced."
    OFFSET_METADATA_TOO_LARGE = 12, FINAL, "The metadata text of the committed offset is too long."
    NETWORK_EXCEPTION = 13, RETRY, "The connection was lost before the answer came."
    COORDINATOR_LOAD_IN_PROGRESS = 14, RETRY, "The coordinator is still loading its state."
    COORDINATOR_NOT_AVAILABLE = 15, RETRY, "The coordinator is not available."
    NOT_COORDINATOR = 16, RETRY, "This broker is not the coordinator of the group or transactional id."
    INVALID_TOPIC_EXCEPTION = 17, FINAL, "The topic name is not valid, or the operation is not allowed on this topic."
    RECORD_LIST_TOO_LARGE = 18, FINAL, "The record batch is larger than a segment of the log."
    NOT_ENOUGH_REPLICAS = (
        19,
        RETRY,
        "Fewer replicas are in sync than min.insync.replicas asks for; nothing was written.",
    )
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = (
        20,
        RETRY,
        "The records were written, but on fewer in-sync replicas than asked for.",
    )
    INVALID_REQUIRED_ACKS = 21, FINAL, "acks must be 0, 1 or -1 (all)."
    ILLEGAL_GENERATION = 22, FINAL, "The generation id is not the group's current one."
    INCONSISTENT_GROUP_PROTOCOL = 23, FINAL, "The member shares no protocol with its group, or offered none."
    INVALID_GROUP_ID = 24, FINAL, "The group id is not valid."
    UNKNOWN_MEMBER_ID = 25, FINAL, "The group has no such member."
    INVALID_SESSION_TIMEOUT = 26, FINAL, "The session timeout is outside of what the broker allows."
    REBALANCE_IN_PROGRESS = 27, FINAL, "The group is rebalancing; the member has to join again."
    INVALID_COMMIT_OFFSET_SIZE = 28, FINAL, "The data of the offset commit is too large."
    TOPIC_AUTHORIZATION_FAILED = 29, FINAL, "Not authorized for this topic."
    GROUP_AUTHORIZATION_FAILED = 30, FINAL, "Not authorized for this group."
    CLUSTER_AUTHORIZATION_FAILED = 31, FINAL, "Not authorized for this operation on the cluster."
    INVALID_TIMESTAMP = 32, FINAL, "A record's timestamp is further from the broker's clock than the topic allows."
    UNSUPPORTED_SASL_MECHANISM = 33, FINAL, "The broker does not offer this SASL mechanism."
    ILLEGAL_SASL_STATE = 34, FINAL, "The request does not fit the state of the SASL exchange."
    UNSUPPORTED_VERSION = 35, FINAL, "The broker does not support this version of the request."
    TOPIC_ALREADY_EXISTS = 36, FINAL, "A topic of this name exists already."
    INVALID_PARTITIONS = 37, FINAL, "The number of partitions is not valid."
    INVALID_REPLICATION_FACTOR = 38, FINAL, "The replication factor is below 1 or above the number of brokers."
    INVALID_REPLICA_ASSIGNMENT = 39, FINAL, "The assignment of replicas to brokers is not valid."
    INVALID_CONFIG = 40, FINAL, "A setting is unknown or its value is not valid."
    NOT_CONTROLLER = 41, RETRY, "This broker is not the controller of the cluster."
    INVALID_REQUEST = 42, FINAL, "The request contradicts itself or the protocol."
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43, FINAL, "The record format on the broker does not allow this request."
    POLICY_VIOLATION = 44, FINAL, "The request goes against a policy or limit of the broker."
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45, FINAL, "The producer's sequence number does not follow the last one written."
    DUPLICATE_SEQUENCE_NUMBER = 46, FINAL, "The producer's batch was written before."
    INVALID_PRODUCER_EPOCH = 47, FINAL, "The producer's epoch is older than the one the broker knows."
    INVALID_TXN_STATE = 48, FINAL, "The transaction is not in a state that allows this."
    INVALID_PRODUCER_ID_MAPPING = 49, FINAL, "The producer id does not belong to this transactional id."
    INVALID_TRANSACTION_TIMEOUT = 50, FINAL, "The transaction timeout is larger than transaction.max.timeout.ms."
    CONCURRENT_TRANSACTIONS = 51, RETRY, "Another operation on the same transaction is still running."
    TRANSACTION_COORDINATOR_FENCED = (
        52,
        FINAL,
        "The transaction marker comes from a coordinator that has been replaced.",
    )
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53, FINAL, "Not authorized for this transactional id."
    SECURITY_DISABLED = 54, FINAL, "Security is switched off on this broker."
    OPERATION_NOT_ATTEMPTED = 55, FINAL, "The operation was not tried, because another one of the same request failed."
    KAFKA_STORAGE_ERROR = 56, RETRY, "The broker could not read or write its disk."
    LOG_DIR_NOT_FOUND = 57, FINAL, "The broker has no such log directory."
    SASL_AUTHENTICATION_FAILED = 58, FINAL, "The SASL authentication failed."
    UNKNOWN_PRODUCER_ID = 59, FINAL, "The partition no longer remembers this producer id."
    REASSIGNMENT_IN_PROGRESS = 60, FINAL, "The partition is being moved between brokers."
    DELEGATION_TOKEN_AUTH_DISABLED = 61, FINAL, "Delegation tokens are switched off."
    DELEGATION_TOKEN_NOT_FOUND = 62, FINAL, "The broker knows no such delegation token."
    DELEGATION_TOKEN_OWNER_MISMATCH = 63, FINAL, "The principal neither owns nor may renew the delegation token."
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64, FINAL, "Delegation tokens cannot be asked for on a connection like this."
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65, FINAL, "Not authorized for this delegation token."
    DELEGATION_TOKEN_EXPIRED = 66, FINAL, "The delegation token has expired."
    INVALID_PRINCIPAL_TYPE = 67, FINAL, "The type of the principal is not supported."
    NON_EMPTY_GROUP = 68, FINAL, "The group still has members."
    GROUP_ID_NOT_FOUND = 69, FINAL, "There is no such group."
    FETCH_SESSION_ID_NOT_FOUND = 70, RETRY, "The broker has no such fetch session."
    INVALID_FETCH_SESSION_EPOCH = 71, RETRY, "The epoch of the fetch session is not the expected one."
    LISTENER_NOT_FOUND = 72, RETRY, "The leader has no listener like the one that was asked."
    TOPIC_DELETION_DISABLED = 73, FINAL, "Deleting topics is switched off (delete.topic.enable)."
    FENCED_LEADER_EPOCH = 74, RETRY, "The request carries an older leader epoch than the broker's."
    UNKNOWN_LEADER_EPOCH = 75, RETRY, "The request carries a newer leader epoch than the broker's."
    UNSUPPORTED_COMPRESSION_TYPE = 76, FINAL, "The version of the request does not allow the compression in use."
    STALE_BROKER_EPOCH = 77, FINAL, "The broker has registered again since the request was made."
    OFFSET_NOT_AVAILABLE = 78, RETRY, "The new leader does not know yet how far the partition is committed."
    MEMBER_ID_REQUIRED = 79, FINAL, "The member has to join again with the member id it was given."
    PREFERRED_LEADER_NOT_AVAILABLE = 80, RETRY, "The preferred leader is not available."
    GROUP_MAX_SIZE_REACHED = 81, FINAL, "The group has as many members as it may have."
    FENCED_INSTANCE_ID = 82, FINAL, "Another member has taken over this group.instance.id."
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83, RETRY, "No replica that may become leader is available."
    ELECTION_NOT_NEEDED = 84, RETRY, "The partition needs no election."
    NO_REASSIGNMENT_IN_PROGRESS = 85, FINAL, "The partition is not being moved."
    GROUP_SUBSCRIBED_TO_TOPIC = 86, FINAL, "The group is subscribed to the topic, so its offsets cannot be deleted."
    INVALID_RECORD = 87, FINAL, "A record or its batch breaks the rules of the topic or of the format."
    UNSTABLE_OFFSET_COMMIT = 88, RETRY, "An open transaction has still to decide on the committed offset."
    THROTTLING_QUOTA_EXCEEDED = 89, RETRY, "A quota is used up; the request has to wait."
    PRODUCER_FENCED = 90, FINAL, "A newer producer with the same transactional id has taken over."
    RESOURCE_NOT_FOUND = 91, FINAL, "The request names something that does not exist."
    DUPLICATE_RESOURCE = 92, FINAL, "The request names the same thing twice."
    UNACCEPTABLE_CREDENTIAL = 93, FINAL, "The credential does not meet the broker's requirements."
    INCONSISTENT_VOTER_SET = 94, FINAL, "The sender or the receiver is not one of the expected voters."
    INVALID_UPDATE_VERSION = 95, FINAL, "The update is based on an outdated version."
    FEATURE_UPDATE_FAILED = 96, FINAL, "The features of the cluster could not be updated."
    PRINCIPAL_DESERIALIZATION_FAILURE = 97, FINAL, "The principal of a forwarded request could not be read."
    SNAPSHOT_NOT_FOUND = 98, FINAL, "There is no such snapshot."
    POSITION_OUT_OF_RANGE = 99, FINAL, "The position lies outside of the snapshot."
    UNKNOWN_TOPIC_ID = 100, RETRY, "This broker knows no topic with this id."
    DUPLICATE_BROKER_REGISTRATION = 101, FINAL, "Another broker uses this id."
    BROKER_ID_NOT_REGISTERED = 102, FINAL, "No broker is registered under this id."
    INCONSISTENT_TOPIC_ID = 103, RETRY, "The topic id of the request is not the one of the log."
    INCONSISTENT_CLUSTER_ID = 104, FINAL, "The request is meant for another cluster."
    TRANSACTIONAL_ID_NOT_FOUND = 105, FINAL, "There is no such transactional id."
    FETCH_SESSION_TOPIC_ID_ERROR = 106, RETRY, "The fetch session mixes topic names and topic ids."
    INELIGIBLE_REPLICA = 107, FINAL, "A replica that was to join the in-sync replicas may not do so."
    NEW_LEADER_ELECTED = 108, FINAL, "The change was made, and it gave the partition another leader."
    OFFSET_MOVED_TO_TIERED_STORAGE = 109, FINAL, "The offset has moved to tiered storage."
    FENCED_MEMBER_EPOCH = (
        110,
        FINAL,
        "The group fenced the member's epoch; it has to give up its partitions and join again.",
    )
    UNRELEASED_INSTANCE_ID = 111, FINAL, "Another member still holds this group.instance.id."
    UNSUPPORTED_ASSIGNOR = 112, FINAL, "The group does not support this assignor."
    STALE_MEMBER_EPOCH = 113, FINAL, "The member's epoch is outdated; it has to take the new one from a heartbeat."
    MISMATCHED_ENDPOINT_TYPE = 114, FINAL, "The request went to the wrong type of endpoint."
    UNSUPPORTED_ENDPOINT_TYPE = 115, FINAL, "This type of endpoint is not supported."
    UNKNOWN_CONTROLLER_ID = 116, FINAL, "There is no controller with this id."
    UNKNOWN_SUBSCRIPTION_ID = 117, FINAL, "The telemetry subscription is unknown or outdated."
    TELEMETRY_TOO_LARGE = 118, FINAL, "The telemetry data is larger than the broker takes."
    INVALID_REGISTRATION = 119, FINAL, "The controller refused the broker's registration."
    TRANSACTION_ABORTABLE = 120, FINAL, "The transaction ran into an error and has to be aborted."
    INVALID_RECORD_STATE = 121, FINAL, "The record cannot be acknowledged in the state it is in."
    SHARE_SESSION_NOT_FOUND = 122, RETRY, "The broker has no such share session."
    INVALID_SHARE_SESSION_EPOCH = 123, RETRY, "The epoch of the share session is not the expected one."
    FENCED_STATE_EPOCH = 124, FINAL, "The state epoch of the share group is outdated."
    INVALID_VOTER_KEY = 125, FINAL, "The voter's key is not the one of the replica that was asked."
    DUPLICATE_VOTER = 126, FINAL, "The voter is already one of the voters."
    VOTER_NOT_FOUND = 127, FINAL, "The voter is not one of the voters."
    INVALID_REGULAR_EXPRESSION = 128, FINAL, "The regular expression is not valid."
    REBOOTSTRAP_REQUIRED = (
        129,
        FINAL,
        "The client's view of the cluster is outdated; it has to start from its bootstrap servers.",
    )
    STREAMS_INVALID_TOPOLOGY = 130, FINAL, "The streams topology is not valid."
    STREAMS_INVALID_TOPOLOGY_EPOCH = 131, FINAL, "The epoch of the streams topology is not valid."
    STREAMS_TOPOLOGY_FENCED = 132, FINAL, "The epoch of the streams topology is outdated."
    SHARE_SESSION_LIMIT_REACHED = 133, RETRY, "The broker has as many share sessions as it may have."


class KafkaError(Exception):
    """A failure that has a code of the protocol. `str()` is the given sentence, else the code's own."""

    def __init__(self, code: Err, message: str | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message or self.code.text
