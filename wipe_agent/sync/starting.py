"""Telling the marketplace that a wipe began, so that its log says so before there is a certificate.

Which wipes began stands in the journals; what was told is noted beside them. A wipe that was certified before it could
be told is not told any more: a leaf behind the certificate bounds nothing. Nothing here may keep certificates from
being sent, so whatever goes wrong is noted and tried again at the next sync.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent import durable, jobs, keys
from wipe_agent.errors import AgentError, MarketUnreachable
from wipe_agent.sync.calls import call


def tell_starts(
    home: keys.Home, key: Ed25519PrivateKey, *, note: Callable[[str], None] = lambda text: None
) -> list[str]:
    """Tell of each order whose wipe began and was not told yet. Returns the codes of those that were taken."""
    told = []
    for order in waiting(home):
        try:
            station = keys.load_station(home)
            address = f"{station.market}/api/agent/starts"
            call("POST", address, {"work_orders": [jobs.digest(order)]}, (station.verification_method, key))
            durable.write_file(_mark(home, order), b"")
            told.append(order.code)
        except MarketUnreachable as error:
            note(f"Starts of wipes are told later. {error.message}")
            break
        except (AgentError, OSError) as error:
            note(f"The start of {order.code} was not told. {error}")
    return told


def waiting(home: keys.Home) -> list[jobs.Order]:
    """The orders whose wipe began, that are not certified yet, and whose beginning was not told."""
    kept, _ = jobs.kept_orders(home)
    return [
        order
        for order in kept
        if any(jobs.journal_path(home, order.code, medium.id).exists() for medium in order.media)
        and not _mark(home, order).exists()
        and jobs.decided_certificate(home, order.code) is None
    ]


def _mark(home: keys.Home, order: jobs.Order) -> Path:
    return home.journals / order.code / "start-told"
