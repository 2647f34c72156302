"""A station witnesses the marketplace's log whenever it talks to the marketplace.

It must never keep certificates from being sent, so whatever goes wrong is an answer in words and no error.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent import keys
from wipe_agent.errors import AgentError, LogMisbehaves
from wipe_agent.sync.calls import call
from wipe_agent.witness import LogSite, Memory, Witness, trusted_in, visit

SETTLE_SECONDS = 2.0
"""How long the log is given to take in what was just sent, so that it is witnessed at once."""


@dataclass(frozen=True)
class Witnessed:
    """What came of it, in a sentence; the size that was cosigned and handed in, or None.

    `misbehaves` is the error when the log contradicted what this station saw before.
    """

    said: str
    size: int | None = None
    misbehaves: LogMisbehaves | None = None


def witness_log(home: keys.Home, key: Ed25519PrivateKey, *, settle: float = 0) -> Witnessed:
    """Look at the log of the marketplace, see that it only grew, cosign it, and hand the cosignature in.

    `settle` are seconds to wait first, so that the log holds what was just sent.
    """
    try:
        station = keys.load_station(home)
        trusted = trusted_in(keys.load_trust(home))
        if not trusted.logs:
            return Witnessed("The trust file of this station names no log, so there is none to witness.")
        time.sleep(settle)
        witness = Witness(station.verification_method, key, Memory(home.path / "witness"), trusted.logs)
        seen = visit(witness, LogSite(f"{station.market}/log"), at=datetime.now(UTC))
        address = f"{station.market}/api/agent/cosignatures"
        call("POST", address, {"checkpoint": bytes(seen.note).decode()}, (station.verification_method, key))
    except LogMisbehaves as error:
        return Witnessed(error.message, misbehaves=error)
    except AgentError as error:
        return Witnessed(f"The log was not witnessed this time. {error.message}")
    except (OSError, ValueError) as error:
        return Witnessed(f"The log was not witnessed this time. {error}")
    size = seen.checkpoint.size
    grown = f"since this station last looked it grew by {size - seen.before}"
    how = grown if seen.before else "this station looked for the first time"
    counts = (
        "" if witness.vkey in trusted.witnesses else " Whoever names this station as a witness counts its signature."
    )
    return Witnessed(f"Witnessed the log: {size} {'entry' if size == 1 else 'entries'}; {how}.{counts}", size)
