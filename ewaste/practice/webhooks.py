"""Delivering events: signed, tried again until they are answered, some of them twice or late.

The deliveries are rows of the store, written with the event. A restart goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import sqlite3
import threading
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from ewaste.practice import checkout, payments
from ewaste.practice.store import Store

GIVE_UP_SECONDS = 3 * 86_400
LONGEST_PAUSE_SECONDS = 6 * 3_600
PATIENCE_SECONDS = 10.0


def signature(secret: str, body: bytes, moment: int) -> str:
    """The `Stripe-Signature` header: HMAC-SHA256 over the time, a dot, and the raw body."""
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return f"t={moment},v1={mac.hexdigest()}"


class Postman:
    """A thread that delivers what is due and then waits for news."""

    def __init__(self, store: Store, url: str, secret: str, *, first_pause: float = 1.0) -> None:
        self._store = store
        self._url = url
        self._secret = secret
        self._first_pause = first_pause
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="postman", daemon=True)

    def start(self) -> None:
        """Begins to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the delivery under way."""
        self._ending.set()
        self._store.news.set()
        self._thread.join(PATIENCE_SECONDS + 1)

    def deliver_next(self) -> float:
        """Delivers one event if one is due. Returns the seconds until the next one is."""
        store = self._store
        with store.open() as books:
            row = books.db.execute(
                "select d.seq, d.tries, d.due, o.body, o.created from deliveries d join objects o on o.id = d.event"
                " where d.state = 'waiting' order by d.due limit 1"
            ).fetchone()
            if row is None:
                return 60.0
            number, tries, due, event, created = row
            if due > books.moment:
                return min(60.0, float(due - books.moment))
        answered = self._post(json.dumps(json.loads(event), indent=2).encode())
        with store.open() as books:
            if answered:
                state, due = "done", books.moment
            else:
                state = "waiting" if books.moment < created + GIVE_UP_SECONDS else "given up"
                due = books.moment + min(self._first_pause * 2 ** min(tries, 30), LONGEST_PAUSE_SECONDS)
            books.db.execute(
                "update deliveries set state = ?, tries = tries + 1, due = ? where seq = ?", (state, due, number)
            )
        return 0.0

    def _run(self) -> None:
        while not self._ending.is_set():
            self._store.news.clear()
            try:
                with self._store.open() as books:
                    checkout.lapse_sessions(books)
                    payments.lapse_holds(books)
                while (pause := self.deliver_next()) == 0.0 and not self._ending.is_set():
                    pass
            except sqlite3.Error:
                # A full disk, most likely. What is due stays due.
                logging.getLogger(__name__).exception("Events cannot be delivered at the moment.")
                pause = PATIENCE_SECONDS
            self._store.news.wait(pause)

    def _post(self, body: bytes) -> bool:
        # A plain connection: no proxy of the environment in between, and no redirect is followed.
        parts = urlsplit(self._url)
        connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=PATIENCE_SECONDS)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Practice-Money/1.0",
            "Stripe-Signature": signature(self._secret, body, int(self._store.clock())),
        }
        try:
            connection.request("POST", parts.path or "/", body, headers)
            return 200 <= connection.getresponse().status < 300
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
