"""Addresses in templates. A page names some fifty, nearly all the same on every page: those are worked out once.

What depends on the thing shown (a device's page, a list's next page) is asked of Flask each time, as ever.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, has_request_context, request


def install(app: Flask) -> None:
    """Give templates a `url_for` that remembers pages without arguments and static files."""
    known: dict[tuple[str, str, str], str] = {}

    def url_for(endpoint: str, **values: Any) -> str:
        """The address of a page, as Flask's own `url_for` gives it."""
        file = values.get("filename", "") if endpoint == "static" else ""
        if len(values) > bool(file) or endpoint.startswith(".") or app.debug or not has_request_context():
            return app.url_for(endpoint, **values)
        key = (request.script_root, endpoint, file)
        address = known.get(key)
        if address is None:
            address = known[key] = app.url_for(endpoint, **values)
        return address

    app.jinja_env.globals["url_for"] = url_for
