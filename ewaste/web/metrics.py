"""What a monitor reads: requests as each process counts them, and the market's state as the database has it.

Gunicorn's processes each write what they count into a file of PROMETHEUS_MULTIPROC_DIR (`gunicorn.conf.py` sees to
that), and whichever is asked adds all of them up. What jobs, mail, lots and the ledger are like is read from the
database at that moment, so the worker needs no port of its own.

Routes are counted as the code writes them, so there are as many as the site has, whatever is asked for.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator, Mapping

from flask import request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from ewaste.core.config import Config
from ewaste.views.vitals import Counts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
STATEMENTS = (0, 1, 2, 3, 5, 8, 12, 20, 30, 50, 100)
FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-IP")

_own = CollectorRegistry(auto_describe=False)
REQUESTS = Counter("ewaste_http_requests", "Requests answered.", ("route", "method", "status"), registry=_own)
LATENCY = Histogram(
    "ewaste_http_request_seconds", "Time to answer.", ("route", "method"), buckets=SECONDS, registry=_own
)
SQL = Histogram("ewaste_http_request_sql", "SQL statements a request.", ("route",), buckets=STATEMENTS, registry=_own)


def note(route: str, method: str, status: int, seconds: float, statements: int) -> None:
    """Count one request."""
    method = method if method in METHODS else "other"
    REQUESTS.labels(route, method, str(status)).inc()
    LATENCY.labels(route, method).observe(seconds)
    SQL.labels(route).observe(statements)


def may_read(config: Config) -> bool:
    """Whether this request comes from this machine itself, or with the token.

    A request that a proxy passed on is not from this machine, whatever the proxy's own address is.
    """
    given = request.headers.get("Authorization", "")
    if config.metrics_token is not None and given.startswith("Bearer "):
        return hmac.compare_digest(given.removeprefix("Bearer ").encode(), config.metrics_token.encode())
    passed_on = any(name in request.headers for name in FORWARDED)
    return not passed_on and request.remote_addr in ("127.0.0.1", "::1")


def text(counts: Counts) -> bytes:
    """Everything, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(registry)
    else:
        registry.register(_own)
    registry.register(_Market(counts))
    return generate_latest(registry)


class _Market:
    """The market's state, as gauges."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        counts = self.counts
        jobs = GaugeMetricFamily("ewaste_jobs", "Jobs that are not done.", labels=["job", "status"])
        ages = GaugeMetricFamily("ewaste_job_oldest_late_seconds", "Seconds past its time.", labels=["job", "status"])
        for name, status, count, age in counts.jobs:
            jobs.add_metric([name, status], count)
            ages.add_metric([name, status], age)
        yield jobs
        yield ages
        yield _by("ewaste_certificates", "Certificates at the gate.", "outcome", counts.certificates)
        yield _by("ewaste_devices", "Devices.", "state", counts.devices)
        yield _by("ewaste_mails", "Messages.", "state", counts.mails)
        sums = counts.ledger or {"EUR": 0}
        yield _by("ewaste_ledger_imbalance_minor", "Sum of the ledger: must be 0.", "currency", sums)
        yield GaugeMetricFamily("ewaste_lots_open", "Lots that take bids.", value=counts.lots_open)
        yield GaugeMetricFamily("ewaste_mail_oldest_seconds", "Age of the oldest waiting message.", counts.mail_oldest)
        if counts.worker_silence is not None:
            words = "Seconds since a worker told that it lives."
            yield GaugeMetricFamily("ewaste_worker_silence_seconds", words, value=counts.worker_silence)


def _by(name: str, words: str, label: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family
