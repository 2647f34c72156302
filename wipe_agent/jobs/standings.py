"""How the marketplace says that kept orders stand: since one was fetched its device may be held, or a medium found.

An order is signed once and says nothing of later days, so the station keeps the last answer beside the orders. The
answer is not signed: it can stop work, and it can begin none.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from wipe_agent import durable, keys
from wipe_agent.certificate import digest_multibase
from wipe_agent.errors import BadAnswer, OrderRefused, StateUnusable
from wipe_agent.jobs.orders import Order

_OPEN = "open"
_NEXT = {
    "used": "There is nothing left to do under it.",
    "replaced": "Fetch the new one: wipe-agent orders.",
    "held": "When the hold is lifted, run wipe-agent orders.",
    "outdated": "Have it replaced on the device's page of the marketplace, then run wipe-agent orders.",
}
_ELSE = "Ask for a new work order, then run wipe-agent orders."
_LONGEST = {"work_order": 100, "standing": 40, "text": 300}


def require_open(home: keys.Home, order: Order, now: datetime) -> None:
    """Raises OrderRefused if work under this order may not begin at `now`, by the order or by the marketplace."""
    order.require_open(now)
    said = stopped(home, order)
    if said is not None:
        raise OrderRefused(f"Order {order.code}: {said[0]}", next_step=said[1])


def stopped(home: keys.Home, order: Order) -> tuple[str, str] | None:
    """Why nothing is begun under this order, and what to do next; None while nothing is known against it.

    Raises StateUnusable.
    """
    try:
        said = json.loads(home.standings_file.read_bytes()).get(digest(order))
        if said is None or said["standing"] == _OPEN:
            return None
        return str(said["text"]), _NEXT.get(said["standing"], _ELSE)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise StateUnusable(
            f"{home.standings_file} cannot be read.", next_step="Delete that file, then run wipe-agent orders."
        ) from error


def keep_standings(home: keys.Home, asked: Collection[Order], standings: Any) -> None:
    """Keep what the marketplace said of these orders, in place of what it said before. Raises BadAnswer."""
    if not isinstance(standings, list) or not all(_is_standing(one) for one in standings):
        raise BadAnswer("The marketplace's answer does not say how the orders stand.")
    ours = {digest(order) for order in asked}
    said = {
        one["work_order"]: {"standing": one["standing"], "text": one["text"]}
        for one in standings
        if one["work_order"] in ours
    }
    durable.write_file(home.standings_file, json.dumps(said, ensure_ascii=False, indent=1).encode())


def digest(order: Order) -> str:
    """By what the marketplace knows an order."""
    return digest_multibase(order.document)


def _is_standing(one: Any) -> bool:
    """What is shown on a terminal later: short, and in one line."""
    return isinstance(one, dict) and all(
        isinstance(one.get(name), str) and 1 <= len(one[name]) <= longest and one[name].isprintable()
        for name, longest in _LONGEST.items()
    )
