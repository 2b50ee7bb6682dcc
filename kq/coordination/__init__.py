"""Where the metadata of a cluster lives: a tree of versioned nodes that changes by transactions, and what is in it.

`store` says what every implementation promises, `sqlite` is the one for brokers on one machine, `layout` has the nodes'
paths and contents as Apache Kafka's ZooKeeper mode writes them, `producer_ids` hands out producer ids.
"""
