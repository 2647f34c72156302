"""`make interop`: what a market issues, checked with other people's libraries and without a network.

Starts a training market, waits for its sample, takes out what it issued as a stranger would, and hands the folder to
`check.mjs`. Exit code 0 when everything held, 1 when something did not, 2 when it could not begin. `ISSUED` names a
folder that was filled before; then no market is started. The schema and context of UNTP are not part of this project:
where the folder of shared sample data is missing (`SHARED_DATA` names it), those questions are left out and named.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from story.stage import market
from tests.interop import collect, log_proofs

# Of these there must be some, or the answer would mean nothing. Revoked ones are among the test vectors only.
ALWAYS = frozenset(
    {
        "certificates verify",
        "accreditations verify",
        "work orders verify",
        "tampered certificates are refused",
        "certificates as vc+jwt verify",
        "status lists verify",
        "certificates that stand, stand in their status list too",
        "tampered status lists are refused",
    }
)
ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "var" / "interop"
UNTP = Path(os.environ.get("SHARED_DATA") or ROOT.parent / "shared/data") / "untp"


def main() -> int:
    """Collect, check, and say in lines what came out."""
    began = time.monotonic()
    if given := os.environ.get("ISSUED"):
        folder = Path(given)
        print(f"What was collected in {folder} before is checked.")
    else:
        folder = TOOLS / "issued"
        fresh(folder)
        print("A training market is started and filled; that takes a few minutes.", flush=True)
        with market(sample="full") as stage:
            collect.wait_until_filled(stage)
            count = collect.collect(stage, folder)
        print(f"It issued {count} certificates ({time.monotonic() - began:.0f} s).", flush=True)
    count = collect.vectors(fresh(TOOLS / "vectors"))
    (TOOLS / "vectors" / "log.json").write_text(json.dumps(log_proofs.written()))
    if not UNTP.is_dir():
        print("LEFT OUT: UNTP's schema and context are not here (SHARED_DATA names the folder above untp/).")
    held = all(
        [
            checked(folder, "What the market issued"),
            checked(TOOLS / "vectors", f"{count} test vectors, and proofs of a log"),
        ]
    )
    print(f"{'Everything held' if held else 'Something did not hold'} ({time.monotonic() - began:.0f} s).")
    return 0 if held else 1


def fresh(folder: Path) -> Path:
    """An empty folder in the place of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def checked(folder: Path, title: str) -> bool:
    """Ask the JavaScript libraries about a folder and print their answers; whether all held."""
    words = ["node", str(TOOLS / "check.mjs"), str(folder), *([str(UNTP)] if UNTP.is_dir() else [])]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=600, cwd=TOOLS)
    print(f"{title}:")
    held = told(done.stdout)
    if done.returncode and held:
        print(done.stderr, file=sys.stderr)
    return held and done.returncode == 0


def told(answers: str) -> bool:
    """Print the answers, one line each; whether all held."""
    held = True
    for line in answers.splitlines():
        answer = json.loads(line)
        if answer["name"] in ALWAYS and not answer["count"]:
            answer["problems"] = ["there was none to ask about"]
        held = held and not answer["problems"]
        print(f"  {'✓' if not answer['problems'] else '✗'} {answer['name']}: {answer['count']}")
        for problem in answer["problems"][:5]:
            print(f"      {problem}")
    return held


if __name__ == "__main__":
    sys.exit(main())
