"""Talking to the marketplace: enrol, fetch orders and ask how they stand, tell of starts, send certificates.

They are sent until a receipt comes back. Every call but `enrol` is signed (`calls.py`). A lost answer costs nothing:
the same bundle is sent again and the marketplace answers with the same receipt. Only a receipt that names our
certificate and its digest takes a bundle out of the outbox. docs/spec/agent-api.md describes the calls.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import random
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent import durable, jobs, journal, keys
from wipe_agent.certificate import Bundle, Trust, canonical, digest_multibase, fingerprint, public_key_multibase, read
from wipe_agent.errors import AlreadyEnrolled, BadAnswer, MarketRefused, MarketUnreachable, TargetBusy, Unreadable
from wipe_agent.sync.calls import call
from wipe_agent.sync.completing import bring_completed
from wipe_agent.sync.issued import fetch_issued, kept_issued
from wipe_agent.sync.queue import Queue, bundles, look
from wipe_agent.sync.standing import ask_standings
from wipe_agent.sync.starting import tell_starts
from wipe_agent.sync.witnessing import SETTLE_SECONDS, Witnessed, witness_log

__all__ = [
    "SETTLE_SECONDS",
    "TRIES",
    "Enrolled",
    "Queue",
    "Synced",
    "Witnessed",
    "ask_standings",
    "bring_completed",
    "enrol",
    "fetch_issued",
    "fetch_orders",
    "kept_issued",
    "look",
    "offer_refused_again",
    "send",
    "tell_starts",
    "witness_log",
]

TRIES = 8
_AWAY = 2  # so many calls in a row without an answer end a round
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0


@dataclass(frozen=True)
class Enrolled:
    """What enrolment gave. Compare the fingerprint with the one that the marketplace publishes."""

    station: keys.Station
    trust_fingerprint: str
    clock_off_seconds: int


@dataclass
class Synced:
    """Receipts that came in this time, and bundles that still wait."""

    receipts: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    @property
    def refused(self) -> list[dict[str, Any]]:
        return [receipt for receipt in self.receipts if receipt["outcome"] == "refused"]


def enrol(
    home: keys.Home, *, market: str, code: str, name: str, passphrase: str, token: keys.TokenPlace | None = None
) -> Enrolled:
    """Make the station's key, trade the centre's one-time code for an enrolment, and pin the trust file.

    With `token` the key is made in a PKCS #11 token, and `passphrase` is its PIN. Raises AlreadyEnrolled,
    MarketRefused, MarketUnreachable, TokenUnusable. If the answer is lost, the same call uses the same key.
    """
    if home.station_file.exists():
        raise AlreadyEnrolled(f"This station is enrolled at {keys.load_station(home).market} already.")
    market = _market_address(market)
    key = keys.make_key(home, passphrase, token)
    public = public_key_multibase(key.public_key())
    proof = key.sign(f"ewaste-enrol-v1\n{code}\n{public}".encode())
    body = {
        "code": code,
        "station_name": name,
        "public_key_multibase": public,
        "proof": base64.b64encode(proof).decode(),
    }
    answer = call("POST", f"{market}/api/agent/enrol", body, None)
    try:
        trust = canonical(answer["trust"])
        Trust.parse(trust)
        station = keys.Station(
            market=market,
            station_id=str(answer["station_id"]),
            verification_method=str(answer["verification_method"]),
            centre_id=str(answer["centre"]["id"]),
            centre_name=str(answer["centre"]["name"]),
            mode=str(answer["mode"]),
            enrolled_at=journal.now(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswer(f"The marketplace's enrolment answer is not what was agreed ({error}).") from error
    durable.write_file(home.trust_file, trust)
    station.save(home)
    return Enrolled(station, fingerprint(trust), _clock_off(answer))


def fetch_orders(home: keys.Home, key: Ed25519PrivateKey) -> tuple[list[jobs.Order], list[str]]:
    """Fetch the centre's open work orders, check and keep them. Returns the kept and a sentence per refused one."""
    station = keys.load_station(home)
    answer = call("GET", f"{station.market}/api/agent/orders", None, (station.verification_method, key))
    return jobs.keep_orders(home, answer)


