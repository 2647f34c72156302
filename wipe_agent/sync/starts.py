"""Telling the marketplace which work orders were begun, so that the log says so with a time that we cannot choose.

The agent wipes without a network and without its passphrase, so it tells at the next sync. A wipe that was begun cannot
be denied then, and one that is certified under this order cannot be dated before the order was there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent import durable, jobs, keys
from wipe_agent.certificate import digest_multibase
from wipe_agent.errors import AgentError
from wipe_agent.sync.calls import call

MOST_AT_ONCE = 100
_FILE = "starts-told.json"


@dataclass(frozen=True)
class Started:
    """How many beginnings were told this time, and a sentence if something is to be said."""

    told: int = 0
    said: str = ""


def tell_starts(home: keys.Home, key: Ed25519PrivateKey) -> Started:
    """Tell the marketplace which orders were begun and were not told of yet. Trouble is an answer and no error."""
    told = 0
    try:
        station = keys.load_station(home)
        if not keys.load_trust(home).logs:
            return Started()
        begun = [digest_multibase(order.document) for order in jobs.kept_orders(home)[0] if _is_begun(home, order)]
        known = _known(home)
        new = [digest for digest in begun if digest not in known]
        for first in range(0, len(new), MOST_AT_ONCE):
            part = new[first : first + MOST_AT_ONCE]
            address = f"{station.market}/api/agent/starts"
            call("POST", address, {"work_orders": part}, (station.verification_method, key))
            told += len(part)
            # Only orders that are still here are kept in mind: telling one twice does no harm.
            kept = sorted({*known, *new[:told]} & set(begun))
            durable.write_file(home.path / _FILE, json.dumps(kept).encode())
    except AgentError as error:
        return Started(told, f"The log was not told of begun wipes this time. {error.message}")
    except (OSError, ValueError) as error:
        return Started(told, f"The log was not told of begun wipes this time. {error}")
    return Started(told, f"Told the log of {told} begun work order{'' if told == 1 else 's'}." if told else "")


def _is_begun(home: keys.Home, order: jobs.Order) -> bool:
    paths = (jobs.journal_path(home, order.code, medium.id) for medium in order.media)
    return any(path.exists() and path.stat().st_size for path in paths)


def _known(home: keys.Home) -> set[str]:
    try:
        return {str(digest) for digest in json.loads((home.path / _FILE).read_bytes())}
    except (OSError, ValueError, TypeError):
        return set()
