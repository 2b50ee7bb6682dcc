"""`/metrics` (Prometheus) and `/v1/status` (JSON) over HTTP: GET only, on loopback by default, in a thread of its own.

The socket is taken at the start; the server and its imports come after the Kafka port answers. What is served is read
from the broker's own state without stopping it, so figures of one answer may be an instant apart.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from kq import __version__
from kq.broker.groups import status as groups
from kq.broker.metrics import LATENCY_BUCKETS_S
from kq.broker.partition import Partition
from kq.machines.image import TopicImage
from kq.wire.primitives import uuid_text

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from kq.broker.broker import Broker

log = logging.getLogger(__name__)

STATUS_VERSION = 1


class StatusServer:
    def __init__(self, broker: Broker, host: str, port: int) -> None:
        """Takes the address; raises OSError when it is not to be had."""
        self._broker = broker
        self._socket = socket.create_server((host or "127.0.0.1", port), family=_family(host))
        name, port = self._socket.getsockname()[:2]
        self.url = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
        self._is_stopped = False
        self._stop: Callable[[], None] = self._socket.close

    def start(self) -> None:
        threading.Thread(target=self._run, name="status", daemon=True).start()

    def stop(self) -> None:
        self._is_stopped = True
        self._stop()

    def _run(self) -> None:
        try:
            self._serve()
        except (OSError, ValueError):
            if not self._is_stopped:  # it was stopped before it had begun: its socket is gone
                raise

    def _serve(self) -> None:
        from socketserver import ThreadingMixIn
        from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

        class Server(ThreadingMixIn, WSGIServer):
            daemon_threads = True

        class Handler(WSGIRequestHandler):
            timeout = 10.0

            def log_message(self, format: str, *args: Any) -> None:
                log.debug(format, *args)

        server = Server(self._socket.getsockname()[:2], Handler, bind_and_activate=False)
        server.socket.close()
        server.socket = self._socket
        server.server_name, server.server_port = self._socket.getsockname()[:2]
        server.setup_environ()
        server.set_app(_app(self._broker))
        self._stop = server.shutdown
        with server:
            server.serve_forever(poll_interval=0.2)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _app(broker: Broker) -> WSGIApplication:
    from prometheus_client import CollectorRegistry, make_wsgi_app
    from prometheus_client.gc_collector import GCCollector
    from prometheus_client.process_collector import ProcessCollector

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(_Collector(broker))
    metrics = make_wsgi_app(registry)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return _text(start_response, "405 Method Not Allowed", "GET only\n")
        if path == "/metrics":
            page: Iterable[bytes] = metrics(environ, start_response)
            return page
        if path == "/v1/status":
            body = json.dumps(status(broker), separators=(",", ":")).encode()
            start_response("200 OK", [("Content-Type", "application/json")])
            return [body]
        return _text(start_response, "404 Not Found", "here are /metrics and /v1/status\n")

    return app


def _text(start_response: StartResponse, line: str, text: str) -> Iterable[bytes]:
    start_response(line, [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode()]


def status(broker: Broker) -> dict[str, Any]:
    """What `/v1/status` answers. Times are ms, sizes bytes; offsets are exact."""
    metrics, cleaning = broker.metrics, broker.cleaning
    return {
        "_version": STATUS_VERSION,
        "version": __version__,
        "node_id": broker.node_id,
        "cluster_id": broker.image.cluster_id,
        "address": broker.bootstrap,
        "data_dir": broker.data_dir,
        "uptime_ms": broker.now_ms() - broker.started_ms,
        "connections": len(broker.server.connections),
        "request_bytes_in_flight": broker.server.held_bytes,
        "fetch_sessions": len(broker.fetch_sessions),
        "fetches_waiting": len(broker.parking.waits),
        "bytes_in": metrics.bytes_in,
        "bytes_out": metrics.bytes_out,
        "loop": {
            "stalls": metrics.loop.stalls,
            "stalled_ms": round(metrics.loop.stalled_s * 1000, 1),
            "worst_ms": round(metrics.loop.worst_s * 1000, 1),
        },
        "cleaner": {
            "cleaning": repr(cleaning.current) if cleaning.current else None,
            "passes": cleaning.passes,
            "seconds": round(cleaning.seconds, 3),
            "read_bytes": cleaning.read_bytes,
            "copied_bytes": cleaning.copied_bytes,
            "kept_bytes": cleaning.kept_bytes,
            "max_dirty_percent": round(cleaning.max_dirty_percent, 1),
            "uncleanable": {f"{one.topic}:{one.partition}": why for one, why in list(cleaning.uncleanable.items())},
        },
        "requests": {
            name: {
                "count": stats.count,
                "mean_ms": round(stats.seconds / stats.count * 1000, 3),
                "p50_ms": _ms(stats.quantile_s(0.5)),
                "p99_ms": _ms(stats.quantile_s(0.99)),
            }
            for name, stats in list(metrics.requests.items())
            if stats.count
        },
        "topics": [_topic(broker, topic) for topic in broker.image.topics.values()],
        "groups": groups.shown(broker.groups),
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None or seconds == float("inf") else seconds * 1000


def _topic(broker: Broker, topic: TopicImage) -> dict[str, Any]:
    slots = list(broker.partitions.of_topic(topic.name))
    return {
        "topic": topic.name,
        "topic_id": uuid_text(topic.id),
        "internal": topic.is_internal,
        "partitions": [
            {"partition": index, "error": "KAFKA_STORAGE_ERROR"} if one is None else _partition(one)
            for index, one in enumerate(slots)
        ],
    }


def _partition(partition: Partition) -> dict[str, Any]:
    log, image = partition.log, partition.image
    return {
        "partition": partition.index,
        "error": "KAFKA_STORAGE_ERROR" if log.failed else None,
        "leader": image.leader,
        "leader_epoch": image.leader_epoch,
        "replicas": image.replicas,
        "isr": image.isr,
        "log_start_offset": log.log_start_offset,
        "last_stable_offset": partition.last_stable_offset,
        "high_watermark": partition.high_watermark,
        "log_end_offset": log.log_end_offset,
        "recovery_point": log.recovery_point,
        "clean_offset": log.compaction.clean_offset,
        "size_bytes": log.size_bytes,
        "segments": [segment._asdict() for segment in log.segments],
    }


class _Collector:
    """Kafka's metric names where there are such (as its JMX exporter spells them), with `kq_` in front."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def collect(self) -> Iterable[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        broker, metrics = self._broker, self._broker.metrics
        latency = HistogramMetricFamily("kq_request_seconds", "Time from frame to reply.", labels=["api"])
        for name, stats in list(metrics.requests.items()):
            if stats.count:
                total, buckets = 0, []
                for bound, count in zip((*LATENCY_BUCKETS_S, float("inf")), stats.buckets, strict=True):
                    total += count
                    buckets.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
                latency.add_metric([name], buckets, stats.seconds)
        yield latency
        yield CounterMetricFamily("kq_bytes_in", "Bytes of record batches appended.", metrics.bytes_in)
        yield CounterMetricFamily("kq_bytes_out", "Bytes of record batches fetched.", metrics.bytes_out)
        yield CounterMetricFamily("kq_loop_stalls", "Times the event loop was late by 10 ms.", metrics.loop.stalls)
        yield CounterMetricFamily("kq_loop_stalled_seconds", "For how long, together.", metrics.loop.stalled_s)
        yield CounterMetricFamily("kq_connections_refused", "For want of room.", broker.server.refused)
        yield GaugeMetricFamily("kq_connections", "Clients connected.", len(broker.server.connections))
        yield GaugeMetricFamily("kq_request_bytes_in_flight", "Of all clients.", broker.server.held_bytes)
        yield GaugeMetricFamily("kq_fetches_waiting", "Fetches parked for more bytes.", len(broker.parking.waits))
        cleaning = broker.cleaning
        yield CounterMetricFamily("kq_log_cleaner_passes", "Logs compacted.", cleaning.passes)
        yield CounterMetricFamily("kq_log_cleaner_seconds", "Time they took.", cleaning.seconds)
        yield CounterMetricFamily("kq_log_cleaner_read_bytes", "Bytes they read, in two walks.", cleaning.read_bytes)
        yield CounterMetricFamily("kq_log_cleaner_copied_bytes", "Bytes they looked at to copy.", cleaning.copied_bytes)
        yield CounterMetricFamily("kq_log_cleaner_kept_bytes", "Bytes they kept of these.", cleaning.kept_bytes)
        yield GaugeMetricFamily(
            "kq_log_cleaner_max_dirty_percent", "Of the dirtiest compacted log.", cleaning.max_dirty_percent
        )
        yield GaugeMetricFamily(
            "kq_log_cleaner_uncleanable_partitions", "That cannot be compacted.", len(cleaning.uncleanable)
        )
        ends = GaugeMetricFamily("kq_log_end_offset", "Next offset to be given out.", labels=["topic", "partition"])
        starts = GaugeMetricFamily("kq_log_start_offset", "First offset to be read.", labels=["topic", "partition"])
        sizes = GaugeMetricFamily("kq_log_size_bytes", "Bytes of all segments.", labels=["topic", "partition"])
        for partition in broker.partitions:
            labels = [partition.topic, str(partition.index)]
            ends.add_metric(labels, partition.log.log_end_offset)
            starts.add_metric(labels, partition.log.log_start_offset)
            sizes.add_metric(labels, partition.log.size_bytes)
        yield ends
        yield starts
        yield sizes
