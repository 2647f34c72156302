"""What became of an order's certificate, as far as this station knows: it waits, was accepted, or was refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from wipe_agent.certificate.times import read_time
from wipe_agent.jobs.story import decided_certificate
from wipe_agent.keys import Home


class Standing(StrEnum):
    """Where a certificate stands, in the words that are shown."""

    WAITING = "certified, waits to be sent"
    ACCEPTED = "certified, accepted"
    REFUSED = "certificate refused"


@dataclass(frozen=True)
class Issued:
    """The certificate of an order. `reason` is the marketplace's sentence where it refused, else empty."""

    certificate_id: str
    created: datetime
    standing: Standing
    reason: str = ""


def issued(home: Home, order_code: str) -> Issued | None:
    """The certificate that was issued for the order here, or None. Raises JournalDamaged."""
    decided = decided_certificate(home, order_code)
    if decided is None:
        return None
    number, created = decided["certificate_id"], read_time(decided["created"])
    name = number.removeprefix("urn:uuid:")
    if (home.refused / name).is_dir():
        return Issued(number, created, Standing.REFUSED, _reason(home, name))
    return Issued(number, created, Standing.ACCEPTED if (home.sent / name).is_dir() else Standing.WAITING)


def _reason(home: Home, name: str) -> str:
    try:
        said = json.loads((home.receipts / f"{name}.json").read_bytes()).get("reason")
    except (OSError, ValueError, AttributeError):
        return "its receipt cannot be read"
    return str(said or "no reason given")
