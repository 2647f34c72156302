"""Files that are either there whole or not at all: write, sync, rename, sync the folder.

As in Borg's `SaveFile` and Sunlight's `durable.WriteFile`. A reader never sees half a file, and after
a power cut a file that was announced is there.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Put `data` at `path`, replacing what was there. Raises OSError; then the old file stands."""
    beside = path.with_name(f".{path.name}.partial")
    _write_new(beside, data)
    os.replace(beside, path)
    sync_folder(path.parent)


def publish_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Make the folder `path` with `files` in it, whole or not at all. A folder that is there is left alone."""
    if path.exists():
        return
    beside = path.with_name(f".{path.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=0o700)
    for name, data in files.items():
        _write_new(beside / name, data)
    sync_folder(beside)
    os.rename(beside, path)
    sync_folder(path.parent)


def hand_out(path: Path, data: bytes) -> None:
    """Put a file for others at `path`, in a folder that others may write to as well. Raises OSError.

    The draft has a name that nobody can foresee and is made anew or not at all, so a link laid in its place is not
    written through; readable for everybody.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{secrets.token_hex(16)}.partial")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(handle, 0o644)
            os.fsync(handle)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def move(path: Path, to: Path) -> None:
    """Rename within one file system and make both folders remember it."""
    os.rename(path, to)
    sync_folder(to.parent)
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder for the owner alone, and make its parent remember it."""
    if path.is_dir():
        return
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make a folder remember what was made, renamed or removed in it."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_new(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)
