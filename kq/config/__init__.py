"""Topic and broker settings under Kafka's own names: tables, typed views, where a value comes from, how it changes.

| module | what it holds |
|---|---|
| `table`, `valid` | what a setting is; parsing and rendering |
| `topic` | the topic settings |
| `group` | the settings of a group |
| `known`, `honoured`, `broker` | the broker settings: Kafka's, what kq does with them, both as one table |
| `topic_settings`, `broker_settings`, `listeners` | typed, frozen views |
| `properties` | the text of a `server.properties` |
| `resolve` | DescribeConfigs: values with their sources and synonyms |
| `alter` | AlterConfigs and IncrementalAlterConfigs as functions from settings to settings |
"""

from kq.config.broker import BROKER
from kq.config.broker_settings import BrokerSettings, broker_settings
from kq.config.group import GROUP
from kq.config.listeners import Address, Listener
from kq.config.properties import parse_properties
from kq.config.table import ConfigTable, Importance, Mode, Setting, Type
from kq.config.topic import TOPIC
from kq.config.topic_settings import TopicSettings, topic_settings

__all__ = [
    "BROKER",
    "GROUP",
    "TOPIC",
    "Address",
    "BrokerSettings",
    "ConfigTable",
    "Importance",
    "Listener",
    "Mode",
    "Setting",
    "TopicSettings",
    "Type",
    "broker_settings",
    "parse_properties",
    "topic_settings",
]
