"""Money out: payees (connected accounts), transfers to them, and the platform's own balance."""

from __future__ import annotations

import re

from ewaste.practice.errors import ApiError, missing, refused, wrong_parameter
from ewaste.practice.params import Params
from ewaste.practice.store import JSON, Books

LINK_SECONDS = 300
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\Z")


def create_account(books: Books, params: Params) -> JSON:
    """A payee. Ready to be paid at once, unless the address ends in `+unfinished` before the @.

    Stripe wants bank details and an identity check first; that word in the address makes the practice
    payee wait for its onboarding page in the same way.
    """
    country, email = params.text("country", most=2).upper(), params.text("email", default="", most=512)
    if not re.fullmatch(r"[A-Z]{2}", country):
        raise wrong_parameter(f"Country '{country}' is unknown.", "country", "country_unsupported")
    if email and not _EMAIL.match(email):
        raise wrong_parameter(f"Invalid email address: {email}", "email", "email_invalid")
    asked = params.inner("capabilities")
    transfers = asked.inner("transfers")
    wanted = transfers.flag("requested")
    transfers.finish()
    asked.finish()
    for unused in ("controller", "tos_acceptance", "business_profile"):
        params.inner(unused)  # accepted, and of no consequence in training
    kind = params.one_of("type", ("custom", "express", "standard", "none"), default="none")
    business = params.optional("business_type", most=40)
    metadata = params.metadata()
    params.finish()
    ready = not email.split("@")[0].endswith("+unfinished")
    account = books.add(
        "acct",
        "account",
        business_type=business,
        charges_enabled=False,
        country=country,
        default_currency="eur",
        email=email or None,
        metadata=metadata,
        transfers_requested=wanted,
        type=kind,
    )
    return _shape(books, account, ready=ready)


def retrieve_account(books: Books, params: Params, reference: str) -> JSON:
    """The payee with this id."""
    params.finish()
    if (account := books.get(reference, "account")) is None:
        raise ApiError(
            403,
            "invalid_request_error",
            f"The provided key does not have access to account '{reference}' (or that account does not exist).",
            code="account_invalid",
        )
    return account


def create_link(books: Books, params: Params) -> JSON:
    """The address of the provider's page where a payee gives bank details. Good for five minutes."""
    reference = params.text("account")
    refresh, back = params.url("refresh_url"), params.url("return_url")
    params.one_of("type", ("account_onboarding",))
    params.finish()
    if books.get(reference, "account") is None:
        raise missing("account", reference, "account", in_path=False)
    until = books.now + LINK_SECONDS
    link = books.add("link", "account_link", account=reference, expires_at=until, refresh_url=refresh, return_url=back)
    books.save(link | {"url": (url := f"{books.store.base_url}/payee/{link['id']}")})
    return {"object": "account_link", "created": books.now, "expires_at": until, "url": url}


def finish_onboarding(books: Books, reference: str) -> JSON:
    """The payee gave practice bank details: transfers become possible."""
    account = retrieve_account(books, Params({}), reference)
    if not account["details_submitted"]:
        books.event("account.updated", _shape(books, account, ready=True))
    return account


def create_transfer(books: Books, params: Params) -> JSON:
    """Moves money from the platform's balance to a payee; refused when the balance does not reach."""
    amount, currency = params.amount(), params.currency()
    destination = params.text("destination")
    source = params.optional("source_transaction")
    group = params.optional("transfer_group", most=255)
    description, metadata = params.optional("description", most=1_000), params.metadata()
    params.one_of("source_type", ("card", "bank_account", "fpx"), default="card")
    params.finish()
    account = books.get(destination, "account")
    if account is None:
        raise missing("destination", destination, "destination", in_path=False)
    if account["capabilities"].get("transfers") != "active":
        raise refused(
            "Your destination account needs to have at least one of the following capabilities enabled: transfers",
            code="insufficient_capabilities_for_transfer",
        )
    available_on = books.now
    if source is not None:
        charge = _source(books, source, amount, currency)
        available_on = max(books.now, charge["available_on"])
        group = group or charge["transfer_group"] or f"group_{charge['payment_intent']}"
    elif books.balance().get(currency, (0, 0))[0] < amount:
        raise refused(
            "You have insufficient available funds in your Stripe account. (This is practice money.)",
            code="balance_insufficient",
        )
    transfer = books.add(
        "tr",
        "transfer",
        amount=amount,
        amount_reversed=0,
        currency=currency,
        description=description,
        destination=destination,
        metadata=metadata,
        reversals={"object": "list", "data": [], "has_more": False, "url": ""},
        reversed=False,
        source_transaction=source,
        source_type="card",
        transfer_group=group,
    )
    transfer["destination_payment"] = "py_" + transfer["id"].removeprefix("tr_")
    out = books.move("", currency, -amount, transfer["id"], available_on=available_on)
    transfer["balance_transaction"] = out
    books.move(destination, currency, amount, transfer["id"], available_on=available_on)
    books.event("transfer.created", books.save(transfer))
    return transfer


