"""Parts of pages that are drawn once: a row that says the same as it did a minute ago is the same text.

A list that people look at all day changes by a few rows from one look to the next. `once` keeps what a macro made of
the values that it was given, the latest few thousand. A macro that is drawn this way shows its values and nothing
else: no viewer, no token, no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache

from flask import Flask, request
from markupsafe import Markup

KEPT = 4_000  # of about a kilobyte each


def install(app: Flask) -> None:
    """Give templates `once(macro, *values)`, and `each_once` for many of them."""

    @lru_cache(maxsize=KEPT, typed=True)  # A text and the same as HTML are equal, and not drawn alike.
    def kept(_root: str, macro: Callable[..., Markup], *values: Hashable) -> Markup:
        return macro(*values)

    def once(macro: Callable[..., Markup], *values: Hashable) -> Markup:
        """What the macro makes of these values. Addresses in it begin where the site is mounted."""
        return kept(request.script_root, macro, *values)

    def each_once(macro: Callable[..., Markup], every: Iterable[Iterable[Hashable]]) -> Markup:
        """The same for each of these rows of values, one after the other."""
        root = request.script_root
        return Markup("\n").join([kept(root, macro, *values) for values in every])

    app.jinja_env.globals.update(once=once, each_once=each_once)
