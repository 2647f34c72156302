"""Reading a published log over HTTP: its checkpoint, its tiles and its entries, bounded.

Nothing that comes is believed here; whoever asks checks it against a signed checkpoint. A redirect is not followed.
"""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
import zlib
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from wipe_agent import __version__
from wipe_agent.certificate.log import Tile, Unreadable, read_entries
from wipe_agent.certificate.log.lines import HASH_BYTES
from wipe_agent.certificate.log.tiles import ENTRIES, MOST_BUNDLE_BYTES, WIDTH
from wipe_agent.certificate.strict import MAX_BYTES
from wipe_agent.errors import BadAnswer, BadUsage, MarketUnreachable

TIMEOUT_SECONDS = 30
_PACKING = 65_536  # bytes that packing may add: hashes do not become smaller


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass(frozen=True)
class LogSite:
    """A log at an address such as https://market.example/log."""

    url: str

    @classmethod
    def at(cls, url: str) -> LogSite:
        """The log at an address that a person gave. Raises BadUsage."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise BadUsage(
                f"{url!r} is not the address of a log.", next_step="Give one such as https://market.example/log."
            )
        return cls(url.rstrip("/"))

    def checkpoint(self) -> bytes:
        """The newest checkpoint, a note. Raises MarketUnreachable, BadAnswer, as all of these."""
        return self._demand("checkpoint", MAX_BYTES)

    def tile(self, tile: Tile) -> bytes:
        """The data of a tile of hashes. One that is partial may be gone; then it is cut from the full one."""
        data = self._get(tile.path, WIDTH * HASH_BYTES)
        if data is None and tile.width < WIDTH:
            data = self._demand(Tile(tile.level, tile.index).path, WIDTH * HASH_BYTES)
            return data[: tile.width * HASH_BYTES]
        if data is None:
            raise BadAnswer(f"The log at {self.url} does not have {tile.path}, which it should have.")
        return data

    def entries(self, index: int, width: int) -> list[bytes]:
        """The first `width` entries of a bundle. Raises BadAnswer also for one that cannot be read."""
        tile = Tile(ENTRIES, index, width)
        data, count = self._get(tile.path, MOST_BUNDLE_BYTES), width
        if data is None and width < WIDTH:
            data, count = self._demand(Tile(ENTRIES, index).path, MOST_BUNDLE_BYTES), WIDTH
        if data is None:
            raise BadAnswer(f"The log at {self.url} does not have {tile.path}, which it should have.")
        try:
            return read_entries(data, count)[:width]
        except Unreadable as error:
            raise BadAnswer(f"The log at {self.url} has {tile.path}, but it cannot be read. {error}") from error

    def proof(self, digest: str) -> bytes | None:
        """The proof file that the log offers for a document's digest, or None."""
        return self._get(f"proof/{urllib.parse.quote(digest, safe='')}", MAX_BYTES)

    def statement(self, digest: str) -> bytes | None:
        """The published document with this digest, or None. Whoever asks compares the digest."""
        return self._get(f"statement/{urllib.parse.quote(digest, safe='')}", MAX_BYTES)

    def _demand(self, path: str, most: int) -> bytes:
        data = self._get(path, most)
        if data is None:
            raise BadAnswer(f"There is no log at {self.url}: it does not have {path}.")
        return data

    def _get(self, path: str, most: int) -> bytes | None:
        return fetch(f"{self.url}/{path}", most)


def fetch(address: str, most: int) -> bytes | None:
    """The body at a public address, unpacked, of at most `most` bytes; None for what is not there (404, 410).

    Raises MarketUnreachable, BadAnswer.
    """
    request = urllib.request.Request(  # noqa: S310 - `at` and the enrolment admit http and https only
        address, headers={"User-Agent": f"wipe-agent/{__version__}", "Accept-Encoding": "gzip, identity"}
    )
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=TIMEOUT_SECONDS) as answer:
            data: bytes = answer.read(most + _PACKING)
            packed = answer.headers.get("Content-Encoding", "identity")
            cut = bool(answer.length) and len(data) < most + _PACKING
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (404, 410):
                return None
            raise MarketUnreachable(f"{address} cannot answer now (HTTP {error.code}).") from error
    except (OSError, HTTPException) as error:
        raise MarketUnreachable(f"{address} gives no answer ({getattr(error, 'reason', None) or error}).") from error
    if cut:
        raise MarketUnreachable(f"{address} broke off in the middle of its answer.")
    if packed == "gzip":
        data = _unpacked(data, most, address)
    elif packed != "identity":
        raise BadAnswer(f"{address} answers in a packing that was not asked for, {packed[:20]!r}.")
    if len(data) > most:
        raise BadAnswer(f"{address} gives more than {most} bytes.")
    return data


def _unpacked(data: bytes, most: int, address: str) -> bytes:
    """What a gzip holds, and no more than one byte beyond the bound, however large it says it is."""
    unpack = zlib.decompressobj(wbits=31)
    try:
        found = unpack.decompress(data, most + 1)
    except zlib.error as error:
        raise BadAnswer(f"{address} gives a gzip that cannot be unpacked.") from error
    if len(found) <= most and (not unpack.eof or unpack.unused_data):
        raise BadAnswer(f"{address} gives a gzip that does not end where it should.")
    return found
