"""kq beside Apache Kafka: the same clients, the same minutes, one table. `python -m bench --help`."""
