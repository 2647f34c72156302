"""Which revisions this release knows, in order. Read from the files' heads, as the site asks it without Alembic."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

VERSIONS = Path(__file__).parent / "versions"
_HEAD = re.compile(r'^revision = "(\w+)"\ndown_revision = (?:"(\w+)"|None)$', re.MULTILINE)


@cache
def known() -> tuple[str, ...]:
    """Every revision from the first to the head."""
    after: dict[str | None, str] = {}
    for path in VERSIONS.glob("*.py"):
        found = _HEAD.search(path.read_text(encoding="utf-8"))
        if found is None:
            raise LookupError(f"{path.name} does not say which revision it is.")
        after[found[2]] = found[1]
    line: list[str] = []
    while (following := after.get(line[-1] if line else None)) is not None:
        line.append(following)
    if len(line) != len(after):
        raise LookupError("The revisions are not one line.")
    return tuple(line)


def head() -> str:
    """The revision that this release's code is written for."""
    return known()[-1]
