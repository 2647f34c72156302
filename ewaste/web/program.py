"""The wipe agent as its source: what a reader runs to believe nobody here is what this site itself verifies with."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = "wipe_agent"
BESIDE = ("requirements-agent.txt", "LICENSE", "NOTICE")
FOLDER = "wipe-agent"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # The same files give the same bytes.


@cache
def source() -> bytes:
    """The modules of the agent, what they need and their licence, as a .zip with one folder in it."""
    paths = sorted(
        path
        for path in (ROOT / CODE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in [*(ROOT / name for name in BESIDE), *paths]:
            entry = zipfile.ZipInfo(f"{FOLDER}/{path.relative_to(ROOT).as_posix()}", _LONG_AGO)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return packed.getvalue()
