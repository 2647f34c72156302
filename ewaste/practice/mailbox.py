"""The practice mailbox: takes mail over SMTP as any server does, delivers nothing, and shows it on a page."""

from __future__ import annotations

import re
import sqlite3
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Blueprint, Response, request
from markupsafe import Markup, escape

from ewaste.practice.errors import ApiError
from ewaste.practice.pages import page, store
from ewaste.practice.store import Store

LARGEST_MAIL = 256 * 1024
SHOWN = 100
KEPT = 5_000
_LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)]")

letters = Blueprint("letters", __name__)


class Mailbox:
    """Takes mail on 127.0.0.1 until `stop`. Raises OSError when the port is taken."""

    def __init__(self, store: Store, port: int) -> None:
        self._controller = Controller(
            _Handler(store), hostname="127.0.0.1", port=port, data_size_limit=LARGEST_MAIL, ident="practice mailbox"
        )
        self._controller.start()

    def stop(self) -> None:
        """Take no more mail."""
        self._controller.stop()


class _Handler:
    """What the SMTP server asks; the names are its own."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        message = message_from_bytes(content if isinstance(content, bytes) else b"", policy=policy.default)
        body = message.get_body(preferencelist=("plain",))
        text = body.get_content() if body is not None else ""
        with self._store.open() as books:
            for recipient in envelope.rcpt_tos:
                _keep(books.db, message, recipient, text, books.now)
        return "250 Kept for the practice mailbox"


def _keep(db: sqlite3.Connection, message: EmailMessage, recipient: str, text: str, at: int) -> None:
    # A letter that comes twice under one id is one letter: its sender did not hear our first answer.
    known = f"{message.get('Message-ID', '')} {recipient}"
    db.execute(
        "insert into mails (message_id, recipient, subject, text, at) values (?, ?, ?, ?, ?) on conflict do nothing",
        (known, recipient.lower(), str(message.get("Subject", "")), text, at),
    )
    db.execute("delete from mails where seq <= (select max(seq) from mails) - ?", (KEPT,))


@letters.get("/mailbox")
def mailbox() -> Response:
    """Every letter, newest first; `to` narrows it to one address."""
    wanted = request.args.get("to", "").strip().lower()[:254]
    sql = "select seq, recipient, subject, datetime(at, 'unixepoch') from mails"
    values: tuple[Any, ...] = ()
    if wanted:
        sql, values = f"{sql} where recipient = ?", (wanted,)
    with store().open() as books:
        rows = books.db.execute(f"{sql} order by seq desc limit {SHOWN}", values).fetchall()
    listed = [{"number": number, "to": to, "subject": subject, "at": at} for number, to, subject, at in rows]
    return page("mailbox.html", letters=listed, wanted=wanted, most=SHOWN)


@letters.get("/mailbox/<int:number>")
def letter(number: int) -> Response:
    """One letter. Its links can be followed."""
    with store().open() as books:
        row = books.db.execute(
            "select recipient, subject, text, datetime(at, 'unixepoch') from mails where seq = ?",
            (min(number, 2**62),),
        ).fetchone()
    if row is None:
        raise ApiError(404, "invalid_request_error", "There is no such letter in the practice mailbox.")
    to, subject, text, at = row
    return page("letter.html", to=to, subject=subject, text=linked(text), at=at)


@letters.errorhandler(ApiError)
def sorry(problem: ApiError) -> Response:
    """A refusal as a page, in words."""
    return page("sorry.html", status=problem.status, problem=str(problem))


def linked(text: str) -> Markup:
    """The text as HTML in which addresses are links."""
    parts, end = [], 0
    for found in _LINK.finditer(text):
        address = escape(found.group())
        parts += [escape(text[end : found.start()]), Markup('<a href="{0}">{0}</a>').format(address)]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])
