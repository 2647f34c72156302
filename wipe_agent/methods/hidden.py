"""Open what an ATA drive hides of itself: the host protected area (HPA), and the device configuration overlay (DCO).

Both change the drive for good and are done only when the operator asks for it. The HPA goes first, for a drive refuses
to give up its DCO while it has one (hdparm(8), -N and --dco-restore). hdparm's word counts for nothing: the drive is
asked again what it shows. A running kernel keeps the old size, so the drive's power is taken away afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from wipe_agent.media import Facts, Runner
from wipe_agent.media.asking import SECTOR, dco_sectors, native_sectors, refused_by_hdparm, visible_sectors
from wipe_agent.methods.answers import Answer, State, refusal

_SURE = "--yes-i-know-what-i-am-doing"
_FROZEN = ("frozen",)


@dataclass(frozen=True)
class Opening:
    """What is to be opened: `what` is HPA or DCO, `size` the bytes that the drive then shows."""

    what: str
    size: int

    def command(self, path: str) -> list[str]:
        """The call that does it."""
        if self.what == "HPA":
            return ["hdparm", _SURE, f"-Np{self.size // SECTOR}", path]
        return ["hdparm", _SURE, "--dco-restore", path]


def opening(facts: Facts, run: Runner) -> Opening | None:
    """What to open first on this drive; None where the drive says of itself that it hides nothing."""
    visible = facts.size // SECTOR
    native = native_sectors(run(["hdparm", "-N", facts.path]).said, visible)
    if native is not None and native > visible:
        return Opening("HPA", native * SECTOR)
    real = dco_sectors(run(["hdparm", "--dco-identify", facts.path]).said, visible)
    return Opening("DCO", real * SECTOR) if real is not None and real > visible else None


def open_hidden(todo: Opening, facts: Facts, run: Runner) -> Answer:
    """Give the command, and ask the drive again. DONE only where the drive now shows all of it."""
    given = run(todo.command(facts.path), timeout=120)
    if not given.ok or refused_by_hdparm(given.said):
        return refusal(given, what=f"Opening the {todo.what}", frozen=_FROZEN)
    asked = run(["hdparm", "-N", facts.path])
    # A DCO that is gone shows as what the drive could show; whether it does so at once is up to the drive.
    shown = visible_sectors(asked.said) if todo.what == "HPA" else native_sectors(asked.said, facts.size // SECTOR)
    if shown is None or shown * SECTOR < todo.size:
        says = f"The drive was told to open its {todo.what} and does not show {todo.size} bytes."
        return Answer(State.FAILED, says, (given, asked))
    return Answer(State.DONE, f"The drive says that its {todo.what} is open: {todo.size} bytes.", (given, asked), 1000)
