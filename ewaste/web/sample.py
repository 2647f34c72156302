"""The line on every page while a training market is being filled: how many of its sample devices stand by now.

A page costs no statement by it: each process looks at most every other second, and never again once the market is full.
"""

from __future__ import annotations

import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.core.sample import Progress, progress

LOOK_EVERY = 2.0  # seconds
# After this long without anybody filling it, nobody will.
GIVE_UP_AFTER = 120.0


class Filling:
    """How far the sample market is, as the pages say it. Called by the frame of each page."""

    def __init__(self, config: Config, database: Database) -> None:
        self._database = database
        self._over = config.sample != "full" or not config.practice
        self._known: Progress | None = None
        self._began = time.monotonic()
        self._look_at = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> Progress | None:
        """How far it is; None when nothing is being filled."""
        if self._over:
            return None
        now = time.monotonic()
        if now < self._look_at or not self._lock.acquire(blocking=False):
            return self._known
        try:
            self._look_at = now + LOOK_EVERY
            with self._database.reading() as session:
                self._known = progress(session)
            if self._known is None:
                self._over = now - self._began > GIVE_UP_AFTER
            elif self._known.finished:
                self._over, self._known = True, None
        except SQLAlchemyError:
            self._known = None  # The page has more to say about a database that is away.
        finally:
            self._lock.release()
        return self._known