def retrieve_transfer(books: Books, params: Params, reference: str) -> JSON:
    """The transfer with this id."""
    params.finish()
    return _transfer(books, reference)


def create_reversal(books: Books, params: Params, reference: str) -> JSON:
    """Takes a transfer back, all or a part of it, while the payee still has the money."""
    transfer = _transfer(books, reference)
    left = transfer["amount"] - transfer["amount_reversed"]
    wanted = params.amount() if params.has("amount") else None
    description, metadata = params.optional("description", most=1_000), params.metadata()
    params.finish()
    amount = left if wanted is None else wanted
    if amount > left or left == 0:
        raise refused(f"Reversal amount ({amount}) is greater than the amount left ({left}).", param="amount")
    currency = transfer["currency"]
    if sum(books.balance(transfer["destination"]).get(currency, (0, 0))) < amount:
        raise refused("The payee no longer has that much.", code="balance_insufficient")
    reversal = books.add(
        "trr",
        "transfer_reversal",
        amount=amount,
        currency=currency,
        description=description,
        metadata=metadata,
        transfer=reference,
    )
    reversal["balance_transaction"] = books.move("", currency, amount, reversal["id"])
    books.move(transfer["destination"], currency, -amount, reversal["id"])
    transfer["amount_reversed"] += amount
    transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
    transfer["reversals"]["data"].insert(0, books.save(reversal))
    books.event("transfer.reversed", books.save(transfer))
    return reversal


def create_topup(books: Books, params: Params) -> JSON:
    """Adds practice money to the platform's own balance, available at once."""
    amount, currency = params.amount(), params.currency()
    description, metadata = params.optional("description", most=1_000), params.metadata()
    group = params.optional("transfer_group", most=255)
    params.finish()
    topup = books.add(
        "tu",
        "topup",
        amount=amount,
        currency=currency,
        description=description,
        metadata=metadata,
        status="succeeded",
        transfer_group=group,
    )
    topup["balance_transaction"] = books.move("", currency, amount, topup["id"])
    books.event("topup.succeeded", books.save(topup))
    return topup


def retrieve_balance(books: Books, params: Params) -> JSON:
    """What the platform can use now, and what is on its way."""
    params.finish()
    balance = books.balance() or {"eur": (0, 0)}
    available = [{"amount": a, "currency": c, "source_types": {"card": a}} for c, (a, _) in balance.items()]
    pending = [{"amount": p, "currency": c, "source_types": {"card": p}} for c, (_, p) in balance.items()]
    return {"object": "balance", "available": available, "pending": pending, "livemode": False}


def _transfer(books: Books, reference: str) -> JSON:
    if (transfer := books.get(reference, "transfer")) is None:
        raise missing("transfer", reference, "transfer")
    return transfer


def _shape(books: Books, account: JSON, *, ready: bool) -> JSON:
    due = [] if ready else ["external_account"]
    account |= {
        "capabilities": {"transfers": "active" if ready else "inactive"} if account["transfers_requested"] else {},
        "details_submitted": ready,
        "payouts_enabled": ready,
        "requirements": {
            "currently_due": due,
            "eventually_due": due,
            "past_due": [],
            "disabled_reason": None if ready else "requirements.past_due",
        },
    }
    return books.save(account)


def _source(books: Books, source: str, amount: int, currency: str) -> JSON:
    charge = books.get(source, "charge")
    if charge is None:
        raise missing("charge", source, "source_transaction", in_path=False)
    spent = books.select("transfer", where={"source_transaction": source})
    left = charge["amount_captured"] - sum(t["amount"] - t["amount_reversed"] for t in spent)
    if charge["currency"] != currency or not charge["captured"] or amount > left:
        raise refused(
            f"Transfers using this transaction as a source must not exceed the source amount: {left} "
            f"{charge['currency']} is left.",
            param="amount",
        )
    return charge
