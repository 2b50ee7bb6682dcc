"""Partitions on disk in Kafka's own format: synchronous, all file access through `disk`."""
