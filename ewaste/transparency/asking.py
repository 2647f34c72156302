"""Asking a witness over HTTP for its cosignature (C2SP tlog-witness, add-checkpoint)."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Final

from wipe_agent.certificate import log as fmt
from wipe_agent.certificate.log.note import read_signatures
from wipe_agent.certificate.log.submission import read_size

PATIENCE: Final = 5.0
_LARGEST_ANSWER: Final = 65_536


def ask(
    address: str, note: str, seen: int, growth: Callable[[int, int], tuple[bytes, ...]]
) -> tuple[fmt.Note | None, int]:
    """Ask the witness at `address` to sign the checkpoint `note`. `seen` is how large we believe it last saw the log.

    `growth(old, new)` gives the proof from there. Returns the checkpoint with what it signed (None when it knows
    another size than we believed, twice) and how large it has seen the log now. Raises OSError, and ValueError with the
    sentence that says why it did not sign.
    """
    published = fmt.Note.parse(note.encode())
    size = fmt.Checkpoint.parse(published.text).size
    for _ in range(2):  # The first answer may tell us from which size to prove.
        old = min(seen, size)
        body = bytes(fmt.Submission(old, growth(old, size), note.encode()))
        status, said = _post(f"{address}/add-checkpoint", body)
        if status == 200:
            return published.and_signed(*read_signatures(said.decode("utf-8", "replace"))), size
        if status != 409:
            raise fmt.LogRefused(f"it answered with HTTP {status}")
        seen = read_size(said)
        if seen > size:
            raise fmt.LogRefused(f"it has seen a log of {seen} entries, and we publish {size}")
    return None, seen


def _post(url: str, body: bytes) -> tuple[int, bytes]:
    """One call to a witness. Raises OSError when nobody answers."""
    request = urllib.request.Request(url, data=body, method="POST", headers={"Content-Type": "text/plain"})  # noqa: S310
    try:
        with _OPENER.open(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read(_LARGEST_ANSWER)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(_LARGEST_ANSWER)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_NoRedirects)
