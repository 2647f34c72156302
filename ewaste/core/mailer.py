"""The way out for mail: SMTP, to the operator's server or to the practice mailbox."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, parseaddr
from urllib.parse import unquote, urlsplit

from ewaste.core.config import Config
from ewaste.core.mail import Letter

TIMEOUT_SECONDS = 20
PORTS = {"smtp": 587, "smtps": 465}


class NotTakenError(Exception):
    """The server did not take a message. `for_good` when it would not take it later either."""

    def __init__(self, why: str, *, for_good: bool) -> None:
        super().__init__(why)
        self.for_good = for_good


class Mailer:
    """Sends letters one by one, each over a connection of its own."""

    def __init__(self, config: Config) -> None:
        self._url = urlsplit(config.smtp_url)
        self._from = config.mail_from
        self._site = config.public_url
        self._training = config.training

    def send(self, letter: Letter) -> None:
        """Hand a letter to the server. Raises `NotTakenError`.

        The Message-ID is made of the letter's id, so that a letter that goes out twice can be known as one.
        """
        message = self.message(letter)
        try:
            with self._connection() as server:
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as refused:
            code, why = next(iter(refused.recipients.values()))
            raise NotTakenError(f"{code} {_words(why)}", for_good=code >= 500) from refused
        except smtplib.SMTPResponseException as refused:
            said = f"{refused.smtp_code} {_words(refused.smtp_error)}"
            # That we may not sign in, or may not send as this address, is ours to mend; the letter waits for it.
            for_good = refused.smtp_code >= 500 and isinstance(refused, smtplib.SMTPDataError)
            raise NotTakenError(said, for_good=for_good) from refused
        except (OSError, smtplib.SMTPException) as problem:
            raise NotTakenError(f"{type(problem).__name__}: {problem}", for_good=False) from problem

    def message(self, letter: Letter) -> EmailMessage:
        """The letter as it goes over the wire: plain text, UTF-8."""
        message = EmailMessage(policy=SMTP)
        message["From"] = self._from
        name = "".join(sign for sign in letter.to_name if sign.isprintable())
        message["To"] = formataddr((name, letter.to_address))
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(letter.written_at)
        host = parseaddr(self._from)[1].rpartition("@")[2] or "localhost"
        message["Message-ID"] = f"<{letter.id}@{host}>"
        message["Auto-Submitted"] = "auto-generated"
        text = letter.text.replace("{site}", self._site)
        if self._training:
            text += "\nThis is a training market. Money, devices and certificates in it are practice, not real.\n"
        message.set_content(text)
        return message

    def _connection(self) -> smtplib.SMTP:
        host, port = self._url.hostname or "", self._url.port or PORTS[self._url.scheme]
        if self._url.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
            if host not in ("127.0.0.1", "::1", "localhost"):  # On this machine nobody listens in between.
                server.starttls(context=ssl.create_default_context())
        if self._url.username:
            server.login(unquote(self._url.username), unquote(self._url.password or ""))
        return server


def _words(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said
