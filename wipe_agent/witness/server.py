"""A witness over HTTP: POST /add-checkpoint, and GET / with its name and key for people.

It listens on loopback unless told otherwise; a web server in front of it brings TLS. Requests are bounded in size,
in time and in number at once.
"""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any

from wipe_agent.certificate.strict import MAX_BYTES
from wipe_agent.errors import AgentError
from wipe_agent.witness import PLAIN, Added, Witness

SECONDS_TO_SPEAK = 10
SECONDS_TO_STAY = 60
MOST_AT_ONCE = 32


class WitnessServer(ThreadingHTTPServer):
    """Answers for one witness; `note` is told of each submission, in a sentence."""

    daemon_threads = True
    request_queue_size = 2 * MOST_AT_ONCE

    def __init__(
        self,
        witness: Witness,
        address: tuple[str, int],
        *,
        note: Callable[[str], None] = lambda text: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.witness, self.note, self.now = witness, note, now
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__(address, _Handler)

    @property
    def url(self) -> str:
        """The submission prefix."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """One more caller, if there is a place; else the connection is closed."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread came of it, so nobody else would give the place back
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The caller's own thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """A caller that went away or said nothing is no event; anything else is said."""
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):
            self.note(f"A request failed: {error!r}.")


class Bounded(io.RawIOBase):
    """What a caller says, until it is silent for too long, or has stayed for too long by saying a little at a time."""

    def __init__(self, connection: socket, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection, self._clock = connection, clock
        self._end = clock() + SECONDS_TO_STAY

    def readable(self) -> bool:
        """As io asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes. Raises TimeoutError."""
        if (left := self._end - self._clock()) <= 0:
            raise TimeoutError("The caller stayed for too long.")
        self._connection.settimeout(min(left, SECONDS_TO_SPEAK))
        return self._connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    server: WitnessServer
    protocol_version = "HTTP/1.1"
    timeout = SECONDS_TO_SPEAK
    server_version = "wipe-agent-witness"
    sys_version = ""

    def setup(self) -> None:
        """As ever, but what comes in is read within bounds of time."""
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(Bounded(self.connection))

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        """Name, key, and what was seen."""
        if self.path != "/":
            self._send(Added(404, b"There is nothing here.\n", ""))
            return
        witness = self.server.witness
        lines = [f"Witness {witness.name}", f"Key {witness.vkey}", "POST add-checkpoint (c2sp.org/tlog-witness)"]
        try:
            for origin in sorted(witness.logs):
                latest = witness.memory.latest(origin)
                lines.append(f"Log {origin}: {f'{latest[0].size} entries seen' if latest else 'not seen yet'}")
        except AgentError as error:
            lines.append(error.message)
        self._send(Added(200, ("\n".join(lines) + "\n").encode(), ""))

    def do_POST(self) -> None:
        """add-checkpoint."""
        length = self.headers.get("Content-Length", "")
        if self.path != "/add-checkpoint":
            problem = Added(404, b"There is nothing here.\n", "")
        elif not length.isascii() or not length.isdigit() or self.headers.get("Transfer-Encoding"):
            problem = Added(411, b"Say the length of the request.\n", "")
        elif len(length) > 6 or int(length) > MAX_BYTES:
            problem = Added(413, b"The request is too large.\n", "")
        else:
            self._add(self.rfile.read(int(length)))
            return
        self.close_connection = True
        self._send(problem)

    def _add(self, data: bytes) -> None:
        try:
            added = self.server.witness.add(data, at=self.server.now())
        except (AgentError, OSError) as error:
            said = error.message if isinstance(error, AgentError) else str(error)
            self.server.note(f"Not cosigned: {said}")
            self.close_connection = True
            self._send(Added(500, b"This witness cannot remember what it sees.\n", ""))
            return
        kept = f" Both checkpoints are kept in {added.evidence}." if added.evidence else ""
        self.server.note(f"{'' if added.status == 200 else 'Not cosigned: '}{added.why}{kept}")
        self._send(added)

    def _send(self, added: Added) -> None:
        self.send_response(added.status)
        self.send_header("Content-Type", added.kind if added.body else PLAIN)
        self.send_header("Content-Length", str(len(added.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(added.body)
