"""Probes and metrics: what is said of each part, to whom, and what is never said."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from ewaste.core import mail
from ewaste.core.config import Config
from ewaste.migrations import revisions
from ewaste.views import vitals
from ewaste.web import create_app
from tests.web.visitors import Visitor
from tests.world import World

TOKEN = "a-token-of-forty-characters-for-monitors"


def parts(site: Flask, status: int = 200) -> dict[str, str]:
    """Part → state, as /readyz names them."""
    answer = site.test_client().get("/readyz")
    assert answer.status_code == status, answer.text
    return {name: part["state"] for name, part in answer.json["parts"].items()}


def worker_alive(world: World, seconds_ago: float = 0) -> None:
    """A worker that told so long ago that it lives."""
    world.raw("delete from procrastinate_workers")
    world.raw(
        "insert into procrastinate_workers (last_heartbeat) values (now() - make_interval(secs => :ago))",
        ago=seconds_ago,
    )


def test_every_part_of_a_market_at_rest_is_well(real_site: Flask, world: World) -> None:
    worker_alive(world)
    states = parts(real_site)
    assert set(states) == {"database", "migrations", "worker", "jobs", "payments", "mail", "log", "disk", "keys"}
    assert set(states.values()) == {"ok"}
    assert real_site.test_client().get("/readyz").json["status"] == "ok"
    assert real_site.test_client().get("/livez").json == {"status": "ok"}


@pytest.mark.parametrize("silent", [None, 31])
def test_pages_work_without_a_worker_and_the_probe_says_who_is_missing(
    real_site: Flask, world: World, silent: float | None
) -> None:
    if silent is not None:
        worker_alive(world, silent)
    answer = real_site.test_client().get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (200, "degraded")
    assert parts(real_site)["worker"] == "degraded"


def test_a_job_long_past_its_time_is_named(real_site: Flask, world: World) -> None:
    defer = "insert into procrastinate_jobs (queue_name, task_name, scheduled_at) values ('default', 'x', {})"
    world.raw(defer.format("now() + interval '1 hour'"))
    world.raw(defer.format("now() - interval '4 minutes'"))
    assert parts(real_site)["jobs"] == "ok"
    world.raw(defer.format("now() - interval '6 minutes'"))
    assert parts(real_site)["jobs"] == "degraded"


def test_payments_that_fail_again_and_again_are_named(real_site: Flask, world: World) -> None:
    add = "insert into procrastinate_jobs (queue_name, task_name, attempts) values ('default', 'payments.send', :tries)"
    world.raw(add, tries=2)
    assert parts(real_site)["payments"] == "ok"
    world.raw(add, tries=3)
    assert parts(real_site)["payments"] == "degraded"


def test_mail_that_waits_too_long_is_named(real_site: Flask, world: World) -> None:
    written = datetime.now(UTC) - timedelta(minutes=16)
    with world.transaction() as session:
        mail.write(session, to="a@b.example", name="A", subject="S", text="T", key="k", now=written)
    assert parts(real_site)["mail"] == "degraded"


def test_a_key_that_went_away_is_named(real_site: Flask) -> None:
    (real_site.extensions["ewaste"].config.data / "keys" / "market.pem").unlink()
    assert parts(real_site)["keys"] == "degraded"


def test_a_full_disk_is_named(real_site: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=vitals.DISK_LOW - 1))
    assert parts(real_site)["disk"] == "degraded"


def test_a_database_older_than_the_code_carries_no_pages(real_site: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "known", lambda: (*REVISIONS, "9999"))
    assert parts(real_site, status=503)["migrations"] == "down"


def test_a_database_newer_than_the_code_goes_on_and_is_named(real_site: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "known", lambda: REVISIONS[:-1])
    states = parts(real_site)
    assert states["migrations"] == "degraded"
    answer = real_site.test_client().get("/readyz")
    assert "newer than the code" in answer.json["parts"]["migrations"]["words"]


REVISIONS = revisions.known()


def test_a_database_that_is_away_is_said_in_words_without_its_address(
    real_site: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = sa.create_engine("postgresql+psycopg://ewaste_app:hunter2@127.0.0.1:9/nowhere")
    real = real_site.extensions["ewaste"]
    away = type(real.database).__new__(type(real.database))
    away.engine = gone
    away._sessions = sa.orm.sessionmaker(gone)
    with monkeypatch.context() as patched:
        patched.setitem(real_site.extensions, "ewaste", dataclasses.replace(real, database=away))
        answer = real_site.test_client().get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (503, "down")
    assert set(answer.json["parts"]) == {"database", "disk", "keys"}
    assert not any(word in answer.text for word in ("hunter2", "nowhere", "127.0.0.1", str(real.config.data)))


def test_a_probe_reads_twice_however_much_there_is(real_site: Flask, world: World) -> None:
    statements: list[str] = []
    engine = real_site.extensions["ewaste"].database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    parts(real_site)
    assert len(statements) == 2


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What Prometheus would read."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_count_requests_by_route_and_tell_how_the_market_is(
    real_site: Flask, world: World, cora: Visitor
) -> None:
    worker_alive(world)
    device = world.device(world.cleared())
    lot, _ = world.listed_lot()
    before = samples(cora.get("/metrics").text)
    cora.get(f"/devices/{device.code}?email=cora@example.org")
    cora.get("/somewhere/that/is/not/cora@example.org")
    text = cora.get("/metrics").text
    found = samples(text)

    def more(name: str, *labels: tuple[str, str]) -> float:
        return found[name, labels] - before.get((name, labels), 0)

    page = (("method", "GET"), ("route", "/devices/<code>"), ("status", "200"))
    assert more("ewaste_http_requests_total", *page) == 1
    unknown = (("method", "GET"), ("route", "(no such address)"), ("status", "404"))
    assert more("ewaste_http_requests_total", *unknown) == 1
    assert more("ewaste_http_request_sql_count", ("route", "/devices/<code>")) == 1
    assert more("ewaste_http_request_seconds_count", ("method", "GET"), ("route", "/devices/<code>")) == 1
    assert found["ewaste_certificates", (("outcome", "accepted"),)] == 2
    assert found["ewaste_certificates", (("outcome", "refused"),)] == 0
    assert found["ewaste_lots_open", ()] == 1
    assert found["ewaste_devices", (("state", world.device(device.id).state.value),)] >= 1
    assert found["ewaste_ledger_imbalance_minor", (("currency", "EUR"),)] == 0
    assert found["ewaste_jobs", (("job", "payments.send"), ("status", "todo"))] == 2
    assert 0 <= found["ewaste_worker_silence_seconds", ()] < 30
    assert "cora" not in text
    assert device.code not in text
    assert lot not in text


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("203.0.113.9", {}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, 403),
        ("127.0.0.1", {"Forwarded": "for=203.0.113.9"}, 403),
        ("203.0.113.9", {"Authorization": f"Bearer {TOKEN}"}, 200),
        ("127.0.0.1", {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "203.0.113.9"}, 200),
        ("203.0.113.9", {"Authorization": "Bearer another-token-of-forty-characters-or-so"}, 403),
        ("127.0.0.1", {"Authorization": "Bearer "}, 403),
        ("203.0.113.9", {"Authorization": f"Basic {TOKEN}"}, 403),
    ],
)
def test_metrics_are_read_on_the_machine_itself_or_with_the_token(
    app_url: str, world: World, tmp_path: Path, address: str, headers: dict[str, str], status: int
) -> None:
    env = {"DATABASE_URL": app_url, "EWASTE_DATA": str(tmp_path), "EWASTE_METRICS_TOKEN": TOKEN}
    site = create_app(Config.from_env(env))
    answer = site.test_client().get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address})
    assert answer.status_code == status
    assert ("ewaste_jobs" in answer.text) is (status == 200)
    site.extensions["ewaste"].database.close()


def test_no_role_opens_the_metrics_from_elsewhere(visitor: Callable[[str | None], Visitor]) -> None:
    for who in (None, "stefan", "ada"):
        answer = visitor(who).get("/metrics", environ_base={"REMOTE_ADDR": "203.0.113.9"})
        assert answer.status_code == 403
