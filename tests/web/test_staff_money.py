"""The desk's money: one row for each debt, an order with everything that went back of it, and who wrote what."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from ewaste.accounts.models import WORKER
from ewaste.journey import aftersales, settlement
from ewaste.market.models import Order
from ewaste.payments import failures
from ewaste.payments.gateway import PaymentState
from ewaste.payments.models import InstructionKind, PaymentInstruction
from tests.web.bench_tools import text
from tests.web.conftest import Browser
from tests.web.test_recycler import paid
from tests.world import World


def written(world: World, kind: InstructionKind) -> list[PaymentInstruction]:
    """All instructions of a kind, the oldest first."""
    with world.transaction() as session:
        return list(
            session.scalars(
                sa.select(PaymentInstruction)
                .where(PaymentInstruction.kind == kind)
                .order_by(PaymentInstruction.written_at)
            )
        )


def trail(browser: Browser, words: str) -> list[tuple[str, str, str]]:
    """Who did what to what, by the file of the trail, narrowed to these words."""
    rows = csv.DictReader(io.StringIO(browser.get("/staff/trail.csv", query_string={"action": words}).text))
    return [(row["who"], row["action"], row["about"]) for row in rows]


def test_a_debt_is_counted_once_however_often_it_was_tried(browser: Browser, world: World) -> None:
    code = world.device(world.cleared()).code
    browser.sign_in("stefan")
    for number in range(3):
        payout = written(world, InstructionKind.PAY_OUT)[-1]
        world.provider_says(payout.id, PaymentState.FAILED, f"Refused for the {number + 1}. time.")
        world.now += timedelta(hours=1)
        if number < 2:
            assert browser.post(f"/staff/payouts/{payout.id}/again").status_code == 303
    page = text(browser.get("/staff/payments?state=trouble"))
    assert page.count("Write it anew") == 1
    assert re.search(r"Refused for the 3\. time\..*Write it anew", page)
    assert "2 failed payments before" in page
    assert "Refused for the 1. time." in page
    assert (
        '<a href="/staff/payments?state=trouble" aria-current="true">Still owed <span class="number">1</span>' in page
    )
    assert "1 payout or refund failed</a> and is still owed" in text(browser.get("/staff/ledger"))
    assert trail(browser, "written anew") == [("Stefan Vogel", "payout written anew", code)] * 2


def test_the_desk_reads_of_an_order_what_was_disputed_and_what_went_back(browser: Browser, world: World) -> None:
    lot, devices = world.listed_lot()
    device = world.device(devices[0]).code
    collection = paid(world, lot)
    with world.transaction() as session:
        settlement.hand_over(session, world.olga, collection, now=world.now)
        order = session.scalars(sa.select(Order)).one()
        opened = aftersales.open_dispute(
            session, world.actor("rita"), order.code, device, reason="not-as-graded", text="The lid is broken.",
            now=world.now,
        )  # fmt: skip
    browser.sign_in("stefan")
    assert opened.code in text(browser.get(f"/staff/orders/{order.code}"))
    asked = browser.post(
        f"/staff/disputes/{opened.code}/decide", data={"outcome": "rejected", "reason": "Not so at all."}
    )
    assert asked.status_code == 422
    assert "The centre did not answer yet; it has until" in text(asked)
    assert 'name="unheard"' in asked.text
    assert "answer by" in text(browser.get("/staff/disputes"))
    with world.transaction() as session:
        letters = session.scalars(sa.text("select text from mails where subject like 'Dispute%'")).all()
    for words in ("with its answer or without", "Answer by"):
        assert any(words in letter for letter in letters), words
    with world.transaction() as session:
        aftersales.decide_dispute(
            session, world.stefan, opened.code, outcome="partial", amount_minor=100, text="The lid is cracked.",
            practice=True, now=world.now,
        )  # fmt: skip
        refund = session.scalars(
            sa.select(PaymentInstruction).where(PaymentInstruction.kind == InstructionKind.REFUND)
        ).one()
        settlement.note_payment(session, WORKER, refund.id, PaymentState.SUCCEEDED, "re_1", "", now=world.now)
    page = text(browser.get(f"/staff/orders/{order.code}"))
    for words in (
        "Partly refunded",
        f"Refund, dispute {opened.code}",
        "Left after refunds",
        "Refund to a buyer",
        "re_1",
    ):
        assert words in page, words
    assert f'href="/disputes/{opened.code}"' in page
    for shown in (order.code, opened.code, str(refund.id), "re_1"):
        found = text(browser.get("/staff/payments", query_string={"q": shown}))
        assert "Refund to a buyer" in found, shown
    posting = re.search(r'href="(/staff/ledger/[0-9a-f-]{36})">In the ledger', found)
    assert posting
    assert f'href="/staff/payments?q={refund.id}"' in text(browser.get(posting[1]))
    assert ("Stefan Vogel", "refund written", opened.code) in trail(browser, "refund")
    assert trail(browser, lot) == [("Stefan Vogel", "lot formed", lot)]
    assert "€1.00</span> came back" in text(browser.sign_in("rita").get("/account"))


@pytest.mark.parametrize(
    ("failure", "desk", "seller"),
    [
        (failures.said("No funds.", "balance_insufficient"), "Our balance at the provider did not", "No funds."),
        ("lost_or_stolen_card", "The card was closed or reported lost.", None),
        ("The account is closed.", None, "The account is closed."),
        (failures.said("Odd.", "a_code_of_tomorrow"), None, "Odd."),
        (None, None, None),
    ],
)  # fmt: skip
def test_what_the_provider_said_is_explained(failure: str | None, desk: str | None, seller: str | None) -> None:
    told = failures.meaning(failure)
    assert (told or "").startswith(desk or "")
    assert (told is None) is (desk is None)
    assert failures.plain(failure) == seller


def test_a_refund_of_the_desk_bears_the_name_of_who_gave_it(browser: Browser, world: World) -> None:
    lot, _ = world.listed_lot()
    paid(world, lot)
    with world.transaction() as session:
        order = session.scalars(sa.select(Order.code)).one()
    browser.sign_in("sara").post(f"/staff/orders/{order}/refund", data={"reason": "The centre flooded."})
    assert [row for row in trail(browser, order) if row[1].startswith("refund")] == [
        ("Sara Winter", "refund written", order)
    ]
