"""NVMe: Sanitize, and Format with a secure erase setting (NVM Express Base 2.0, 5.24 and 5.14; log page 0x81)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wipe_agent.media import Facts, Ran, Runner
from wipe_agent.media.asking import parsed
from wipe_agent.media.probe import controller_of
from wipe_agent.methods.answers import Answer, State, refusal

_UNSUPPORTED = ("invalid command opcode", "invalid field", "invalid log page")
_FORMAT_SECONDS = 12 * 3600


@dataclass(frozen=True)
class Sanitize:
    """Sanitize with the given action: 2 block erase, 3 overwrite, 4 crypto erase. Reaches the whole controller."""

    action: int

    def start(self, facts: Facts, run: Runner) -> Answer:
        """Give the command; the drive works on by itself, also across a power cut."""
        command = ["nvme", "sanitize", controller_of(facts.path), f"--sanact={self.action}"]
        given = run([*command, "--owpass=1"] if self.action == 3 else command, timeout=120)
        if given.ok or "sanitize in progress" in given.said.lower():
            seen = self.look(facts, run)
            return Answer(seen.state, seen.says, (given, *seen.runs), seen.permille)
        return refusal(given, what="NVMe Sanitize", unsupported=_UNSUPPORTED)

    def look(self, facts: Facts, run: Runner) -> Answer:
        """SPROG and SSTAT of the sanitize status log page."""
        asked = run(["nvme", "get-log", controller_of(facts.path), "--log-id=0x81", "--log-len=32"], timeout=60)
        first = re.search(r"^0000:((?: [0-9a-fA-F]{2}){16})", asked.out, re.MULTILINE)
        if not asked.ok or first is None:
            return refusal(asked, what="The sanitize status log", unsupported=_UNSUPPORTED)
        page = bytes.fromhex(first.group(1))
        progress, status = int.from_bytes(page[0:2], "little"), page[2] & 7
        if status == 2:
            permille = progress * 1000 // 65536
            return Answer(State.RUNNING, f"The drive is sanitising itself: {permille / 10:.1f} %.", (asked,), permille)
        if status == 3:
            return Answer(State.FAILED, "The drive says that its Sanitize failed.", (asked,))
        if status in (1, 4) and progress == 0xFFFF:
            return Answer(State.DONE, "The drive says that its Sanitize completed.", (asked,), 1000)
        if status in (1, 4):
            return Answer(State.FAILED, "The drive contradicts itself: completed, and yet not at its end.", (asked,))
        return Answer(State.FAILED, "The drive says that it was never sanitised.", (asked,))


@dataclass(frozen=True)
class Format:
    """Format NVM of one namespace, with secure erase setting 1 (user data) or 2 (cryptographic)."""

    ses: int

    def start(self, facts: Facts, run: Runner) -> Answer:
        """Give the command; it answers when it is through. The setting is always said: without it nothing is erased."""
        given = run(
            [
                "nvme",
                "format",
                facts.path,
                f"--lbaf={facts.lba_format}",
                f"--ses={self.ses}",
                f"--timeout={_FORMAT_SECONDS * 1000}",
                "--force",
            ],
            timeout=_FORMAT_SECONDS + 60,
        )
        if not given.ok:
            return refusal(given, what="NVMe Format", unsupported=_UNSUPPORTED)
        seen = self.look(facts, run)
        return Answer(seen.state, seen.says, (given, *seen.runs), seen.permille)

    def look(self, facts: Facts, run: Runner) -> Answer:
        """The format progress indicator (FPI) and the format in use of Identify Namespace."""
        asked = run(["nvme", "id-ns", facts.path, "-o", "json"])
        said = parsed(asked.out)
        if not asked.ok or "nsze" not in said:
            return refusal(asked, what="Identify Namespace")
        return _formatted(facts, said, asked)


def _formatted(facts: Facts, said: dict[str, object], asked: Ran) -> Answer:
    left = int(str(said.get("fpi", 0))) & 0x7F
    if left:
        permille = 1000 - 10 * left
        return Answer(State.RUNNING, f"The drive is formatting: {100 - left} %.", (asked,), permille)
    if int(str(said.get("flbas", 0))) & 0xF != facts.lba_format:
        return Answer(State.FAILED, "The drive came back with another block format than it was given.", (asked,))
    return Answer(State.DONE, "The drive says that its Format completed.", (asked,), 1000)
