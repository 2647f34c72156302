"""The start of the wipe agent in one file: unpack once, check, run.

The archive holds the agent's own code, the wheels of its libraries as they were published, and `manifest.json` with
the SHA-256 of each. The first start unpacks them, because compiled libraries cannot be loaded from an archive, into a
folder that belongs to the user alone (`WIPE_AGENT_CACHE`, else `~/.cache/wipe-agent`), named by the manifest's hash.
Each wheel and each file is checked against the manifest, written beside, synced and renamed, so the folder is there
whole or not at all. Later starts see that it is complete and run from it. Nothing else that is installed on the machine
is loaded: only the standard library and what is in here.

The same file lies in that folder as `run.py`, with a small program `python` beside it: it stands for the interpreter
when the agent starts a process of its own (`python -m ...`). Standard library only.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import runpy
import secrets
import shutil
import stat
import sys
import zipfile
from pathlib import Path
from typing import Any, NoReturn

_FLAGS = ("-I", "-B", "-E", "-s", "-S", "-u")


def main() -> None:
    """Make the folder ready and run the agent in it, or the module that `-m` names."""
    here = Path(sys.argv[0]).resolve()
    inside = here.name == "run.py" and here.is_file() and not zipfile.is_zipfile(here)
    folder = here.parent if inside else _ready(here)
    sys.path[:] = [str(folder / "lib"), *(path for path in sys.path if _standard(path, here))]
    sys.pycache_prefix = str(folder / "compiled")
    sys.executable = str(folder / "python")
    words = sys.argv[1:]
    if inside:
        while words and words[0] in _FLAGS:
            words.pop(0)
        if words[:1] == ["-c"]:
            sys.argv = ["-c", *words[2:]]
            exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - as `python -c` does
            return
        if words[:1] != ["-m"] or len(words) < 2:
            _stop("This program stands for Python inside the wipe agent. It takes -m MODULE.")
        module, sys.argv = words[1], [words[1], *words[2:]]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    runpy.run_module("wipe_agent", run_name="__main__", alter_sys=True)


def _ready(archive: Path) -> Path:
    """The folder of this archive, unpacked and complete."""
    with zipfile.ZipFile(archive) as opened:
        text = opened.read("manifest.json")
        manifest = json.loads(text)
        _require_machine(manifest)
        base = _base()
        folder = base / hashlib.sha256(text).hexdigest()[:32]
        if not _complete(folder):
            _unpack(opened, manifest, folder)
    return folder


def _require_machine(manifest: dict[str, Any]) -> None:
    python = ".".join(map(str, sys.version_info[:2]))
    if python != manifest["python"] or platform.machine() != manifest["machine"] or sys.platform != "linux":
        _stop(
            f"This file is for Python {manifest['python']} on Linux, {manifest['machine']} (Debian 12 has it). "
            f"Here is Python {python} on {sys.platform}, {platform.machine()}."
        )


def _base() -> Path:
    """The folder for what is unpacked: ours alone, or nobody's."""
    named = os.environ.get("WIPE_AGENT_CACHE")
    base = Path(named) if named else Path.home() / ".cache" / "wipe-agent"
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = base.lstat()
    except OSError as error:
        _stop(f"{base} cannot be used ({error.strerror}). Set WIPE_AGENT_CACHE to a folder that is yours alone.")
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or stat.S_IMODE(facts.st_mode) & 0o077:
        _stop(f"{base} is not yours alone (mode 0700). Set WIPE_AGENT_CACHE to a folder that is.")
    return base


def _complete(folder: Path) -> bool:
    """Whether every file that was unpacked is there in its size. A power cut or a tidy hand may have taken some."""
    try:
        sizes = json.loads((folder / "sizes.json").read_bytes())
        return all((folder / name).lstat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def _unpack(opened: zipfile.ZipFile, manifest: dict[str, Any], folder: Path) -> None:
    beside = folder.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        beside.mkdir(mode=0o700)
        for name, wanted in sorted(manifest["files"].items()):
            data = opened.read(name)
            if hashlib.sha256(data).hexdigest() != wanted:
                _stop(f"{name} in this file is damaged. Get the file again.")
            if name.endswith(".whl"):
                _unpack_wheel(data, beside / "lib")
            else:
                _write(beside / "lib" / name, data)
        _write(beside / "run.py", opened.read("__main__.py"))
        start = f'#!/bin/sh\nexec "{os.path.realpath(sys.executable)}" -I "{folder}/run.py" "$@"\n'
        _write(beside / "python", start.encode())
        (beside / "python").chmod(0o700)
        sizes = {str(p.relative_to(beside)): p.stat().st_size for p in sorted(beside.rglob("*")) if p.is_file()}
        _write(beside / "sizes.json", json.dumps(sizes).encode())
        os.sync()
        if folder.exists():  # Incomplete, or another start was quicker; both are the same files.
            shutil.rmtree(folder, ignore_errors=True)
        try:
            beside.rename(folder)
        except OSError:
            if not _complete(folder):
                raise
    except OSError as error:
        _stop(f"The agent cannot be unpacked into {folder.parent} ({error.strerror}). It needs about 90 MB.")
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _unpack_wheel(data: bytes, lib: Path) -> None:
    """The modules of a wheel; scripts are left out. Names that lead elsewhere are refused."""
    with zipfile.ZipFile(io.BytesIO(data)) as wheel:
        for entry in wheel.infolist():
            parts = entry.filename.split("/")
            if entry.is_dir() or parts[0].endswith(".data"):
                continue
            if ".." in parts or entry.filename.startswith("/"):
                _stop(f"{entry.filename} in a library leads out of its folder.")
            _write(lib / entry.filename, wheel.read(entry))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(data)


def _standard(path: str, here: Path) -> bool:
    """Whether a place of sys.path belongs to the standard library: not installed packages, not the working folder."""
    if not path or Path(path).resolve() in (here, here.parent, Path.cwd()):
        return False
    return not any(part in ("site-packages", "dist-packages") for part in Path(path).parts)


def _stop(why: str) -> NoReturn:
    sys.stderr.write(f"{why}\n")
    sys.exit(12)


if __name__ == "__main__":
    main()
