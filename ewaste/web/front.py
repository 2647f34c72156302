"""The front door: which proxies are believed, and under which names the site answers."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import flask
from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

from ewaste.core.config import Config


def install(app: Flask, config: Config) -> None:
    """Believe as many proxies as are ours, and answer under our names only."""
    if config.trusted_proxies:
        count = config.trusted_proxies
        # The name comes in Host, as our proxies pass it on; X-Forwarded-Host is nobody's business.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=0)  # type: ignore[method-assign]

    def known_name() -> flask.Response | None:
        if _is_ours(request.host, config.trusted_hosts):
            return None
        # No page: its links would be made for a name that is not ours.
        words = f"This site does not answer under this name. It is at {config.public_url}\n"
        return flask.Response(words, status=400, mimetype="text/plain")

    app.before_request_funcs.setdefault(None, []).insert(0, known_name)


def _is_ours(host: str, names: Sequence[str]) -> bool:
    """Whether the name in a Host header, with or without a port, is among ours; `.x` is x and every name below it."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    name = f"[{name}]" if ":" in name else name
    return any(name == known.removeprefix(".") or (known.startswith(".") and name.endswith(known)) for known in names)
