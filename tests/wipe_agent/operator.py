"""The operator of a log over loopback HTTP, who may be dishonest: it shows any tree to anybody, signed with its key.

Made of the pure pieces of the log format alone. A `Tree` is a list of entries; the operator shows one tree, or another
one to chosen callers, older ones, or files that do not fit the tree it signed.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Sequence
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent.certificate import log
from wipe_agent.certificate.log.tiles import ENTRIES, WIDTH
from wipe_agent.witness import LogSite

ORIGIN = "market.example/log"


class Tree:
    """All that can be said of a list of entries."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self.entries = list(entries)
        self.frontier, made = log.Frontier().extend(map(log.leaf_hash, self.entries))
        self.nodes = dict(made)

    def read(self, nodes: Sequence[log.Node]) -> list[bytes]:
        return [self.nodes[node] for node in nodes]

    def checkpoint(self, size: int | None = None) -> log.Checkpoint:
        size = len(self.entries) if size is None else size
        return log.Checkpoint(ORIGIN, size, log.root(size, self.read))

    def growth(self, old: int, size: int | None = None) -> tuple[bytes, ...]:
        return log.consistency_proof(old, len(self.entries) if size is None else size, self.read)

    def proof(self, index: int, note: bytes) -> bytes:
        size = log.Checkpoint.parse(log.Note.parse(note).text).size
        return bytes(log.LogProof(index, log.inclusion_proof(index, size, self.read), note))

    def file(self, path: str) -> bytes | None:
        tile = log.Tile.parse(path)
        first = tile.index * WIDTH
        count = max(0, (len(self.entries) >> (8 * max(tile.level, 0))) - first)
        if count < tile.width:
            return None
        if tile.level == ENTRIES:
            return log.write_entries(self.entries[first : first + tile.width])
        return b"".join(self.nodes[8 * tile.level, first + number] for number in range(tile.width))


class Witnessing:
    """A witness of another centre."""

    def __init__(self, name: str) -> None:
        self.name, self.key = name, Ed25519PrivateKey.generate()
        self.vkey = log.VerifierKey.of(name, log.COSIGNATURE, self.key.public_key())

    def cosign(self, note: bytes, at: datetime) -> bytes:
        parsed = log.Note.parse(note)
        checkpoint = log.Checkpoint.parse(parsed.text)
        return bytes(parsed.and_signed(log.cosign(checkpoint, self.name, self.key, at=at)))


class Operator(ThreadingHTTPServer):
    """Shows `tree` at /log; what stands in `files` is served in place of the honest answer (None: 404)."""

    daemon_threads = True

    def __init__(self, entries: Sequence[bytes] = ()) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.key = Ed25519PrivateKey.generate()
        self.vkey = log.VerifierKey.of(ORIGIN, log.ED25519, self.key.public_key())
        self.tree = Tree(entries)
        self.note = self.sign()
        self.files: dict[str, bytes | None] = {}
        self.proofs: dict[str, bytes] = {}
        self.statements: dict[str, bytes] = {}
        self.packed = False
        self.packing: tuple[str, bytes] | None = None  # answer everything with these bytes, packed so
        self.cut = False  # answers end in the middle
        self.asked: list[str] = []
        self.handed_in: list[bytes] = []
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def site(self) -> LogSite:
        return LogSite.at(f"{self.url}/log")

    def sign(self, size: int | None = None) -> bytes:
        """The tree's checkpoint, signed; it is not shown yet."""
        return bytes(self.tree.checkpoint(size).signed(self.key))

    def show(self, entries: Sequence[bytes], *witnesses: Witnessing, at: datetime | None = None) -> bytes:
        """From now on show this tree, with these cosignatures."""
        self.tree = Tree(entries)
        self.note = self.sign()
        for witness in witnesses:
            assert at is not None
            self.note = witness.cosign(self.note, at)
        return self.note

    def answer(self, path: str) -> bytes | None:
        if path in self.files:
            return self.files[path]
        if path == "checkpoint":
            return self.note
        if path.startswith("proof/"):
            return self.proofs.get(path.removeprefix("proof/"))
        if path.startswith("statement/"):
            return self.statements.get(path.removeprefix("statement/"))
        return self.tree.file(path)

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self.thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Operator

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        path = self.path.removeprefix("/log/")
        self.server.asked.append(path)
        data = self.server.answer(path)
        self.send_response(404 if data is None else 200)
        if self.server.packed and data is not None:
            data = gzip.compress(data)
            self.send_header("Content-Encoding", "gzip")
        if self.server.packing is not None:
            data = self.server.packing[1]
            self.send_header("Content-Encoding", self.server.packing[0])
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write((data or b"")[: len(data or b"") // 2] if self.server.cut else data or b"")
