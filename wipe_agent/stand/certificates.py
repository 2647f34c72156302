"""The certificates of the orders whose media all have their end."""

from __future__ import annotations

from collections.abc import Collection

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent import jobs, keys
from wipe_agent.errors import NotComplete
from wipe_agent.stand.board import Row, State


def certify_ready(home: keys.Home, rows: Collection[Row], key: Ed25519PrivateKey) -> list[str]:
    """Issue what can be issued for orders with a drive that was wiped here. Returns a sentence for each order.

    The rows of what was issued say so afterwards.

    An order with a medium that has no end yet gets no certificate, and its sentence says which medium. Raises what
    `jobs.certify` raises otherwise.
    """
    sentences = []
    for code in sorted({row.job.order for row in rows if row.job is not None and row.state is State.WIPED}):
        try:
            done = jobs.certify(home, order_code=code, open_key=lambda: key)
        except NotComplete as error:
            sentences.append(f"Order {code} has no certificate yet. {error.message}")
            continue
        for row in rows:
            if row.state is State.WIPED and row.job is not None and row.job.order == code:
                row.state, row.advice = State.CERTIFIED, "wipe-agent sync"
        practice = "Training certificate" if done.training else "Certificate"
        sentences.append(f"{practice} of order {code}: {done.certificate_id}.")
    return sentences
