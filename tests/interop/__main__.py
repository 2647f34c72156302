"""`make interop`: what a market issues, checked with other people's libraries and without a network.

Starts a training market, has devices wiped and certified there, takes out what it issued as a stranger would, revokes
some, and hands the folder to `check.mjs`. Exit code 0 when everything held, 1 when something did not, 2 when it could
not begin. `ISSUED` names a folder that was filled before; then no market is started. The schema and context of UNTP are
not part of this project: where the folder of shared sample data is missing (`SHARED_DATA` names it), those questions
are left out and named.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from story.stage import market
from tests.interop import collect, filling, log_proofs

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "var" / "interop"
UNTP = Path(os.environ.get("SHARED_DATA") or ROOT.parent / "shared/data") / "untp"
# A network namespace of its own: not even this machine's own programs can be reached from it.
CUT_OFF = ("unshare", "--user", "--map-root-user", "--net")
REVOKED = 2
SLOW = 1.0  # Questions that took longer say so.


class Answers(NamedTuple):
    """What the tools said of a folder: one dictionary for each question, and why they broke off if they did."""

    questions: list[dict[str, Any]]
    broke_off: str

    @classmethod
    def of(cls, done: subprocess.CompletedProcess[str]) -> Answers:
        """Read what they printed. An answer about nothing means nothing, so it counts as a problem."""
        questions = [json.loads(line) for line in done.stdout.splitlines()]
        for each in questions:
            if not each["count"]:
                each["problems"] = ["there was none to ask about"]
        warned = done.stderr.strip()
        explained = not done.returncode or (not warned and any(each["problems"] for each in questions))
        if questions and explained:
            return cls(questions, "")
        return cls(questions, warned or f"They ended with {done.returncode}.")

    @property
    def held(self) -> bool:
        """Whether everything was asked, and is as it should be."""
        return not self.broke_off and not any(each["problems"] for each in self.questions)


def main() -> int:
    """Collect, check, and say in lines what came out."""
    began = time.monotonic()
    cut = CUT_OFF if can_be_cut_off() else ()
    left_out = []
    if not cut:
        left_out.append("to reach nobody by the kernel's will (no unshare here); the tools' ways out are closed")
    if not UNTP.is_dir():
        left_out.append("UNTP's schema and context (SHARED_DATA names the folder above untp/)")
    titles: dict[str, Future[Answers]] = {}
    with ThreadPoolExecutor(2) as pool:
        # The test vectors need no market; so they are checked while it is started and filled.
        vectors = pool.submit(of_vectors, cut)
        if given := os.environ.get("ISSUED"):
            print(f"What was collected in {given} before is checked.")
            titles["What the market issued"] = pool.submit(asked, Path(given), cut)
        else:
            print("A training market is started; devices are wiped and certified there. It takes a minute.", flush=True)
            try:
                titles["What the market issued"] = from_a_market(fresh(TOOLS / "issued"), pool, cut, began)
            except RuntimeError as error:
                print(error, file=sys.stderr)
                return 2
        titles["The test vectors, and proofs of a log"] = vectors
        for title, answers in titles.items():
            print("\n".join(lines(title, answers.result())), flush=True)
    both = [answers.result() for answers in titles.values()]
    for what in left_out:
        print(f"Left out: {what}.")
    print(f"{summary(*both)} ({time.monotonic() - began:.0f} s).")
    return 0 if all(answers.held for answers in both) else 1


def from_a_market(folder: Path, pool: ThreadPoolExecutor, cut: tuple[str, ...], began: float) -> Future[Answers]:
    """Fill a market, take out what it issued, and have it checked while the market stops."""

    def so_far() -> str:
        return f"({time.monotonic() - began:.0f} s)"

    with market() as stage:
        print(f"It is up {so_far()}.", flush=True)
        filling.fill_market(stage)
        with collect.Stranger(stage, folder) as stranger:
            stranger.before()
            revoked = stranger.certificates[-REVOKED:]
            filling.revoke(stage, revoked)
            stranger.after(revoked)
        count = len(stranger.certificates)
        print(f"It issued {count} certificates, and revoked {len(revoked)} of them {so_far()}.", flush=True)
        return pool.submit(asked, folder, cut)


def can_be_cut_off() -> bool:
    """Whether this machine lets us start a program that reaches nobody."""
    if shutil.which(CUT_OFF[0]) is None:
        return False
    return subprocess.run([*CUT_OFF, "true"], check=False, capture_output=True).returncode == 0


def of_vectors(cut: tuple[str, ...]) -> Answers:
    """What the tools say of the test vectors, and of proofs of a log that only this run knows."""
    folder = fresh(TOOLS / "vectors")
    collect.vectors(folder)
    (folder / "log.json").write_text(json.dumps(log_proofs.written()))
    return asked(folder, cut)


def fresh(folder: Path) -> Path:
    """An empty folder in the place of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def asked(folder: Path, cut: tuple[str, ...]) -> Answers:
    """Ask the JavaScript libraries about a folder, cut off from the network: `cut` is the command that does so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        words = [*cut, "node", str(TOOLS / "check.mjs"), str(folder.absolute())]
        if cut:
            words += ["--listener", str(listener.getsockname()[1])]
        if UNTP.is_dir():
            words += ["--untp", str(UNTP)]
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=600, cwd=TOOLS)
    return Answers.of(done)


def lines(title: str, answers: Answers) -> Iterator[str]:
    """The answers in words, one line each."""
    yield f"{title}:"
    for each in answers.questions:
        slow = f" ({each['seconds']:.0f} s)" if each["seconds"] >= SLOW else ""
        yield f"  {'✗' if each['problems'] else '✓'} {each['name']}: {each['count']:,}{slow}"
        yield from (f"      {problem}" for problem in each["problems"])
    if answers.broke_off:
        yield f"  ✗ the tools broke off: {answers.broke_off}"


def summary(*answered: Answers) -> str:
    """All of it in one sentence, in what was counted."""
    questions = [each for answers in answered for each in answers.questions]
    checks = sum(each["count"] for each in questions)
    tampered = sum(each["count"] for each in questions if each["tampered"])
    held = all(answers.held for answers in answered)
    return (
        f"{'Everything held' if held else 'Something did not hold'}: {checks:,} checks in {len(questions)} questions;"
        f" {tampered:,} of the checks are that a tampered form is refused"
    )


if __name__ == "__main__":
    sys.exit(main())
