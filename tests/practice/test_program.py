"""The practice provider as a program: what it remembers after a kill, and how it delivers events."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import stripe

from tests.practice.tools import (
    PATIENCE_SECONDS,
    SALE,
    SECRET,
    Inbox,
    Running,
    client,
    press,
    session,
)

# --- memory


def test_a_killed_provider_remembers_everything(tmp_path: Path):
    key = {"idempotency_key": "the same"}
    with Running(tmp_path, cash=7_000) as first:
        paid = client(first).v1.payment_intents.create(SALE, key)
        page = session(client(first))
        first.kill()
    with Running(tmp_path, cash=7_000, port=int(first.url.rsplit(":", 1)[1])) as second:
        sdk = client(second)
        assert sdk.v1.payment_intents.create(SALE, key).id == paid.id
        assert sdk.v1.balance.retrieve().available[0].amount == 12_000, "the float is given once"
        assert press(page.url, "pay").status == 303


def test_a_provider_killed_under_load_loses_nothing_and_doubles_nothing(tmp_path: Path):
    with Running(tmp_path) as first, ThreadPoolExecutor(4) as pool:
        enough = threading.Semaphore(0)

        def pay(number: int) -> str:
            with contextlib.suppress(stripe.APIConnectionError):
                made = client(first).v1.payment_intents.create(SALE, {"idempotency_key": f"sale {number}"})
                enough.release()
                return made.id
            return ""

        under_way = [pool.submit(pay, number) for number in range(60)]
        for _ in range(20):
            assert enough.acquire(timeout=PATIENCE_SECONDS)
        first.kill()
        acknowledged = [attempt.result() for attempt in under_way]
    with Running(tmp_path) as second:
        sdk = client(second)
        after = [sdk.v1.payment_intents.create(SALE, {"idempotency_key": f"sale {n}"}).id for n in range(60)]
        assert 20 <= len([one for one in acknowledged if one]) < 60
        assert all(before in ("", now) for before, now in zip(acknowledged, after, strict=True))
        assert sdk.v1.balance.retrieve().available[0].amount == 60 * 5_000


def test_two_providers_do_not_share_a_folder(provider: Running, tmp_path: Path):
    with Running(tmp_path):
        second = start(tmp_path)
    assert second.returncode == 1
    assert "already using" in second.stderr


def test_a_taken_port_is_named(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = start(tmp_path, port=port)
    assert outcome.returncode == 1
    assert str(port) in outcome.stderr


def test_it_ends_in_order_when_asked(tmp_path: Path):
    assert Running(tmp_path).stop() == 0


@pytest.mark.parametrize("url", ["http://192.0.2.1/hook", "https://127.0.0.1/hook", "ftp://127.0.0.1/", "nowhere"])
def test_events_stay_on_this_machine(tmp_path: Path, url: str):
    assert start(tmp_path, "--webhook-url", url).returncode == 2


def start(data: Path, *more: str, port: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ewaste.practice", "--port", str(port), "--data", str(data), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


# --- deliveries


def ids(inbox: Inbox, number: int) -> list[str]:
    return [json.loads(inbox.next()[0])["id"] for _ in range(number)]


def test_events_are_signed_over_the_raw_body(tmp_path: Path):
    with Inbox() as inbox, Running(tmp_path, webhook_url=inbox.url) as provider:
        sdk = client(provider)
        sdk.v1.payment_intents.create(SALE)
        body, header = inbox.next()
        event = sdk.construct_event(body, header, SECRET)
        assert (event.livemode, event.object) == (False, "event")
        with pytest.raises(stripe.SignatureVerificationError):
            sdk.construct_event(body + b" ", header, SECRET)


def test_some_events_come_twice_and_some_come_late(tmp_path: Path):
    with Inbox() as inbox, Running(tmp_path, webhook_url=inbox.url) as provider:
        sdk = client(provider)
        for _ in range(2):
            sdk.v1.payment_intents.create(SALE)  # three events each: the third and sixth come twice, the fifth late
        received = ids(inbox, 8)
        written = [event.id for event in reversed(sdk.v1.events.list({"limit": 100}).data)]
    assert sorted(received) == sorted([*written, written[2], written[5]])
    assert received.index(written[4]) > received.index(written[5])


def test_an_event_is_sent_again_until_it_is_taken(tmp_path: Path):
    with Inbox(500, 302, 404, 200) as inbox, Running(tmp_path, webhook_url=inbox.url) as provider:
        client(provider).v1.topups.create({"amount": 100, "currency": "eur"})
        assert len(set(ids(inbox, 4))) == 1


def test_undelivered_events_outlive_a_restart(tmp_path: Path):
    with Running(tmp_path, webhook_url="http://127.0.0.1:1/nobody") as first:
        client(first).v1.topups.create({"amount": 100, "currency": "eur"})
        first.kill()
    with Inbox() as inbox, Running(tmp_path, webhook_url=inbox.url):
        assert json.loads(inbox.next()[0])["type"] == "topup.succeeded"
