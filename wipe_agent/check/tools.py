"""A second pair of eyes: util-linux's `wipefs` and `blkid`, where they are installed.

They read only (`--no-act`, `--probe`). Their absence is noted and not an error: our own table has looked already.
A tool that is there and fails in a way we do not know counts as "failed", never as "nothing found".
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[[list[str]], tuple[int, str]]


def run_tool(command: list[str]) -> tuple[int, str]:
    """Exit status and output. Raises FileNotFoundError if the tool is not installed.

    Debian keeps these tools where an ordinary user's PATH does not look.
    """
    program = shutil.which(command[0], path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if program is None:
        raise FileNotFoundError(command[0])
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout


def signatures_on(path: Path, run: Run = run_tool) -> dict[str, list[str]]:
    """What each tool sees, by tool: names such as `ext4`; `["not installed"]` or `["failed"]` where it cannot say."""
    return {"wipefs": _wipefs(path, run), "blkid": _blkid(path, run)}


def saw_something(seen: dict[str, list[str]]) -> bool:
    """Whether any tool recognised something, or failed to look."""
    return any(names not in ([], ["not installed"]) for names in seen.values())


def _wipefs(path: Path, run: Run) -> list[str]:
    try:
        status, text = run(["wipefs", "--no-act", "--json", str(path)])
        if status != 0:
            return ["failed"]
        # An empty drive gives no output at all.
        listed = json.loads(text)["signatures"] if text.strip() else []
        return sorted({str(one["type"]) for one in listed})
    except FileNotFoundError:
        return ["not installed"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return ["failed"]


def _blkid(path: Path, run: Run) -> list[str]:
    try:
        status, text = run(["blkid", "--probe", "--output", "export", str(path)])
    except FileNotFoundError:
        return ["not installed"]
    except (OSError, subprocess.SubprocessError):
        return ["failed"]
    if status == 2 and not text.strip():
        return []  # blkid(8): 2 means that nothing was recognised.
    if status not in (0, 8):
        return ["failed"]
    names = [line.split("=", 1)[1] for line in text.split("\n") if line.startswith(("TYPE=", "PTTYPE="))]
    return sorted(set(names)) or ["ambiguous"]
