"""Help, the small print, and the search of what is public."""

from __future__ import annotations

import flask
from flask import Blueprint

from ewaste.tradein import quotes
from ewaste.views import search as views
from ewaste.web import lists
from ewaste.web.edge import now, page, runtime, transaction
from ewaste.web.limits import limiter

pages = Blueprint("about", __name__)

SEARCH = "60 per minute"


@pages.get("/search")
@limiter.limit(SEARCH)
def search() -> flask.Response:
    """One field for a model to sell, something for sale, a lot, or a certificate."""
    q, found = lists.search(), None
    if q:
        with transaction() as session:
            found = views.results(session, q, now=now())
    return page("about/search.html", q=q, found=found)


@pages.get("/help")
def help_page() -> flask.Response:
    """How it works, in the words of the people who ask."""
    return page("about/help.html", hold_days=quotes.LOCK.days)


@pages.get("/privacy")
def privacy() -> flask.Response:
    """What we keep about people, why and for how long."""
    return page("about/privacy.html")


@pages.get("/terms")
def terms() -> flask.Response:
    """What both sides promise."""
    return page("about/terms.html", hold_days=quotes.LOCK.days)


@pages.get("/imprint")
def imprint() -> flask.Response:
    """Who operates this installation."""
    return page("about/imprint.html", lines=runtime().config.imprint)


@pages.get("/accessibility")
def accessibility() -> flask.Response:
    """How the pages can be used, and what is known not to work."""
    return page("about/accessibility.html")
