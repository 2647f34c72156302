"""The signer's socket: one question a connection, from programs of the users that were named, and from nobody else.

A question ends where the asker closes its side. One connection is served at a time; one that takes longer than
`PATIENCE` is closed, however often it says a little, so that nobody keeps the signer from whoever asks next.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from ewaste.signer.rules import MOST_REQUEST_BYTES, Answer, answer
from ewaste.signer.store import Store, StoreUnusable

log = logging.getLogger("ewaste.signer")

PATIENCE: Final = 5.0  # seconds for a whole question
_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid: struct ucred of Linux


@contextlib.contextmanager
def listening(path: Path, *, group: bool = False) -> Iterator[socket.socket]:
    """A socket at `path`, in a folder of ours that others cannot enter; with `group`, its group can.

    Raises StoreUnusable.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = path.parent.stat()
    others = 0o007 if group else 0o077
    if folder.st_uid != os.geteuid() or folder.st_mode & others:
        raise StoreUnusable(f"The folder {path.parent} of the socket is not ours alone. Close it: chmod 700")
    _remove_stale(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        path.chmod(0o660 if group else 0o600)
        server.listen(8)
        try:
            yield server
        finally:
            path.unlink(missing_ok=True)


def serve(server: socket.socket, store: Store, uids: frozenset[int]) -> None:
    """Answer questions until the socket is closed. Raises OSError when what was signed cannot be kept: a signer that
    cannot remember must not go on."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            _one(connection, store, uids)


def _one(connection: socket.socket, store: Store, uids: frozenset[int]) -> None:
    pid, uid, _gid = peer(connection)
    try:
        request = read_question(connection)
    except OSError:  # It was slow, or went away.
        return
    if uid in uids:
        said = answer(store, request)
    else:
        log.warning("program %s of user %s asked", pid, uid)
        said = Answer("refused", b"This program may not ask the signer.\n")
    if said.word == "refused":
        log.warning("refused: %s", said.body.decode("utf-8", "replace").strip())
    _send(connection, said)


def peer(connection: socket.socket) -> tuple[int, int, int]:
    """Process, user and group at the other end, as the kernel knows them."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(raw)
    return pid, uid, gid


def read_question(connection: socket.socket, *, clock: Callable[[], float] = time.monotonic) -> bytes:
    """All that is said until the asker closes its side, or one byte too many. Raises OSError for one that is slow."""
    request, end = b"", clock() + PATIENCE
    while len(request) <= MOST_REQUEST_BYTES:
        if (left := end - clock()) <= 0:
            raise TimeoutError
        connection.settimeout(left)
        if not (piece := connection.recv(MOST_REQUEST_BYTES + 1)):
            break
        request += piece
    connection.settimeout(PATIENCE)
    return request


def _send(connection: socket.socket, said: Answer) -> None:
    with contextlib.suppress(OSError):  # Who asked is gone: it asks again, and gets the same answer.
        connection.sendall(bytes(said))


def _remove_stale(path: Path) -> None:
    """What a killed signer left behind. One that is alive keeps its socket: two would have two memories."""
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise StoreUnusable(f"{path} is there and is no socket. Remove it, or name another.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise StoreUnusable(f"Another signer listens at {path} already.")
