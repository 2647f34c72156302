"""Asking the marketplace how the orders stand that are kept here and not certified yet.

A station works for days without a network, so what it does not hear keeps nothing from being done: the last answer
counts until the next one, and whatever goes wrong with the question is noted and asked again at the next sync.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent import jobs, keys
from wipe_agent.errors import AgentError, BadAnswer
from wipe_agent.sync.calls import call

_MOST = 100  # in one call


def ask_standings(
    home: keys.Home, key: Ed25519PrivateKey, *, note: Callable[[str], None] = lambda text: None
) -> list[jobs.Order]:
    """Ask, keep the answer, and return the orders under which nothing may be begun now."""
    orders = [order for order in jobs.kept_orders(home)[0] if jobs.decided_certificate(home, order.code) is None]
    try:
        station, said = keys.load_station(home), []
        signer = (station.verification_method, key)
        for first in range(0, len(orders), _MOST):
            asked: dict[str, Any] = {"work_orders": [jobs.digest(order) for order in orders[first : first + _MOST]]}
            standings = call("POST", f"{station.market}/api/agent/standings", asked, signer).get("standings")
            if not isinstance(standings, list):
                raise BadAnswer("The marketplace's answer does not say how the orders stand.")
            said += standings
        jobs.keep_standings(home, orders, said)
    except (AgentError, OSError) as error:
        note(f"How the orders stand is asked again later. {error}")
    return [order for order in orders if jobs.stopped(home, order) is not None]
