"""Hosted checkout: the buyer pays on the provider's own page, so card data never touches the marketplace."""

from __future__ import annotations

from ewaste.practice import payments
from ewaste.practice.errors import ApiError, missing, refused, wrong_parameter
from ewaste.practice.params import LARGEST_AMOUNT, Params
from ewaste.practice.store import JSON, Books

OPEN_SECONDS = 86_400  # Stripe's longest, and its default
_SHORTEST_SECONDS = 1_800


def create_session(books: Books, params: Params) -> JSON:
    """A page on which to pay once. It stays open for a day unless `expires_at` says less."""
    params.one_of("mode", ("payment",))
    lines = [_line(item) for item in params.items("line_items", most=100)]
    success_url, cancel_url = params.url("success_url"), params.url("cancel_url") if params.has("cancel_url") else None
    earliest, latest = books.now + _SHORTEST_SECONDS - 60, books.now + OPEN_SECONDS + 60
    expires_at = params.integer("expires_at", low=earliest, high=latest, default=books.now + OPEN_SECONDS)
    types = params.payment_methods()
    intent = params.inner("payment_intent_data")
    carried = {
        "capture_method": intent.one_of(
            "capture_method", ("automatic", "automatic_async", "manual"), default="automatic"
        ),
        "description": intent.optional("description", most=1_000),
        "metadata": intent.metadata(),
        "receipt_email": intent.optional("receipt_email", most=512),
        "transfer_group": intent.optional("transfer_group", most=255),
    }
    intent.finish()
    fields = {
        "client_reference_id": params.optional("client_reference_id", most=200),
        "customer_email": params.optional("customer_email", most=512),
        "metadata": params.metadata(),
    }
    params.one_of("submit_type", ("auto", "pay"), default="auto")
    params.finish()
    if not lines or len({line["currency"] for line in lines}) != 1:
        raise wrong_parameter("You must give line items of one currency.", "line_items", "parameter_missing")
    total = sum(line["amount_total"] for line in lines)
    if not payments.SMALLEST_CHARGE <= total <= LARGEST_AMOUNT:
        code = "amount_too_small" if total < payments.SMALLEST_CHARGE else "amount_too_large"
        raise wrong_parameter("The Checkout Session's total amount is out of bounds.", "line_items", code)
    session = books.add(
        "cs_test",
        "checkout.session",
        amount_subtotal=total,
        amount_total=total,
        cancel_url=cancel_url,
        currency=lines[0]["currency"],
        expires_at=expires_at,
        line_items={"object": "list", "data": lines, "has_more": False, "url": ""},
        mode="payment",
        payment_intent=None,
        payment_intent_data=carried,
        payment_method_types=types,
        payment_status="unpaid",
        status="open",
        success_url=success_url,
        **fields,
    )
    session["url"] = f"{books.store.base_url}/pay/{session['id']}"
    return shown(books.save(session))


def retrieve_session(books: Books, params: Params, reference: str) -> JSON:
    """The session with this id."""
    params.finish()
    return shown(find(books, reference))


def expire_session(books: Books, params: Params, reference: str) -> JSON:
    """Closes an open session: nobody can pay on it any more."""
    session = find(books, reference)
    params.finish()
    if session["status"] != "open":
        raise refused(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a '
            f"status of {session['status']}."
        )
    return shown(_expire(books, session))


def find(books: Books, reference: str) -> JSON:
    """The session as the books hold it. One whose time is over is expired on the way."""
    session = books.get(reference, "checkout.session")
    if session is None:
        raise missing("checkout.session", reference, "session")
    if session["status"] == "open" and session["expires_at"] <= books.now:
        _expire(books, session)
    return session


def pay(books: Books, reference: str, method: str) -> tuple[JSON, str | None]:
    """The buyer pressed a button. Returns the session, and the reason in words when the card was declined.

    A session is paid once: pressing again changes nothing. After a decline it stays open for another try.
    """
    session = find(books, reference)
    if session["status"] != "open":
        return session, None
    intent = books.get(session["payment_intent"] or "", "payment_intent")
    if intent is None:
        types = session["payment_method_types"]
        carried = session["payment_intent_data"]
        intent = payments.new_intent(
            books, session["amount_total"], session["currency"], payment_method_types=types, **carried
        )
        session["payment_intent"] = intent["id"]
    intent["payment_method"] = method
    try:
        payments.attempt(books, intent)
    except ApiError as problem:
        books.save(session)
        return session, str(problem)
    held = intent["status"] == "requires_capture"
    session |= {"status": "complete", "payment_status": "unpaid" if held else "paid"}
    books.event("checkout.session.completed", shown(books.save(session)))
    return session, None


def lapse_sessions(books: Books) -> None:
    """Expires the sessions whose time is over."""
    for session in books.select("checkout.session", where={"status": "open"}):
        if session["expires_at"] <= books.now:
            _expire(books, session)


def shown(session: JSON) -> JSON:
    """The session as callers see it: no private fields, and no address once it is closed."""
    public = {k: v for k, v in session.items() if k not in ("payment_intent_data", "line_items")}
    return public | {"url": session["url"] if session["status"] == "open" else None}


def _expire(books: Books, session: JSON) -> JSON:
    session["status"] = "expired"
    intent = books.get(session["payment_intent"] or "", "payment_intent")
    if intent is not None and intent["status"].startswith("requires_"):
        payments.cancel_intent(books, Params({}), intent["id"])
    books.event("checkout.session.expired", shown(books.save(session)))
    return session


def _line(item: Params | str) -> JSON:
    if isinstance(item, str):
        raise wrong_parameter("Invalid object: line_items", "line_items")
    quantity = item.integer("quantity", low=1, high=1_000_000)
    price = item.inner("price_data")
    currency, unit = price.currency(), price.amount("unit_amount", low=0)
    product = price.inner("product_data")
    name, about = product.text("name", most=250), product.optional("description", most=1_000)
    for part in (product, price, item):
        part.finish()
    return {
        "object": "item",
        "amount_total": unit * quantity,
        "currency": currency,
        "description": name,
        "quantity": quantity,
        "about": about,
    }
