"""SCSI and SAS: SANITIZE (opcode 0x48, SBC-4 5.31) and FORMAT UNIT (SBC-4 5.4), through sg3-utils.

Both answer at once and go on inside the drive; REQUEST SENSE tells the progress, TEST UNIT READY the end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wipe_agent.media import Facts, Runner
from wipe_agent.methods.answers import Answer, State, refusal

_UNSUPPORTED = ("invalid opcode", "invalid field", "not supported")
# Exit statuses of sg3-utils (sg3_utils(8)): 2 is NOT READY, 3 is MEDIUM or HARDWARE ERROR.
_NOT_READY, _MEDIUM = 2, 3


@dataclass(frozen=True)
class Tool:
    """A call of sg3-utils that makes the drive work by itself; `what` is the name of the command for people."""

    what: str
    command: tuple[str, ...]

    def start(self, facts: Facts, run: Runner) -> Answer:
        """Give the command and come back at once."""
        given = run([*self.command, facts.path], timeout=120)
        if not given.ok:
            return refusal(given, what=self.what, unsupported=_UNSUPPORTED)
        seen = self.look(facts, run)
        return Answer(seen.state, seen.says, (given, *seen.runs), seen.permille)

    def look(self, facts: Facts, run: Runner) -> Answer:
        """Progress of the drive's own work, then whether it is ready again."""
        sense = run(["sg_requests", "--progress", facts.path])
        shown = re.search(r"[Pp]rogress indication:\s*([\d.]+)%", sense.said)
        if shown:
            permille = min(1000, int(float(shown.group(1)) * 10))
            return Answer(State.RUNNING, f"The drive is at work: {permille / 10:.1f} %.", (sense,), permille)
        ready = run(["sg_turs", facts.path])
        runs = (sense, ready)
        if ready.ok:
            return Answer(State.DONE, f"The drive says that its {self.what} completed.", runs, 1000)
        if ready.status == _NOT_READY:
            return Answer(State.RUNNING, "The drive is not ready yet.", runs)
        if ready.status == _MEDIUM:
            return Answer(State.FAILED, f"The drive says that its {self.what} failed ({ready.first_words}).", runs)
        return refusal(ready, what=f"The end of {self.what}")


def sanitize(*options: str) -> Tool:
    """SANITIZE with the options of `sg_sanitize`."""
    return Tool("SANITIZE", ("sg_sanitize", *options, "--quick", "--early"))


def format_unit() -> Tool:
    """FORMAT UNIT as a full format."""
    return Tool("FORMAT UNIT", ("sg_format", "--format", "--quick", "--early"))
