"""Nothing that schemathesis thinks of is answered otherwise than the document says. Short here, and always the same."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from ewaste.certificates.models import Certificate
from ewaste.journey import sale, settlement, trade_in
from ewaste.web.api.document import OPERATIONS
from tests.api.conftest import token_for
from tests.api.fuzz import Found, run
from tests.world import GOOD_ANSWERS, LAPTOP, World

# `make fuzz` asks for more examples, and for other ones each time.
EXAMPLES = int(os.environ.get("API_FUZZ_EXAMPLES", "4"))
SEED = None if "API_FUZZ_EXAMPLES" in os.environ else 20261121
WHO = {"bid": "rita", "buy": "ben", "report": "rita", "bench": "olga", "read": "cora"}


def filled(world: World) -> dict[str, Any]:
    """A market with one of everything; its codes, and what can be done with them, by operation."""
    devices = [world.cleared(serial=f"PF{n:05d}", serials=(f"DRIVE-{n}",)) for n in range(4)]
    won = world.lot_of(devices[:1])
    world.bid("rita", won, 60)
    world.later(days=2)
    order = world.close(won)
    world.pay(order, "rita")
    with world.transaction() as session:
        settlement.hand_over(session, world.olga, order.collection_code, now=world.now)
        listing = sale.list_device(session, world.stefan, devices[1], price_minor=12_000, now=world.now).code
        quote = trade_in.quote(
            session, world.cora, model_code=LAPTOP, storage_gb=256, answers=GOOD_ANSWERS, now=world.now
        ).code
        certificate: UUID = session.scalars(sa.select(Certificate.id).limit(1)).one()
    codes = {
        "lots": {"code": world.lot_of(devices[2:3])},
        "my-lots": {"code": won},
        "orders": {"code": order.code, "device": world.device(devices[0]).code},
        "devices": {"code": world.device(devices[3]).code},
        "bench": {"code": world.device(devices[3]).code},
        "shop": {"code": listing},
        "quotes": {"code": quote},
        "certificates": {"id": str(certificate)},
        "catalogue": {"model": LAPTOP},
    }
    bodies = {
        "bid": {"maximum": {"amount": 5_000, "currency": "EUR"}},
        "buy": {"price": {"amount": 12_000, "currency": "EUR"}},
        "report_outcome": {"outcome": "dismantled", "fractions": {"residue": 100}},
        "make_quote": {"model": LAPTOP, "storage_gb": 256, "answers": GOOD_ANSWERS},
    }
    real: dict[str, Any] = {}
    for one in OPERATIONS:
        label = f"{one.method} /api/v1{one.path}"
        real |= {f"{label} {name}": code for name, code in codes.get(one.path.split("/")[1], {}).items()}
        real |= {f"{label} body": bodies[one.name]} if one.name in bodies else {}
    return real


def tokens_of(world: World) -> Mapping[str, str]:
    """For each operation that needs a token, or tells more with one, the token of somebody who may."""
    texts = {who: token_for(world, who) for who in set(WHO.values())}
    found = {}
    for one in OPERATIONS:
        scopes = one.scopes or one.seen_with
        if scopes:
            found[one.name] = texts[WHO[scopes[0].value]]
    return {**found, "my_lots": texts["rita"], "my_lot": texts["rita"]}


def report(found: Found) -> str:
    return "\n\n".join(found.wrong)


@pytest.mark.campaign
def test_nothing_is_found_without_a_token_where_one_counts(site: Flask, world: World) -> None:
    asked = [one for one in OPERATIONS if one.scopes or one.seen_with]
    found = run(site, tokens={}, real=filled(world), examples=EXAMPLES, seed=SEED, only=[one.name for one in asked])
    assert found.wrong == [], report(found)
    assert set(found.statuses) == {f"{one.method} /api/v1{one.path}" for one in asked}


@pytest.mark.campaign
def test_nothing_is_found_with_tokens_and_every_operation_is_done(site: Flask, world: World) -> None:
    found = run(site, tokens=tokens_of(world), real=filled(world), examples=EXAMPLES, seed=SEED)
    assert found.wrong == [], report(found)
    assert set(found.statuses) == {f"{one.method} /api/v1{one.path}" for one in OPERATIONS}
    missing = [label for label, statuses in found.statuses.items() if not {200, 201} & set(statuses)]
    assert missing == [], found.statuses
