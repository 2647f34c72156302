"""Sites that tests look at. Making one takes longer than most tests do with it, so it is kept for the next test.

The next test of a process finds its market in the same database (`tests.conftest.Clones`), so the same site serves it.
What a test may have changed about a site is put back before another sees it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask

from ewaste.core.config import Config
from ewaste.web import create_app
from tests.connections import Connections


class Sites:
    """The sites of one process, by database and settings."""

    def __init__(self, folder: Path, connections: Connections) -> None:
        self._folder, self._connections = folder, connections
        self._made: dict[tuple[tuple[str, str], ...], tuple[Flask, dict[str, object], object]] = {}

    @contextmanager
    def on(self, database_url: str, **settings: str) -> Iterator[Flask]:
        """The site on this database with these settings, as `create_app` made it; its connections stay."""
        env = {"DATABASE_URL": database_url, **settings}
        key = tuple(sorted(env.items()))
        if key not in self._made:
            data = tempfile.mkdtemp(dir=self._folder)
            site = create_app(Config.from_env({"EWASTE_DATA": data, **env}))
            self._made[key] = site, dict(site.config), site.extensions["ewaste"]
            self._connections.keep(site.extensions["ewaste"].database)
        site, configured, runtime = self._made[key]
        site.config.clear()
        site.config.update(configured)
        site.extensions["ewaste"] = runtime
        site.test_client_class = None
        try:
            yield site
        finally:
            if site.extensions["ewaste"] is not runtime:
                site.extensions["ewaste"].database.close()
            site.extensions["ewaste"] = runtime
