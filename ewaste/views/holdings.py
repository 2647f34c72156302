"""What we hold about a person: everything that is kept under their name, for them to read.

Secrets are told by their existence only: nobody needs a password's hash back, and whoever got hold of this file should
not be able to use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from ewaste.accounts import policy
from ewaste.accounts.firms import Application, Document, Invitation
from ewaste.accounts.models import Actor, Membership, Organisation, Person
from ewaste.accounts.passkeys import Passkey
from ewaste.accounts.policy import Action
from ewaste.accounts.second_factor import Authenticator, RecoveryCode
from ewaste.accounts.sessions import SignIn
from ewaste.core import clock
from ewaste.core.mail import Mail
from ewaste.core.refusals import RefusalNote
from ewaste.devices.models import Device
from ewaste.market.models import Bid, Lot, Order
from ewaste.payments.models import Payee, PaymentInstruction
from ewaste.tradein.models import Offer, Quote, ReturnAddress

MOST_ROWS = 10_000


def of_person(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """Everything, as plain values: texts, whole numbers, times in UTC, amounts in minor units with their currency."""
    policy.require(actor, Action.CHANGE_ACCOUNT, owner=actor.id)
    me = actor.id
    address = session.scalar(sa.select(Person.email).where(Person.id == me)) or ""
    held: dict[str, Any] = {
        "made_at": clock.text(now),
        "account": _rows(
            session,
            [Person.id, Person.name, Person.email, Person.email_confirmed_at, Person.created_at],
            Person.id == me,
        ),
        "firms": _rows(
            session,
            [Organisation.name, Organisation.kind, Membership.role, Membership.rank, Membership.created_at,
             Membership.ended_at],
            sa.and_(Membership.person_id == me, Organisation.id == Membership.organisation_id),
        ),
        "invitations": _rows(
            session,
            [Organisation.name, Invitation.rank, Invitation.made_at, Invitation.expires_at, Invitation.accepted_at],
            sa.and_(Invitation.email == address, Organisation.id == Invitation.organisation_id),
        ),
        "applications": _rows(
            session,
            [Application.registration_number, Application.related_firms, Application.licences, Application.applied_at,
             Application.decided_at, Application.outcome, Application.reason],
            Application.applied_by == me,
        ),
        "documents": _rows(
            session, [Document.name, Document.media_type, Document.size_bytes, Document.sha256, Document.added_at],
            Document.added_by == me,
        ),
        "sessions": _rows(
            session, [SignIn.created_at, SignIn.seen_at, SignIn.ended_at, SignIn.agent], SignIn.person_id == me
        ),
        "authenticator_app": _rows(session, [Authenticator.made_at], Authenticator.person_id == me),
        "recovery_codes": _rows(session, [RecoveryCode.made_at, RecoveryCode.used_at], RecoveryCode.person_id == me),
        "passkeys": _rows(session, [Passkey.name, Passkey.made_at, Passkey.used_at], Passkey.person_id == me),
    }  # fmt: skip
    return held | _trade(session, me) | _letters(session, me, address)


def _trade(session: Session, me: UUID | None) -> dict[str, Any]:
    return {
        "quotes": _rows(
            session,
            [Quote.code, Quote.brand, Quote.model, Quote.inputs, Quote.amount_minor, Quote.currency, Quote.created_at,
             Quote.accepted_at],
            Quote.person_id == me,
        ),
        "devices_sold": _rows(
            session,
            [Device.code, Device.brand, Device.model, Device.claimed_serial, Device.observed, Device.state,
             Device.created_at],
            Device.seller_id == me,
        ),
        "return_addresses": _rows(
            session,
            [Device.code, ReturnAddress.street, ReturnAddress.postcode, ReturnAddress.city, ReturnAddress.country,
             ReturnAddress.given_at],
            sa.and_(Device.seller_id == me, ReturnAddress.device_id == Device.id),
        ),
        "offers": _rows(
            session,
            [Device.code, Offer.amount_minor, Offer.currency, Offer.state, Offer.answered_at],
            sa.and_(Device.seller_id == me, Offer.device_id == Device.id),
        ),
        "purchases": _rows(
            session,
            [Order.code, Order.amount_minor, Order.currency, Order.state, Order.made_at, Order.paid_at],
            Order.person_id == me,
        ),
        "bids": _rows(
            session,
            [Lot.code, Bid.max_minor, Bid.at],
            sa.and_(Bid.person_id == me, Lot.id == Bid.lot_id),
        ),
        "payments": _rows(
            session,
            [PaymentInstruction.kind, PaymentInstruction.amount_minor, PaymentInstruction.currency,
             PaymentInstruction.state, PaymentInstruction.description, PaymentInstruction.written_at],
            PaymentInstruction.party_id == me,
        ),
        "payment_provider_account": _rows(session, [Payee.reference, Payee.opened_at], Payee.party_id == me),
    }  # fmt: skip


def _letters(session: Session, me: UUID | None, address: str) -> dict[str, Any]:
    return {
        "messages": _rows(
            session, [Mail.to_address, Mail.subject, Mail.state, Mail.written_at, Mail.sent_at],
            Mail.to_address == address,
        ),
        "refusals": _rows(
            session, [RefusalNote.at, RefusalNote.kind, RefusalNote.action, RefusalNote.message],
            RefusalNote.actor_id == me,
        ),
    }  # fmt: skip


def _rows(
    session: Session, columns: Sequence[InstrumentedAttribute[Any]], which: sa.ColumnElement[bool]
) -> list[dict[str, Any]]:
    rows = session.execute(sa.select(*columns).where(which).limit(MOST_ROWS))
    return [{column.key: _plain(value) for column, value in zip(columns, row, strict=True)} for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return clock.text(value)
    if isinstance(value, UUID):
        return str(value)
    return getattr(value, "value", value)
