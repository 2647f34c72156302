"""A marketplace over loopback HTTP: the tests' own reading of docs/spec/agent-api.md.

It verifies every signature and answers the same bundle with the same receipt; on demand it loses answers after it has
acted, or cannot answer at all.
"""

from __future__ import annotations

import base64
import json
import threading
import uuid
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from http_message_signatures import HTTPMessageVerifier, MappingKeyResolver
from http_message_signatures.algorithms import ED25519

from tests.wipe_agent.operator import Operator
from tests.wipe_agent.support import METHOD, World, moment
from wipe_agent import certificate as c


class Market(ThreadingHTTPServer):
    """A marketplace on loopback. `lose` answers are dropped after they were acted on."""

    daemon_threads = True

    def __init__(self, world: World) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.world = world
        self.code: str | None = "ENROL-1"
        self.lose = 0
        self.fail = 0
        self.cut = 0  # so many answers end in the middle
        self.acted = threading.Event()
        self.hold: threading.Event | None = None  # answers wait for it after they were acted on
        self.outcome = "accepted"
        self.received: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.starts: list[str] = []
        self.issued: list[tuple[int, str, str]] = []  # entry of the log, digest, key
        self.stands: dict[str, tuple[str, str]] = {}  # how orders stand that are not open, by their digests
        self.nonces: set[str] = set()
        self.log: Operator | None = None
        self.completed: dict[str, bytes] = {}  # by the number of the certificate
        self.cosigned: list[bytes] = []
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self.thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Market

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        if self.path == "/api/agent/orders":
            self._signed(lambda _: (200, self.server.world.answer()))
        elif self.path.startswith(("/log/", "/certificates/")):
            log, name = self.server.log, self.path.removeprefix("/certificates/").removesuffix("/bundle.zip")
            if self.path.startswith("/log/"):
                data = log.answer(self.path.removeprefix("/log/")) if log is not None else None
            else:
                data = self.server.completed.get(name)
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")
        else:
            self._send(404, {"error": {"kind": "NotFound", "message": "There is no such call.", "field": None}})

    def do_POST(self) -> None:
        if self.path == "/api/agent/enrol":
            self._send(*self._enrol(json.loads(self._body())))
        elif self.path == "/api/agent/cosignatures":
            self._signed(self._cosignature)
        elif self.path == "/api/agent/starts":
            self._signed(self._starts)
        elif self.path == "/api/agent/issued":
            self._signed(self._issued)
        elif self.path == "/api/agent/standings":
            self._signed(self._standings)
        else:
            self._signed(self._certificate)

    def _enrol(self, said: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        market = self.server
        market.calls.append("enrol")
        if said["code"] != market.code:
            text = "This code was used already, or was never given out."
            return 422, {"error": {"kind": "Invalid", "message": text, "field": "code"}}
        public = c.public_key_from_multibase(said["public_key_multibase"])
        text = f"ewaste-enrol-v1\n{said['code']}\n{said['public_key_multibase']}"
        public.verify(base64.b64decode(said["proof"]), text.encode())
        market.world.station_key = public
        return 201, {
            "station_id": str(uuid.uuid4()),
            "verification_method": METHOD,
            "centre": {"id": str(uuid.uuid4()), "name": "Sample centre"},
            "trust": market.world.trust(),
            "mode": "training" if market.world.training else "live",
            "server_time": moment().isoformat(),
        }

    def _certificate(self, body: bytes) -> tuple[int, dict[str, Any]]:
        market = self.server
        document = c.read(json.loads(body)["files"]["certificate.json"].encode())
        digest = c.digest_multibase(document)
        receipt = market.received.setdefault(
            digest,
            {
                "certificate_id": document["id"],
                "digest": digest,
                "outcome": market.outcome,
                "reason": None if market.outcome == "accepted" else "A medium is missing.",
                "device_code": document["wipe"]["device"]["code"],
                "received_at": moment().isoformat(),
            },
        )
        return 200, {"receipt": receipt}

    def _cosignature(self, body: bytes) -> tuple[int, dict[str, Any]]:
        self.server.cosigned.append(json.loads(body)["checkpoint"].encode())
        return 200, {}

    def _starts(self, body: bytes) -> tuple[int, dict[str, Any]]:
        orders = json.loads(body)["work_orders"]
        self.server.starts.extend(orders)
        return 200, {"noted": len(orders), "server_time": moment().isoformat()}

    def _issued(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Two at a time, as a marketplace with a long list does it by the thousand."""
        later = [one for one in self.server.issued if one[0] > json.loads(body)["after"]]
        told = [{"entry": entry, "digest": digest, "station": key} for entry, digest, key in later[:2]]
        return 200, {"issued": told, "more": len(later) > 2, "server_time": moment().isoformat()}

    def _standings(self, body: bytes) -> tuple[int, dict[str, Any]]:
        told = []
        for order in json.loads(body)["work_orders"]:
            standing, text = self.server.stands.get(order, ("open", "It is open."))
            told.append({"work_order": order, "standing": standing, "text": text})
        return 200, {"standings": told, "server_time": moment().isoformat()}

    def _signed(self, act: Any) -> None:
        market, body = self.server, self._body()
        market.calls.append(self.path)
        message = _Seen(self.command, f"{market.url}{self.path}", dict(self.headers.items()))
        resolver = MappingKeyResolver(public_keys={METHOD: market.world.station_key}, private_keys={})
        verifier = HTTPMessageVerifier(signature_algorithm=ED25519, key_resolver=resolver)
        results = verifier.verify(
            message,
            max_age=timedelta(seconds=300),
            expect_tag="ewaste-agent",
            expect_label="sig1",
            require_components=("@method", "@path", "content-digest"),
            body=body,
        )
        nonce = results[0].nonce
        assert nonce
        assert nonce not in market.nonces
        market.nonces.add(nonce)
        if market.fail:
            market.fail -= 1
            self._send(503, {"error": {"kind": "Busy", "message": "Later.", "field": None}})
            return
        status, answer = act(body)
        market.acted.set()
        if market.hold is not None:
            market.hold.wait(30)
        if market.cut:
            market.cut -= 1
            self._send(status, answer, part=0.5)
            self.close_connection = True
            return
        if market.lose:
            market.lose -= 1
            self.close_connection = True
            return
        self._send(status, answer)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(self, status: int, answer: dict[str, Any], part: float = 1) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: int(len(data) * part)])


@dataclass
class _Seen:
    method: str
    url: str
    headers: dict[str, str]
