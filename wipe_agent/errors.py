"""What can go wrong in the wipe agent, in words, each kind with its own exit code and what to do next.

Every error that the agent expects is an `AgentError`. The message says what happened to whom;
`next_step` says what the operator does about it. The table of exit codes in `docs/wipe-agent.md`
is held against `kinds()` by a test, so the two cannot drift apart.
"""

from __future__ import annotations

from typing import ClassVar


class AgentError(Exception):
    """Something the agent refuses or failed at. `exit_code` is unique; `next_step` is a sentence."""

    exit_code: ClassVar[int] = 10
    next_step: ClassVar[str] = "Report this message to whoever maintains the agent."

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.advice = next_step or self.next_step

    @property
    def kind(self) -> str:
        return type(self).__name__


def kinds() -> list[type[AgentError]]:
    """Every kind of error, by exit code."""
    return sorted(AgentError.__subclasses__(), key=lambda kind: kind.exit_code)


class DoesNotVerify(AgentError):
    exit_code = 1
    next_step = "Do not rely on this certificate; the failed line above says why."


class Unreadable(AgentError):
    exit_code = 2
    next_step = "Check the path, and ask the sender for the bundle again."


class SelfTestFailed(AgentError):
    exit_code = 11
    next_step = "Do not use this installation: the scanner does not find what was planted. Install the agent again."


class StateUnusable(AgentError):
    exit_code = 12
    next_step = "Make the state folder (WIPE_AGENT_HOME) yours alone: owned by you, mode 0700, on a disk that is well."


class NotEnrolled(AgentError):
    exit_code = 13
    next_step = "Run: wipe-agent enrol --market URL --code CODE"


class AlreadyEnrolled(AgentError):
    exit_code = 14
    next_step = "One state folder is one station. Set WIPE_AGENT_HOME to a new folder to enrol another."


class WrongPassphrase(AgentError):
    exit_code = 15
    next_step = "Type the passphrase chosen at enrolment, or set WIPE_AGENT_PASSPHRASE."


class NotADrive(AgentError):
    exit_code = 16
    next_step = "Name a whole drive such as /dev/sdb (see: wipe-agent media), or an image file together with --image."


class TargetRefused(AgentError):
    exit_code = 17
    next_step = "Unmount it and release what holds it, or choose the right drive (see: wipe-agent media)."


class TargetBusy(AgentError):
    exit_code = 18
    next_step = "Wait for the other program, or end it, and run the same command again."


class WrongSerial(AgentError):
    exit_code = 19
    next_step = "Read the serial off the drive's label and type it exactly. Nothing was changed on the drive."


class OrderUnknown(AgentError):
    exit_code = 20
    next_step = "Run: wipe-agent orders"


class OrderRefused(AgentError):
    exit_code = 21
    next_step = "Fetch orders again (wipe-agent orders); if it stays so, ask the marketplace for a new work order."


class TrainingTarget(AgentError):
    exit_code = 22
    next_step = "Image files and virtual disks are for practice: use them under a training work order."


class MethodRefused(AgentError):
    exit_code = 23
    next_step = "Destroy the medium and record it: wipe-agent certify --destroyed SERIAL ..."


class DeviceChanged(AgentError):
    exit_code = 24
    next_step = "Connect the drive the work began on and run the command again, or begin anew with --start-over."


class JournalDamaged(AgentError):
    exit_code = 25
    next_step = "Keep the file for the audit, find out who changed it, and begin the medium anew with --start-over."


class JournalUnwritable(AgentError):
    exit_code = 26
    next_step = "Free space on the disk of the state folder and run the same command again: it goes on from there."


class WriteFailed(AgentError):
    exit_code = 27
    next_step = (
        "Check cable and drive and run the command again: it begins anew. If it fails again, destroy the medium."
    )


class NotWiped(AgentError):
    exit_code = 28
    next_step = "Destroy the medium and record it: wipe-agent certify --destroyed SERIAL ..."


class NotComplete(AgentError):
    exit_code = 29
    next_step = "Finish each medium named above (wipe it, or destroy it), then run certify again."


class TwoPeopleNeeded(AgentError):
    exit_code = 30
    next_step = "Destruction is seen by two people: give two different names with --operator and --witness."


class WouldNotVerify(AgentError):
    exit_code = 31
    next_step = (
        "Nothing was issued. Settle the reason with the marketplace (accreditation, work order), then certify again."
    )


class MarketUnreachable(AgentError):
    exit_code = 32
    next_step = "Check the network and the address. The work is kept; run the same command again at any time."


class MarketRefused(AgentError):
    exit_code = 33
    next_step = "Read the reason; nothing was lost. Ask the marketplace if it is not clear."


class CertificateRefused(AgentError):
    exit_code = 34
    next_step = "Settle the reason with the marketplace, then run wipe-agent sync --again, or ask for a new order."


class BadAnswer(AgentError):
    exit_code = 35
    next_step = "Check that the address is a marketplace's and that agent and marketplace are of the same version."


class NotBackedUpByEvidence(AgentError):
    exit_code = 36
    next_step = "Give what is missing: --technique, --particle-size-mm, --operator and --witness."


class PhoneNotReady(AgentError):
    exit_code = 50
    next_step = (
        "Unlock the phone, allow this station on its screen, leave the cable in, and run the same command again."
    )


class PhoneRefused(AgentError):
    exit_code = 51
    next_step = "Nothing was changed on the phone. Settle what is named, or destroy its storage and record that."


class TokenUnusable(AgentError):
    exit_code = 60
    next_step = "Plug the token in and check it (pkcs11-tool --list-slots), then run the same command again."


class NotReady(AgentError):
    exit_code = 61
    next_step = "Install or set what is named above, then run wipe-agent doctor again."


class NotBlank(AgentError):
    exit_code = 62
    next_step = "Something is on this drive. If it should be empty, wipe it under a work order."


class SnapshotRefused(AgentError):
    exit_code = 63
    next_step = "Take the snapshot again, or name the right file. Nothing was kept."


class BadUsage(AgentError):
    exit_code = 64
    next_step = "Run: wipe-agent --help"


class LogMisbehaves(AgentError):
    exit_code = 70
    next_step = (
        "Keep the folder named above and show it to the accreditor and to other centres. Until it is settled, "
        "do not rely on what this log says."
    )


class NotOurs(AgentError):
    exit_code = 71
    next_step = (
        "Sync first, to learn what other stations issued. If no station of the centre knows the rest, have the key "
        "revoked; if one does, add its digest to a list (--own)."
    )


class LogLate(AgentError):
    exit_code = 72
    next_step = "Ask the marketplace why; run the same command again in a few hours."


class Stopped(AgentError):
    exit_code = 130
    next_step = "Run the same command again: it goes on where the journal stands."
