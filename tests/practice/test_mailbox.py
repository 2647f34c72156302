"""The practice mailbox: what the market sends over SMTP can be read on a page, and goes nowhere else."""

from __future__ import annotations

import re
import smtplib
import socket
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from ewaste.core.config import Config
from ewaste.core.mail import Letter
from ewaste.core.mailer import Mailer, NotTakenError
from tests.practice.tools import Running

LETTER = Letter(
    id=UUID(int=7),
    to_address="cora@example.org",
    to_name="Cora Lindqvist, “the first”\u202e",
    subject="Your offer for D-7K3M-9QXA: 120.00 €",
    text="Good day.\n\nAnswer here: {site}/devices/D-7K3M-9QXA.\n<script>alert(1)</script>\n",
    written_at=datetime(2026, 11, 20, 9, tzinfo=UTC),
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def mail_port() -> int:
    return free_port()


@pytest.fixture
def mailbox(tmp_path: Path, mail_port: int) -> Iterator[Running]:
    with Running(tmp_path, more=("--mail-port", str(mail_port))) as running:
        yield running


def mailer(port: int, **more: str) -> Mailer:
    return Mailer(
        Config.from_env({"PRACTICE_MAIL_PORT": str(port), "EWASTE_PUBLIC_URL": "https://market.example"} | more)
    )


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def test_a_letter_that_the_market_sends_can_be_read_and_its_link_followed(mailbox: Running, mail_port: int) -> None:
    mailer(mail_port).send(LETTER)
    listed = read(f"{mailbox.url}/mailbox?to=Cora@example.org")
    path = re.search(r'href="(/mailbox/\d+)"', listed)
    assert path is not None
    shown = read(mailbox.url + path.group(1))
    assert "Your offer for D-7K3M-9QXA: 120.00 €" in shown
    assert '<a href="https://market.example/devices/D-7K3M-9QXA">' in shown
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown
    assert "This is a training market." in shown


def test_a_letter_that_goes_out_twice_is_one_letter(mailbox: Running, mail_port: int) -> None:
    for _ in range(2):
        mailer(mail_port).send(LETTER)
    assert len(re.findall(r'href="/mailbox/\d+"', read(f"{mailbox.url}/mailbox"))) == 1


def test_one_address_does_not_see_the_letters_of_another(mailbox: Running, mail_port: int) -> None:
    mailer(mail_port).send(LETTER)
    assert "No message to this address yet." in read(f"{mailbox.url}/mailbox?to=ben@example.org")


def test_a_line_in_an_address_cannot_become_a_header() -> None:
    letter = Letter(LETTER.id, "a@example.org", "A\r\nBcc: b@example.org", "Hello", "Text", LETTER.written_at)
    message = mailer(1).message(letter)
    assert message["Bcc"] is None
    assert [address.addr_spec for address in message["To"].addresses] == ["a@example.org"]
    assert message.as_bytes().count(b"\r\nTo:") == 1


def test_a_mail_server_that_is_away_is_tried_again(mail_port: int) -> None:
    with pytest.raises(NotTakenError) as problem:
        mailer(mail_port).send(LETTER)
    assert problem.value.for_good is False


@pytest.mark.parametrize(
    ("raised", "for_good"),
    [
        (smtplib.SMTPRecipientsRefused({"cora@example.org": (550, b"no such person")}), True),
        (smtplib.SMTPRecipientsRefused({"cora@example.org": (450, b"later")}), False),
        (smtplib.SMTPDataError(554, b"spam"), True),
        (smtplib.SMTPSenderRefused(550, b"not you", "post@market.example"), False),
        (smtplib.SMTPAuthenticationError(535, b"wrong"), False),
        (smtplib.SMTPServerDisconnected("gone"), False),
        (TimeoutError("slow"), False),
    ],
)
def test_only_what_the_server_says_of_this_letter_is_for_good(
    raised: Exception, for_good: bool, monkeypatch: pytest.MonkeyPatch, mailbox: Running, mail_port: int
) -> None:
    def refuse(*_: object) -> None:
        raise raised

    monkeypatch.setattr(smtplib.SMTP, "send_message", refuse)
    with pytest.raises(NotTakenError) as problem:
        mailer(mail_port).send(LETTER)
    assert problem.value.for_good is for_good
