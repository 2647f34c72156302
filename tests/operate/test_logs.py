"""Logs: one event a line, under the request's id, and nobody's name, address or code in any of them."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import flask
import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask

from ewaste.core import clock, logs
from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.web.edge import transaction
from tests.connections import Connections
from tests.due import run_due
from tests.sites import Sites
from tests.web.stage import NoProvider
from tests.web.visitors import Visitor, open_site
from tests.world import GOOD_ANSWERS, LAPTOP, World

NAME, EMAIL, PASSWORD = "Zebulon Quastenflosser", "zebulon.quastenflosser@example.org", "unser-Dackel-heisst-Waldi-7"
SERIAL, NOTE, ADDRESS = "PFQUASTE77", "Der Nachbar Xaver Unterholz bringt es", "203.0.113.77"
PERSONAL = (
    *("Zebulon", "Quastenflosser", "zebulon", "quastenflosser", EMAIL, PASSWORD, "Waldi", SERIAL, "Xaver", "Unterholz"),
    *(ADDRESS, "203.0.113", "Mozilla/5.0 (Zebulon)"),
)


@pytest.fixture
def real_site(
    app_url: str, world: World, provider_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Flask]:
    """A site of the test's own, because some add a page to it."""
    monkeypatch.setattr(clock, "now", lambda: world.now)
    connections = Connections()
    with open_site(Sites(tmp_path, connections), app_url, world, provider_url) as app:
        yield app
    connections.close()


