"""What the payment provider tells us. The signature is checked over the raw body; the event is kept with its unique id
and handed to the worker in the same transaction; the worker reads the object again before anything follows from it.
"""

from __future__ import annotations

import flask
from flask import Blueprint, request

from ewaste.core import jobs
from ewaste.core.refusals import Invalid
from ewaste.journey import settlement
from ewaste.payments.gateway import BadEvent
from ewaste.web.edge import now, runtime, transaction

pages = Blueprint("webhooks", __name__)


@pages.post("/webhooks/stripe")
def stripe() -> flask.Response:
    """Take an event. 400 for one that is not signed for us or too old; 200 for one that came before."""
    try:
        event = runtime().gateway.event(request.get_data(), request.headers.get("Stripe-Signature", ""))
    except BadEvent as error:
        raise Invalid(f"This event was not taken: {error.message}", field="Stripe-Signature") from error
    if event.practice is not runtime().config.training:
        raise Invalid("Practice money and real money do not meet: this event is of the other kind.", field="livemode")
    with transaction() as session:
        fresh = settlement.keep_event(
            session,
            event_id=event.id,
            kind=event.kind,
            object_reference=event.object_reference,
            instruction_id=event.instruction_id,
            now=now(),
        )
        if fresh and event.instruction_id is not None:
            jobs.defer(session, jobs.APPLY_GATEWAY_EVENT, event=event.id)
    return flask.make_response({"received": event.id, "new": fresh})
