"""Helpers around the practice provider: start it as a program, receive its events, cut its answers."""

from __future__ import annotations

import http.client
import queue
import re
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import stripe

SECRET = "whsec_for_tests"
KEY = "sk_practice_tests"
PATIENCE_SECONDS = 20
SALE: Any = {"amount": 5_000, "currency": "eur", "confirm": True, "payment_method": "pm_card_visa"}
SALE_PAIRS = [("amount", "5000"), ("currency", "eur"), ("confirm", "true"), ("payment_method", "pm_card_visa")]


class Running:
    """`python -m ewaste.practice` as a process of its own, ended by its id."""

    def __init__(self, data: Path, *, port: int = 0, webhook_url: str = "", cash: int = 0, more: tuple[str, ...] = ()):
        command = [sys.executable, "-m", "ewaste.practice", "--port", str(port), "--data", str(data)]
        command += ["--webhook-secret", SECRET, "--float", f"EUR:{cash}", "--first-pause", "0.05", *more]
        if webhook_url:
            command += ["--webhook-url", webhook_url]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("Practice money on "), line
        self.url = line.split()[-1]

    def stop(self) -> int:
        """An ordinary end."""
        self.process.terminate()
        code = self.process.wait(PATIENCE_SECONDS)
        self._closed()
        return code

    def kill(self) -> None:
        """The end that nobody prepares for."""
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)
        self._closed()

    def _closed(self) -> None:
        if self.process.stdout:
            self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()


def client(provider: Running) -> stripe.StripeClient:
    """The SDK, without its own retries."""
    return stripe.StripeClient(KEY, base_addresses={"api": provider.url}, max_network_retries=0)


def session(sdk: stripe.StripeClient, **more: Any) -> Any:
    """A checkout session of one phone for 123.45 EUR."""
    line = {"quantity": 1, "price_data": {"currency": "eur", "unit_amount": 12_345, "product_data": {"name": "Phone"}}}
    shop = "http://127.0.0.1:8000"
    params = {"mode": "payment", "line_items": [line], "success_url": f"{shop}/paid", "cancel_url": f"{shop}/basket"}
    return sdk.v1.checkout.sessions.create({**params, **more})  # type: ignore[typeddict-item]


class Page:
    """One answer of a browser without scripts that does not follow redirects by itself."""

    def __init__(self, method: str, url: str, form: dict[str, str] | None = None, **headers: str) -> None:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_SECONDS)
        body = urlencode(form) if form is not None else None
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, sent)
        answer = connection.getresponse()
        self.status, self.headers, self.text = answer.status, answer.headers, answer.read().decode()
        connection.close()

    @property
    def token(self) -> str:
        """The hidden token of the page's form."""
        found = re.search(r'name="token" value="([0-9a-f]+)"', self.text)
        assert found, self.text
        return found[1]


def press(url: str, action: str) -> Page:
    """Opens the checkout page and presses one of its buttons."""
    return Page("POST", url, {"token": Page("GET", url).token, "action": action})


class Inbox:
    """A webhook endpoint. `answers` are the statuses it gives, the last one for ever."""

    def __init__(self, *answers: int) -> None:
        self.received: queue.Queue[tuple[bytes, str]] = queue.Queue()
        statuses = list(answers or (200,))
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                inbox.received.put((body, self.headers["Stripe-Signature"]))

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks/payments"

    def next(self) -> tuple[bytes, str]:
        """The next event as it came: raw body and signature."""
        return self.received.get(timeout=PATIENCE_SECONDS)

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Canned:
    """A provider that answers everything with the same words."""

    def __init__(self, status: int, body: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class CuttingProxy:
    """Stands before the provider and loses things: of the first `cut_answers` answers only a share arrives.

    The request is passed on whole and the answer is awaited, so what was asked for has happened.
    """

    def __init__(self, url: str, *, cut_answers: int, share: float = 0.0) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 80)
        self._cuts, self._share = cut_answers, share
        self.cut = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            with here, socket.create_connection(self._target) as there:
                there.sendall(_message(here))
                answer = _message(there)
                if self.cut < self._cuts:
                    self.cut += 1
                    here.sendall(answer[: int(len(answer) * self._share)])
                else:
                    here.sendall(answer)

    def close(self) -> None:
        """Stops listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _message(connection: socket.socket) -> bytes:
    """One HTTP message with its body, as its Content-Length says."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65_536)):
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        if not (more := connection.recv(65_536)):
            break
        body += more
    return head + b"\r\n\r\n" + body
