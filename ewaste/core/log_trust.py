"""Which log and which witnesses readers of this market trust: read from the configuration, handed down as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LogTrust:
    """The log's keys and the witnesses', as verifier keys (C2SP vkey), and how many of the witnesses are needed.

    The first key is that of the log at work; others are of logs that ended. A verifier key begins with its name.
    """

    logs: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()
    needed: int = 0

    @property
    def origin(self) -> str | None:
        """The name of the log at work; None where there is no log."""
        return name_of(self.logs[0]) if self.logs else None


def name_of(vkey: str) -> str:
    """The name in a verifier key."""
    return vkey.partition("+")[0]


NO_LOG = LogTrust()
