"""ATA: the SANITIZE feature set, and SECURITY ERASE UNIT (ACS-4, 4.17 and 4.18), through hdparm.

hdparm prints "Issuing SECURITY_ERASE" and exits with 0 also when the drive ignored it. So the password must be seen to
be set before the erase is believed to have begun, and to be gone after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wipe_agent.media import Facts, Ran, Runner
from wipe_agent.media.asking import ata_security, refused_by_hdparm
from wipe_agent.methods.answers import Answer, State, refusal

# Not secret: it only opens the way to the erase, and is printed where an operator may need it.
PASSWORD = "wipe"  # noqa: S105
_UNSUPPORTED = ("feature set is not supported", "not supported")
_FROZEN = ("frozen",)
_SURE = "--yes-i-know-what-i-am-doing"
_THAW = "Put the machine to sleep and wake it, or pull the drive's power for a moment, then run the command again."


@dataclass(frozen=True)
class Sanitize:
    """SANITIZE with the options of hdparm for it, such as `--sanitize-block-erase`."""

    options: tuple[str, ...]

    def start(self, facts: Facts, run: Runner) -> Answer:
        """Give the command; the drive works on by itself, also across a power cut."""
        given = run(["hdparm", _SURE, *self.options, facts.path], timeout=120)
        if not given.ok or refused_by_hdparm(given.said) or "device error" in given.said:
            answer = refusal(given, what="ATA SANITIZE", unsupported=_UNSUPPORTED, frozen=_FROZEN)
            return _with_thaw(answer)
        seen = self.look(facts, run)
        return Answer(seen.state, seen.says, (given, *seen.runs), seen.permille)

    def look(self, facts: Facts, run: Runner) -> Answer:
        """`hdparm --sanitize-status`."""
        asked = run(["hdparm", "--sanitize-status", facts.path], timeout=60)
        if not asked.ok or refused_by_hdparm(asked.said) or "device error" in asked.said:
            return refusal(asked, what="The sanitize status", unsupported=_UNSUPPORTED, frozen=_FROZEN)
        if "SD1" in asked.out:
            return _with_thaw(Answer(State.FROZEN, "The drive's SANITIZE is frozen.", (asked,)))
        if "SD2" in asked.out:
            shown = re.search(r"Progress:\s*0x([0-9a-fA-F]+)", asked.out)
            permille = int(shown.group(1), 16) * 1000 // 65536 if shown else None
            return Answer(State.RUNNING, "The drive is sanitising itself.", (asked,), permille)
        if "Completed Without Error" in asked.out and "SD3" not in asked.out:
            return Answer(State.DONE, "The drive says that its SANITIZE completed.", (asked,), 1000)
        return Answer(State.FAILED, "The drive is idle and does not say that a SANITIZE completed.", (asked,))


@dataclass(frozen=True)
class SecurityErase:
    """SECURITY ERASE UNIT, plain or enhanced."""

    enhanced: bool

    def start(self, facts: Facts, run: Runner) -> Answer:
        """Set a password, see that it is set, erase, see that it is gone."""
        asked = _identify(facts, run)
        before = ata_security(asked.out)
        if not before.supported or (self.enhanced and not before.enhanced):
            return Answer(State.UNSUPPORTED, "The drive does not offer this security erase.", (asked,))
        if before.frozen:
            return _with_thaw(Answer(State.FROZEN, "The drive's security is frozen.", (asked,)))
        runs = [asked]
        # Locked: perhaps by an erase of ours that a power cut broke off. Only our own password is tried.
        word = "--security-unlock" if before.locked else "--security-set-pass"
        if before.locked or not before.enabled:
            runs.append(run(["hdparm", "--user-master", "u", word, PASSWORD, facts.path]))
            runs.append(_identify(facts, run))
            ready = ata_security(runs[-1].out)
            if not ready.enabled or ready.locked:
                return Answer(State.REFUSED, "The drive did not take the password for the erase.", tuple(runs))
        option = "--security-erase-enhanced" if self.enhanced else "--security-erase"
        minutes = before.minutes or 18 * 60
        erased = run(["hdparm", "--user-master", "u", option, PASSWORD, facts.path], timeout=max(600, minutes * 60 * 2))
        seen = self.look(facts, run)
        runs += [erased, *seen.runs]
        if erased.timed_out:
            says = f"The drive did not end its erase in time. It may stay locked with the password “{PASSWORD}”."
            return Answer(State.TIMED_OUT, says, tuple(runs))
        if not erased.ok or refused_by_hdparm(erased.said):
            runs.append(run(["hdparm", "--user-master", "u", "--security-disable", PASSWORD, facts.path]))
            return Answer(State.REFUSED, f"The drive refused the erase ({erased.first_words}).", tuple(runs))
        return Answer(seen.state, seen.says, tuple(runs))

    def look(self, facts: Facts, run: Runner) -> Answer:
        """A drive drops its password when the erase is through, and keeps it when it is not."""
        asked = _identify(facts, run)
        if not asked.ok:
            return refusal(asked, what="IDENTIFY DEVICE")
        if ata_security(asked.out).enabled:
            says = f"The drive keeps its password (“{PASSWORD}”), so the erase did not come to its end."
            return Answer(State.FAILED, says, (asked,))
        return Answer(State.DONE, "The drive says that its security erase completed.", (asked,), 1000)


def _identify(facts: Facts, run: Runner) -> Ran:
    return run(["hdparm", "-I", facts.path])


def _with_thaw(answer: Answer) -> Answer:
    if answer.state is not State.FROZEN:
        return answer
    return Answer(answer.state, f"{answer.says} {_THAW}", answer.runs)