@pytest.fixture(params=["text", "json"])
def written(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Everything that any logger writes from debug on, as it would stand on standard error."""
    stream = io.StringIO()
    root, ours = logging.getLogger(), logging.getLogger("ewaste")
    levels = root.level, ours.level
    root.setLevel(logging.INFO)
    ours.setLevel(logging.DEBUG)
    handler = logs.to(stream, request.param)
    yield stream.getvalue
    root.removeHandler(handler)
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, object]]]]:
    """What our loggers write as JSON, line by line."""
    stream = io.StringIO()
    ours = logging.getLogger("ewaste")
    level = ours.level
    ours.setLevel(logging.INFO)
    handler = logs.to(stream, "json", "ewaste")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    ours.removeHandler(handler)
    ours.setLevel(level)


def test_a_journey_with_a_persons_data_leaves_none_of_it_in_any_log(
    real_site: Flask, world: World, stranger: Visitor, written: Callable[[], str], database: Database
) -> None:
    @real_site.get("/breaks/<word>")
    def breaks(word: str) -> str:
        with transaction() as session:  # A rule of the database names the whole row in its answer.
            row = "insert into people (id, email, name, password_hash, created_at)"
            session.execute(
                sa.text(f"{row} select gen_random_uuid(), email, :name, '', now() from people where email = :email"),
                {"email": EMAIL, "name": word},
            )
        return ""

    @real_site.get("/trips/<word>")
    def trips(word: str) -> str:
        return str(int(word))

    stranger.client.environ_base |= {"REMOTE_ADDR": ADDRESS, "HTTP_USER_AGENT": "Mozilla/5.0 (Zebulon)"}
    stranger.post("/sign-in", {"email": EMAIL, "password": PASSWORD})
    with world.transaction() as session:
        from ewaste.accounts import people

        people.open_account(session, email=EMAIL, name=NAME, password=PASSWORD, now=world.now)
    stranger.post("/sign-in", {"email": EMAIL, "password": PASSWORD[:-1]})
    stranger.post("/sign-in", {"email": EMAIL, "password": PASSWORD})
    quote = stranger.post(f"/quote/{LAPTOP}", {**GOOD_ANSWERS, "storage_gb": "256"}).headers.get(
        "Location", "/quotes/x"
    )
    form = {"serial": SERIAL, "owner": "yes", "silence": "send-back"}
    centre = str(world.organisation("Rhein Datenpark"))
    stranger.post(f"{quote}/accept", form | {"centre_id": "nobody"})
    stranger.post(f"{quote}/accept", form | {"centre_id": centre})
    stranger.get(f"/no/such/{EMAIL}?who={NAME}", headers={"Referer": f"https://{EMAIL}"})
    stranger.get(f"/devices?name={NAME}")
    stranger.post("/sign-in", {"email": f"{EMAIL}\n\rX", "password": NOTE})
    assert stranger.get(f"/breaks/{NAME}").status_code == 500
    assert stranger.get(f"/trips/{EMAIL}").status_code == 500
    from ewaste.worker import Work

    world.cleared(serial=SERIAL + "B")
    with pytest.raises(Exception):  # noqa: B017, PT011 - no provider answers; what the job logs is the matter here
        run_due(database, Work(database, NoProvider(), practice=True))  # type: ignore[arg-type]
    text = written()
    assert "/breaks/<word>" in text
    assert "/trips/<word>" in text
    assert "refused" in text
    assert "23502 people.session_epoch" in text  # the rule that was broken is named by its code
    assert [word for word in PERSONAL if word in text] == []
    assert not re.search(r"[QD]-[0-9A-Z]{4}-[0-9A-Z]{4}", text), "a code that opens a page"


def test_a_request_is_told_with_route_status_role_and_the_number_of_statements(
    cora: Visitor, world: World, lines: Callable[[], list[dict[str, object]]]
) -> None:
    device = world.device(world.expected())
    answer = cora.get(f"/devices/{device.code}", headers={"X-Request-Id": "from-the-proxy-1"})
    (event,) = [line for line in lines() if line["event"] == "request"]
    assert answer.headers["X-Request-Id"] == event["request_id"] == "from-the-proxy-1"
    assert (event["method"], event["route"], event["status"], event["role"]) == (
        "GET",
        "/devices/<code>",
        200,
        "consumer",
    )
    assert isinstance(event["sql"], int)
    assert event["sql"] > 0
    assert isinstance(event["ms"], float)
    assert (event["level"], event["logger"]) == ("info", "ewaste.web.request")


@pytest.mark.parametrize(
    "given", [None, "short", "x" * 65, "with space in it", "cora@example.org", "-begins-badly", "ä" * 10]
)
def test_an_id_that_could_say_something_is_not_taken_over(stranger: Visitor, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-Id": given.encode().decode("latin-1")}
    answer = stranger.get("/", headers=headers)
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["X-Request-Id"])


def test_what_breaks_shows_the_reference_under_which_it_is_logged(
    real_site: Flask, stranger: Visitor, lines: Callable[[], list[dict[str, object]]]
) -> None:
    @real_site.get("/breaks")
    def breaks() -> str:
        return flask.g.not_there

    answer = stranger.get("/breaks")
    broken = next(line for line in lines() if line["event"] == "unexpected")
    assert answer.status_code == 500
    assert str(broken["request_id"]) in answer.text
    assert answer.headers["X-Request-Id"] == broken["request_id"]
    assert "in breaks: return flask.g.not_there" in str(broken["traceback"])
    assert "not_there" in str(broken["traceback"]).splitlines()[-1]


def test_a_refusal_is_told_without_its_sentence(cora: Visitor, lines: Callable[[], list[dict[str, object]]]) -> None:
    cora.get("/staff")
    (event,) = [line for line in lines() if line["event"] == "refused"]
    assert (event["kind"], event["action"], event["level"]) == ("not-allowed", "staff.desk", "info")
    assert set(event) == {"time", "level", "logger", "event", "kind", "action", "request_id"}


def test_a_job_is_told_with_its_name_its_end_and_how_long_it_took(lines: Callable[[], list[dict[str, object]]]) -> None:
    log = logging.getLogger("ewaste.worker")

    def fails(**_: object) -> None:
        raise ValueError(f"{NAME} is not at home")

    logs.per_job("mail.send", lambda **_: None, log)(letter="1")
    with pytest.raises(ValueError, match="not at home"):
        logs.per_job("mail.send", fails, log)(letter="2")
    done, failed = lines()
    assert (done["job"], done["outcome"], done["level"]) == ("mail.send", "done", "info")
    assert (failed["job"], failed["outcome"], failed["error"], failed["level"]) == (
        *("mail.send", "failed", "ValueError", "warning"),
    )
    assert done["request_id"] != failed["request_id"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError(NAME), "ValueError"),
        (KeyError(EMAIL), "KeyError"),
        (
            AttributeError("'Visitor' object has no attribute 'x'"),
            "AttributeError: 'Visitor' object has no attribute 'x'",
        ),
        (PermissionError(13, "Permission denied", f"/home/{NAME}"), "PermissionError: Permission denied"),
        (psycopg.errors.UniqueViolation(f"Key (email)=({EMAIL}) already exists."), "UniqueViolation: 23505"),
    ],
)
def test_an_error_speaks_only_of_code(
    error: Exception, said: str, lines: Callable[[], list[dict[str, object]]]
) -> None:
    try:
        raise RuntimeError(NAME) from error
    except RuntimeError:
        logging.getLogger("ewaste.x").exception("broken")
    (event,) = lines()
    told = str(event["traceback"]).splitlines()
    assert said in told
    assert told[-1] == "RuntimeError"
    assert not any(word in str(event) for word in (NAME, EMAIL))


def test_what_a_library_writes_is_masked_and_stays_one_line(lines: Callable[[], list[dict[str, object]]]) -> None:
    log = logging.getLogger("ewaste.library")
    log.warning("sent to %s from %s\nand 2001:db8::1 at 12:30:45", f"Z <{EMAIL}>", ADDRESS)
    log.warning("listening on 127.0.0.1:8000, version 1.2.3")
    assert [line["event"] for line in lines()] == [
        "sent to Z <<address>> from <network>\nand 2001:db8::1 at 12:30:45".replace("2001:db8::1", "<network>"),
        "listening on 127.0.0.1:8000, version 1.2.3",
    ]


def test_gunicorn_does_not_repeat_a_request_it_could_not_read(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    handler = logs.to(stream, "text", "gunicorn.error")
    try:
        log = logging.getLogger("gunicorn.error")
        log.warning(f"Invalid request from ip={ADDRESS}: Invalid HTTP request line: 'GET /?e={EMAIL}'")  # noqa: G004
        log.error("Error handling request %s", f"/quotes?email={EMAIL}")
        log.error("Worker (pid:%s) was sent SIGKILL!", 12)
    finally:
        logging.getLogger("gunicorn.error").removeHandler(handler)
    said = [line.partition(": ")[2] for line in stream.getvalue().splitlines()]
    assert said == [
        *("A request could not be read or answered.", "A request could not be read or answered."),
        "Worker (pid:12) was sent SIGKILL!",
    ]


def test_settings_do_not_show_when_they_are_printed(tmp_path: Path) -> None:
    secret = "s3cret" * 8
    config = Config.from_env(
        {
            "DATABASE_URL": f"postgresql://a:{secret}@h/d",
            "EWASTE_SECRET_KEY": secret,
            "EWASTE_METRICS_TOKEN": secret,
            "STRIPE_API_KEY": f"sk_test_{secret}",
            "STRIPE_WEBHOOK_SECRET": secret,
            "EWASTE_SMTP_URL": f"smtp://a:{secret}@h",
        }
    )
    assert "s3cret" not in repr(config)


def test_an_error_that_nobody_caught_is_told_without_its_words(
    monkeypatch: pytest.MonkeyPatch, lines: Callable[[], list[dict[str, object]]]
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    logs.unhandled()
    error = ValueError(EMAIL)
    sys.excepthook(ValueError, error, None)
    thread = threading.Thread(target=lambda: int(EMAIL))
    thread.start()
    thread.join()
    assert [line["error"] for line in lines()] == ["ValueError", "ValueError"]
    assert EMAIL not in str(lines())
