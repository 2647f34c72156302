"""What waits on this station: orders without a certificate, certificates without a receipt, and what was refused.

Reads only. After days without a network this is the page that says that nothing is lost.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wipe_agent import jobs, keys
from wipe_agent.certificate import Unreadable, read


@dataclass(frozen=True)
class Waiting:
    """A certificate without a receipt: its number, its device and when it was issued (UTC; None: cannot be read)."""

    certificate_id: str
    device_code: str
    issued: datetime | None


@dataclass(frozen=True)
class Refused:
    """A certificate that the marketplace refused, with its reason."""

    certificate_id: str
    reason: str


@dataclass(frozen=True)
class Queue:
    """Where the station stands towards the marketplace.

    `stopped` are uncertified orders under which nothing may be begun, each with the reason and what to do next.
    """

    open_orders: tuple[jobs.Order, ...]
    stopped: tuple[tuple[jobs.Order, str], ...]
    certified_orders: int
    orders_in_doubt: tuple[str, ...]
    waiting: tuple[Waiting, ...]
    refused: tuple[Refused, ...]
    sent: int
    last_receipt: datetime | None

    @property
    def oldest(self) -> datetime | None:
        """When the certificate that waits longest was issued."""
        return min((one.issued for one in self.waiting if one.issued), default=None)


def look(home: keys.Home) -> Queue:
    """The queue of this station. Raises NotEnrolled or StateUnusable."""
    kept, in_doubt = jobs.kept_orders(home)
    uncertified = [order for order in kept if jobs.decided_certificate(home, order.code) is None]
    why = {order.code: jobs.stopped(home, order) for order in uncertified}
    receipts = sorted(path.stat().st_mtime for path in home.receipts.glob("*.json"))
    return Queue(
        open_orders=tuple(sorted((o for o in uncertified if not why[o.code]), key=lambda order: order.valid_until)),
        stopped=tuple((order, " ".join(said)) for order in uncertified if (said := why[order.code])),
        certified_orders=len(kept) - len(uncertified),
        orders_in_doubt=tuple(in_doubt),
        waiting=tuple(_waiting(folder) for folder in bundles(home.outbox)),
        refused=tuple(_refused(home, folder) for folder in bundles(home.refused)),
        sent=len(bundles(home.sent)),
        last_receipt=datetime.fromtimestamp(receipts[-1], UTC).replace(microsecond=0) if receipts else None,
    )


def bundles(place: Path) -> list[Path]:
    """The bundles in a folder of the station, by name; half-written ones are not there yet."""
    return sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))


def _waiting(folder: Path) -> Waiting:
    try:
        document = read((folder / "certificate.json").read_bytes(), what="certificate")
        issued = datetime.fromisoformat(document["validFrom"])
        return Waiting(document["id"], document["wipe"]["device"]["code"], issued)
    except (OSError, Unreadable, KeyError, TypeError, ValueError):
        return Waiting(folder.name, "", None)


def _refused(home: keys.Home, folder: Path) -> Refused:
    try:
        receipt = json.loads((home.receipts / f"{folder.name}.json").read_bytes())
        return Refused(str(receipt["certificate_id"]), str(receipt.get("reason") or "no reason given"))
    except (OSError, ValueError, KeyError, TypeError):
        return Refused(folder.name, "its receipt cannot be read")
