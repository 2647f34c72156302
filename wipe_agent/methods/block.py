"""Discards, the eMMC sanitise that builds on them, and the revert of a TCG drive by the PSID on its label."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wipe_agent.media import Facts, Runner
from wipe_agent.methods.answers import Answer, State, refusal

_UNSUPPORTED = ("operation not supported", "not supported", "inappropriate ioctl")
_HOURS = 3600
# Errors of the card status register R1 (JESD84-B51, 6.13), and the state "tran": waiting for the next command.
_R1_ERRORS, _R1_TRAN = 0xFDF9A080, 4


@dataclass(frozen=True)
class Discard:
    """Discard every block, then ask for zeros over all of it. `--force` because the agent itself holds the drive."""

    def start(self, facts: Facts, run: Runner) -> Answer:
        """Both answer when they are through."""
        runs = []
        for command in (["blkdiscard", "--force"], ["blkdiscard", "--force", "--zeroout"]):
            given = run([*command, facts.path], timeout=6 * _HOURS)
            runs.append(given)
            if not given.ok:
                answer = refusal(given, what="Block discard", unsupported=_UNSUPPORTED)
                return Answer(answer.state, answer.says, tuple(runs))
        return Answer(State.DONE, "The kernel says that every block was discarded and zeroed.", tuple(runs), 1000)

    def look(self, facts: Facts, run: Runner) -> Answer:
        """A discard keeps no state that could be asked for."""
        asked = run(["blockdev", "--getsize64", facts.path])
        return Answer(State.FAILED, "A discard leaves nothing to ask for; it is given again.", (asked,))


@dataclass(frozen=True)
class EmmcSanitize:
    """Unmap everything, then SANITIZE_START, which removes what is unmapped (JESD84-B51, 6.6.12)."""

    def start(self, facts: Facts, run: Runner) -> Answer:
        """Both answer when they are through."""
        unmapped = run(["blkdiscard", "--force", facts.path], timeout=_HOURS)
        if not unmapped.ok:
            return refusal(unmapped, what="The erase before the eMMC sanitise", unsupported=_UNSUPPORTED)
        given = run(["mmc", "sanitize", facts.path], timeout=_HOURS)
        if not given.ok:
            answer = refusal(given, what="eMMC SANITIZE", unsupported=_UNSUPPORTED)
            return Answer(answer.state, answer.says, (unmapped, given))
        seen = self.look(facts, run)
        return Answer(seen.state, seen.says, (unmapped, given, *seen.runs), seen.permille)

    def look(self, facts: Facts, run: Runner) -> Answer:
        """The card status register."""
        asked = run(["mmc", "status", "get", facts.path], timeout=30)
        shown = re.search(r"response:\s*(0x[0-9a-fA-F]+)", asked.out)
        if not asked.ok or shown is None:
            return refusal(asked, what="The card status")
        status = int(shown.group(1), 16)
        if status & _R1_ERRORS:
            return Answer(State.FAILED, f"The card reports errors ({shown.group(1)}).", (asked,))
        if status >> 9 & 0xF != _R1_TRAN:
            return Answer(State.RUNNING, "The card is still busy.", (asked,))
        return Answer(State.DONE, "The card says that it is through, without errors.", (asked,), 1000)


@dataclass(frozen=True)
class PsidRevert:
    """TCG: back to the state of the factory, which destroys the media encryption key. Needs the PSID of the label."""

    psid: str | None

    def start(self, facts: Facts, run: Runner) -> Answer:
        """`sedutil-cli` with the PSID; the drive answers when it is through."""
        if not self.psid:
            says = "The PSID printed on the drive's label is needed: give it with --psid."
            return Answer(State.REFUSED, says)
        words = ["sedutil-cli", "--yesIreallywanttoERASEALLmydatausingthePSID", self.psid, facts.path]
        given = run(words, timeout=600)
        if not given.ok or "NOT_AUTHORIZED" in given.said or "completed successfully" not in given.said:
            return refusal(given, what="PSID revert", unsupported=("not opal", "no opal"))
        seen = self.look(facts, run)
        return Answer(seen.state, seen.says, (given, *seen.runs), seen.permille)

    def look(self, facts: Facts, run: Runner) -> Answer:
        """After a revert the locking of the drive is off."""
        asked = run(["sedutil-cli", "--query", facts.path])
        if not asked.ok:
            return refusal(asked, what="The TCG query")
        if re.search(r"LockingEnabled\s*=\s*Y", asked.out):
            return Answer(State.FAILED, "The drive's locking is still on, so it was not reverted.", (asked,))
        return Answer(State.DONE, "The drive says that it was reverted.", (asked,), 1000)
