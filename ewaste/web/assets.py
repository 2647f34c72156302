"""Static files: an address that changes with the content, so that browsers keep them, and gzip for those that are text.

Static files are compressed, and answers that show nothing anybody typed (`compressed`). Other pages are not: they show
what was typed beside the token of the form, and compressing both together would let a listener on the line guess the
token by the length.
"""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import flask
from flask import Flask, request

A_YEAR = 31_536_000
TEXT = frozenset({".css", ".js", ".svg", ".txt", ".json"})


def install(app: Flask) -> None:
    """Give addresses of static files their version, serve them for a year, and let templates ask for them quickly."""
    folder = Path(app.static_folder or "static")

    @app.url_defaults
    def version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and "v" not in values:
            found = digest(folder / str(values.get("filename", "")))
            if found:
                values["v"] = found

    @app.after_request
    def keep_and_compress(response: flask.Response) -> flask.Response:
        if request.endpoint == "static" and response.status_code in (200, 304):
            _serve(response, folder / (request.view_args or {}).get("filename", ""))
        return response

    known: dict[str, str] = {}

    def asset(filename: str) -> str:
        """The address of a static file; asked for once, because a page may name the sprite a hundred times."""
        if filename not in known or app.debug:
            known[filename] = flask.url_for("static", filename=filename)
        return known[filename]

    app.jinja_env.globals["asset"] = asset


def compressed(response: flask.Response) -> flask.Response:
    """The answer with gzip, where the reader takes it. Only for answers that repeat nothing of the request."""
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"] > 0 and response.status_code == 200:
        response.set_data(gzip.compress(response.get_data(), 6, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response


def digest(path: Path) -> str | None:
    """The first digits of the file's hash; None when there is no such file."""
    try:
        stamp = path.stat().st_mtime_ns
    except (OSError, ValueError):
        return None
    return _digest(path, stamp) if path.is_file() else None


def _serve(response: flask.Response, path: Path) -> None:
    current = digest(path)
    if current is not None and request.args.get("v") == current:
        response.headers["Cache-Control"] = f"public, max-age={A_YEAR}, immutable"
    else:  # Without its version an address may mean another content tomorrow.
        response.headers["Cache-Control"] = "no-cache"
    if path.suffix not in TEXT:
        return
    response.vary.add("Accept-Encoding")
    whole = response.status_code == 200 and "Content-Range" not in response.headers
    if whole and request.accept_encodings["gzip"] > 0 and request.method == "GET":
        response.direct_passthrough = False
        opened = response.response
        response.set_data(_gzipped(path, path.stat().st_mtime_ns))
        if hasattr(opened, "close"):  # The file that Flask opened to send it as it is.
            opened.close()
        response.headers["Content-Encoding"] = "gzip"
        response.headers.pop("Accept-Ranges", None)
        tag, _ = response.get_etag()
        if tag:
            response.set_etag(tag, weak=True)


@lru_cache(maxsize=256)
def _digest(path: Path, stamp: int) -> str:
    del stamp  # A changed file is another entry of the cache.
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]


@lru_cache(maxsize=256)
def _gzipped(path: Path, stamp: int) -> bytes:
    del stamp
    return gzip.compress(path.read_bytes(), 9, mtime=0)
