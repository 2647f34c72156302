"""Old backups go away: those that are older than is wished, and never the newest ones.

Only folders that a backup made are touched: a manifest of ours in them says so, and when it was begun. What was left
unfinished by a backup that died goes after a day. Everything else in the folder stays, whatever it is called.
"""

from __future__ import annotations

import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from ewaste.operate import manifest

ALWAYS_KEPT = 3
DIED_BEFORE = timedelta(days=1)
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.unfinished")


def prune(folder: Path, *, older_than: timedelta, now: datetime) -> list[Path]:
    """Delete the backups in `folder` that were begun longer ago than that. The newest three always stay.

    Returns what was deleted, the oldest first.
    """
    made: list[tuple[datetime, Path]] = []
    died: list[Path] = []
    for path in folder.iterdir():
        if path.is_symlink() or not path.is_dir():
            continue
        if _UNFINISHED.fullmatch(path.name):
            if datetime.fromtimestamp(path.stat().st_mtime, now.tzinfo) < now - DIED_BEFORE:
                died.append(path)
            continue
        try:
            made.append((manifest.read(path)[0].began_at, path))
        except manifest.Damaged:
            continue
    made.sort()
    old = [path for begun, path in made[: max(len(made) - ALWAYS_KEPT, 0)] if begun < now - older_than]
    for path in (*old, *died):
        shutil.rmtree(path)
    return [*old, *died]
