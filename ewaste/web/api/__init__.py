"""The JSON API: for programs of buyers, sellers and centres under `/api/v1`, for wipe agents under `/api/agent`.

An operation is declared once (`declare`), beside the function that does it; from the declarations come the routes, the
checks of what is sent, and the OpenAPI document (`document`) with its page. Operations call the same steps and views
as the pages; nothing is decided here. `docs/api.md` is the guide for its users.
"""

from __future__ import annotations

from flask import Flask


def install(app: Flask) -> None:
    """Add the routes of the API, its document and its page to the site."""
    from ewaste.web.api import agent, declare, document, guide
    from ewaste.web.limits import csrf

    for pages in (declare.blueprint(document.OPERATIONS), agent.pages):
        app.register_blueprint(pages)
        csrf.exempt(pages)  # A token or a signature comes with each request; no browser session takes part.
    app.register_blueprint(guide.pages)