def send(
    home: keys.Home,
    key: Ed25519PrivateKey,
    *,
    tries: int = TRIES,
    wait: Callable[[float], None] = time.sleep,
    note: Callable[[str], None] = lambda text: None,
) -> Synced:
    """Tell which wipes began, then send what is in the outbox, up to `tries` times, until each bundle has its receipt.

    Raises MarketUnreachable when bundles are left that got no answer, MarketRefused when a call was not admitted.
    """
    station, synced = keys.load_station(home), Synced()
    refused: dict[str, MarketRefused] = {}
    trouble: MarketUnreachable | BadAnswer | None = None
    pauses, last_failed = _pauses(), ""
    with _alone(home):
        tell_starts(home, key, note=note)
        for attempt in range(tries):
            trouble, in_a_row = None, 0
            for folder in _from_after(last_failed, bundles(home.outbox)):
                if folder.name in refused:
                    continue
                try:
                    synced.receipts.append(_send_one(home, station, key, folder))
                    in_a_row = 0
                except MarketRefused as error:
                    # Asking again would not help this one, and it must not hold up the others.
                    refused[folder.name] = error
                except (MarketUnreachable, BadAnswer) as error:
                    trouble, last_failed, in_a_row = error, folder.name, in_a_row + 1
                    note(f"{folder.name}: {error.message}")
                    # After days offline the queue is long. If nobody is there, it is not asked to the end.
                    if in_a_row == _AWAY:
                        break
            if trouble is None:
                break
            if attempt + 1 < tries:
                wait(next(pauses))
        synced.waiting = [folder.name for folder in bundles(home.outbox)]
    for problem in (*refused.values(), trouble):
        if problem is not None:
            raise problem
    return synced


@contextmanager
def _alone(home: keys.Home) -> Iterator[None]:
    """Two syncs at once would pull the same bundle from under each other."""
    handle = os.open(home.path / "sync.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise TargetBusy("Another wipe-agent is sending this outbox already.") from error
    try:
        yield
    finally:
        os.close(handle)


def offer_refused_again(home: keys.Home) -> list[str]:
    """Put what the marketplace refused back into the outbox, for when the reason was settled. Returns their names.

    The refusals' receipts are kept under another name.
    """
    with _alone(home):
        folders = sorted(path for path in home.refused.iterdir() if path.is_dir())
        for folder in folders:
            receipt = home.receipts / f"{folder.name}.json"
            if receipt.exists():
                number = len(list(home.receipts.glob(f"{folder.name}.refused-*")))
                durable.move(receipt, receipt.with_name(f"{folder.name}.refused-{number + 1}.json"))
            durable.move(folder, home.outbox / folder.name)
    return [folder.name for folder in folders]


def _send_one(home: keys.Home, station: keys.Station, key: Ed25519PrivateKey, folder: Path) -> dict[str, Any]:
    """One bundle, one receipt. The receipt is on disk before the bundle leaves the outbox."""
    try:
        files = {name: data.decode() for name, data in Bundle.load(folder).files.items()}
        document = read(files["certificate.json"].encode(), what="certificate")
    except ValueError as error:
        raise Unreadable(
            f"The bundle {folder.name} in the outbox cannot be read: {error}",
            next_step="Move it out of the outbox and run certify for its order again: it writes the same bundle.",
        ) from error
    kept = home.receipts / f"{folder.name}.json"
    if kept.exists():
        receipt: dict[str, Any] = json.loads(kept.read_bytes())
    else:
        address = f"{station.market}/api/agent/certificates"
        answer = call("POST", address, {"files": files}, (station.verification_method, key))
        receipt = _receipt(answer, document["id"], digest_multibase(document))
        durable.write_file(kept, json.dumps(receipt, ensure_ascii=False, indent=1).encode())
    place = home.sent if receipt["outcome"] == "accepted" else home.refused
    durable.move(folder, place / folder.name)
    return receipt


def _receipt(answer: dict[str, Any], certificate_id: str, digest: str) -> dict[str, Any]:
    receipt = answer.get("receipt")
    if not isinstance(receipt, dict) or receipt.get("outcome") not in ("accepted", "refused"):
        raise BadAnswer("The marketplace's answer is no receipt.")
    if receipt.get("certificate_id") != certificate_id or receipt.get("digest") != digest:
        raise BadAnswer("The receipt is for another certificate than the one that was sent.")
    return receipt


def _from_after(name: str, folders: list[Path]) -> list[Path]:
    """Begin behind the bundle that failed last, so that none of them holds up those after it for good."""
    later = [folder for folder in folders if folder.name > name]
    return later + folders[: len(folders) - len(later)]


def _pauses() -> Iterator[float]:
    """1, 2, 4 ... up to 60 seconds, each somewhat blurred so that many stations do not knock at once."""
    pause = _FIRST_WAIT
    while True:
        yield pause * random.uniform(0.75, 1.25)  # noqa: S311 - spreading load needs no secrecy
        pause = min(2 * pause, _LONGEST_WAIT)


def _market_address(text: str) -> str:
    parts = urllib.parse.urlsplit(text)
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise MarketRefused(
            f"{text!r} is not an address to enrol at.",
            next_step="Give an https:// address; plain http:// is taken on this machine only.",
        )
    return text.rstrip("/")


def _clock_off(answer: dict[str, Any]) -> int:
    """How many seconds this clock is ahead of the marketplace's; more than 300 gets every call refused."""
    try:
        theirs = datetime.fromisoformat(str(answer["server_time"]))
        return round((datetime.now(UTC) - theirs).total_seconds())
    except (KeyError, ValueError, TypeError):
        return 0
