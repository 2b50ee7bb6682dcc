"""What Kafka keeps in topics of its own: keys and values of records, by the same field tables as the protocol."""
