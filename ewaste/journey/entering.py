"""Beside the legs: how people and firms enter, prove who they are, and leave.

An account is open at once; what binds its owner waits until the address is confirmed. A firm applies with its papers
and waits for staff. What changes how somebody signs in is told to them by mail.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import firms, letters, mailed, passkeys, people, policy, postal, second_factor, sessions
from ewaste.accounts.firms import Application, Document, Invitation, Outcome, Paper, Wish
from ewaste.accounts.mailed import Purpose
from ewaste.accounts.models import (
    Actor,
    Membership,
    Organisation,
    OrganisationKind,
    OrganisationState,
    Person,
    Rank,
    Role,
)
from ewaste.accounts.policy import Action
from ewaste.centres.credentials import Issuers
from ewaste.centres.models import Centre, Standing
from ewaste.core import ids
from ewaste.core.refusals import Conflict, Invalid, NotAllowed
from ewaste.devices.lifecycle import State
from ewaste.devices.models import Device, Title
from ewaste.market.bidders import LICENCES, licence_words
from ewaste.market.models import Order, OrderState
from ewaste.payments.ledger import Account
from ewaste.payments.models import Entry
from ewaste.tradein import returning

# Whose licence somebody needs who takes devices apart or sells them on.
NEEDS_LICENCE = frozenset({OrganisationKind.RECYCLER})
PLATFORM = "Clearhand"

# ---- people ----


def sign_up(session: Session, *, email: str, name: str, password: str, now: datetime) -> Person:
    """Somebody opens an account; a link to confirm the address goes out."""
    person = people.open_account(session, email=email, name=name, password=password, now=now)
    _send_confirmation(session, person, now)
    return person


def resend_confirmation(session: Session, actor: Actor, *, now: datetime) -> Person:
    """A new link; the one before is worth nothing any more."""
    person = _self(session, actor)
    if person.email_confirmed_at is not None:
        raise Conflict("Your address is confirmed already.")
    _send_confirmation(session, person, now)
    return person


def confirm_address(session: Session, token: str, *, now: datetime) -> Person:
    """Whoever has the link owns the address: of a new account, or the new one of an old account."""
    found, person = mailed.use(session, (Purpose.CONFIRM, Purpose.CHANGE), token, now=now)
    if found.purpose is Purpose.CONFIRM:
        if found.email != person.email:
            raise Conflict("This account has another address by now.")
        person.email_confirmed_at = person.email_confirmed_at or now
        session.flush()
        return person
    old = person.email
    people.change_address(session, person, found.email, now=now)
    letters.address_changed(session, person, old, found.id, now=now)
    mailed.end(session, Purpose.RESET, person.id, now=now)  # A link in the old mailbox opens nothing any more.
    return person


def ask_for_reset(session: Session, email: str, *, now: datetime) -> None:
    """Somebody forgot the password. Whether there is an account is told to its address only."""
    person = people.by_address(session, email)
    if person is None or person.closed_at is not None:
        return
    token, row = mailed.make(session, Purpose.RESET, person, email=person.email, now=now)
    letters.reset(session, person, token, row, now=now)


def reset_password(session: Session, token: str, password: str, *, now: datetime) -> Person:
    """A new password for whoever has the link. Every session ends; the second factor stays."""
    found, person = mailed.use(session, (Purpose.RESET,), token, now=now)
    people.set_password(session, person, password)
    if found.email == person.email:  # The link came to this address, so it is theirs.
        person.email_confirmed_at = person.email_confirmed_at or now
    sessions.end_all(session, person.id, now=now)
    letters.password_changed(session, person, now=now)
    return person


def change_password(session: Session, actor: Actor, *, old: str, new: str, session_id: UUID, now: datetime) -> str:
    """A new password, by who knows the old one. Other sessions end; returns this session's new token."""
    person = _self(session, actor)
    try:
        people.check_password(person, old)
    except Invalid as refusal:
        raise Invalid(refusal.message, field="old_password") from refusal
    people.set_password(session, person, new)
    sessions.end_all(session, person.id, now=now, but=session_id)
    mailed.end(session, Purpose.RESET, person.id, now=now)
    letters.password_changed(session, person, now=now)
    return sessions.rotate(session, session_id, now=now, password=True)


def show_password(session: Session, actor: Actor, password: str, *, session_id: UUID, now: datetime) -> str:
    """The password again, before something that matters. Returns this session's new token."""
    person = _self(session, actor)
    people.check_password(person, password)
    return sessions.rotate(session, session_id, now=now, password=True)


def ask_for_new_address(session: Session, actor: Actor, email: str, *, now: datetime) -> None:
    """The account will have another address once that one is shown to be theirs; the old one is told."""
    person = _self(session, actor)
    address = people.address_of(email)
    if address == person.email:
        raise Invalid("This is your address already.", field="email")
    # Whether the new address has an account is told only when its owner opens the link.
    token, row = mailed.make(session, Purpose.CHANGE, person, email=address, now=now)
    letters.change_address(session, person, address, token, row, now=now)


def change_name(session: Session, actor: Actor, name: str) -> None:
    """How we call this person."""
    person = _self(session, actor)
    person.name = people.name_of(name)
    session.flush()


def enrol_app(
    session: Session, actor: Actor, *, secret: str, code: str, key: str, session_id: UUID, now: datetime
) -> tuple[str, list[str]]:
    """Set up an authenticator app. Returns the session's new token, and recovery codes when there were none."""
    person = _self(session, actor)
    second_factor.enrol(session, person.id, secret, code, key=key, now=now)
    letters.second_factor_changed(session, person, "An authenticator app was added to your account.", now=now)
    left = second_factor.recovery_codes_left(session, person.id)
    codes = [] if left else second_factor.new_recovery_codes(session, person.id, now=now)
    # Whoever is signed in elsewhere by the password alone must show the second factor there, too.
    return sessions.rotate(session, session_id, now=now, second_factor=True), codes


def add_passkey(
    session: Session,
    actor: Actor,
    answer: str,
    *,
    party: passkeys.Party,
    challenge: bytes,
    name: str,
    session_id: UUID,
    now: datetime,
) -> str:
    """Keep the passkey that the browser made. Returns the session's new token."""
    person = _self(session, actor)
    passkeys.register(session, party, person.id, answer, challenge=challenge, name=name, now=now)
    letters.second_factor_changed(session, person, "A passkey was added to your account.", now=now)
    return sessions.rotate(session, session_id, now=now, second_factor=True)


def remove_app(session: Session, actor: Actor, *, required: bool, now: datetime) -> None:
    """No authenticator app any more. Who must have a second factor keeps the last one."""
    person = _self(session, actor)
    if not second_factor.has_app(session, person.id):
        raise Conflict("There is no authenticator app in your account.")
    second_factor.remove(session, person.id)
    _second_factor_removed(session, person, "The authenticator app was removed from your account.", required, now)


def remove_passkey(session: Session, actor: Actor, passkey_id: UUID, *, required: bool, now: datetime) -> None:
    """One passkey less."""
    person = _self(session, actor)
    passkeys.remove(session, person.id, passkey_id)
    _second_factor_removed(session, person, "A passkey was removed from your account.", required, now)


def new_recovery_codes(session: Session, actor: Actor, *, now: datetime) -> list[str]:
    """Ten fresh ones; those before count no more."""
    person = _self(session, actor)
    if not _has_second_factor(session, person.id):
        raise Conflict("Set up an authenticator app or a passkey first; recovery codes stand in for these.")
    letters.second_factor_changed(session, person, "New recovery codes were made for your account.", now=now)
    return second_factor.new_recovery_codes(session, person.id, now=now)


def close_account(session: Session, actor: Actor, *, now: datetime) -> None:
    """Somebody leaves: name and address are blanked, the history stays. Refused while something is open."""
    person = _self(session, actor)
    for open_thing, say in _open_things(person.id):
        if session.scalar(sa.select(open_thing)):
            raise Conflict(f"Your account cannot be closed yet: {say}")
    for membership in session.scalars(
        sa.select(Membership).where(Membership.person_id == person.id, Membership.ended_at.is_(None))
    ).all():
        firms.remove(session, membership.organisation_id, person.id, now=now)
    returning.forget(session, person.id)
    address = person.email
    second_factor.remove(session, person.id)
    second_factor.forget_recovery_codes(session, person.id)
    for passkey in passkeys.passkeys_of(session, person.id):
        passkeys.remove(session, person.id, passkey.id)
    for purpose in Purpose:
        mailed.end(session, purpose, person.id, now=now)
    letters.closed(session, person, address, now=now)
    people.close(session, person, now=now)
    sessions.end_all(session, person.id, now=now)


# ---- firms ----


def wish(
    *,
    kind: str,
    name: str,
    country: str,
    city: str,
    registration_number: str,
    group_name: str,
    related_firms: str,
    licences: Sequence[str],
    street: str = "",
    postcode: str = "",
    opening_hours: str = "",
) -> Wish:
    """What a firm says of itself, checked. Raises `Invalid` naming the field. Knows no database.

    A centre also says where parcels reach it, and when it is open.
    """
    if kind not in firms.APPLICANTS:
        raise Invalid("Choose what your organisation is.", field="kind")
    if country not in firms.COUNTRIES:
        raise Invalid("Choose the country from the list.", field="country")
    wanted = sorted(set(licences))
    if set(wanted) - set(LICENCES) or (kind in NEEDS_LICENCE and not wanted):
        raise Invalid(f"Choose at least one of: {', '.join(LICENCES)}.", field="licences")
    if len(related_firms) > 1000:
        raise Invalid("Say it in at most 1,000 characters.", field="related_firms")
    reached = _reached(street, postcode, city, country, opening_hours) if kind == OrganisationKind.CENTRE else None
    return Wish(
        kind=OrganisationKind(kind),
        name=firms.require_something(
            name, "organisation", "Tell us the organisation's name, in at most 120 characters."
        ),
        country=country,
        city=firms.require_something(city, "city", "Tell us the city, in at most 80 characters.", 80),
        registration_number=firms.require_something(
            registration_number, "registration_number", "Tell us the number, in at most 60 characters.", 60
        ),
        group_name=_line(group_name, "group_name", 120),
        related_firms=related_firms.strip(),
        licences=wanted if kind in NEEDS_LICENCE else [],
        street=reached[0].street if reached else None,
        postcode=reached[0].postcode if reached else None,
        opening_hours=reached[1] if reached else None,
    )


def apply(
    session: Session,
    actor: Actor,
    wanted: Wish,
    *,
    papers: Sequence[Paper],
    issuers: Issuers,
    session_id: UUID | None = None,
    now: datetime,
) -> Application:
    """A firm asks to take part. A centre also gets its standing, `applied`, so that staff can accredit it.

    A session in which the person acted for nobody acts for the firm from now on.
    """
    policy.require(actor, Action.APPLY)
    person = session.get_one(Person, actor.id)
    application = firms.apply(session, person, wanted, now=now)
    firm = session.get_one(Organisation, application.organisation_id)
    for paper in papers:
        firms.add_document(session, firm.id, person.id, paper, now=now)
    if firm.kind is OrganisationKind.CENTRE and session.get(Centre, firm.id) is None:
        _open_centre(session, firm, issuers)
    if session_id is not None and actor.organisation_id is None:
        sessions.act_for(session, session_id, firm.id)
    letters.applied(session, person, firm, application.id, now=now)
    letters.to_review(session, _staff(session), firm, application.id, now=now)
    return application


def add_documents(
    session: Session, actor: Actor, organisation_id: UUID, papers: Sequence[Paper], *, now: datetime
) -> list[Document]:
    """More papers, by one of the firm's own people."""
    policy.require(actor, Action.APPLY)
    firms.membership(session, organisation_id, actor.id)
    if actor.id is None or not papers:
        raise Invalid("Choose a file first.", field="documents")
    return [firms.add_document(session, organisation_id, actor.id, paper, now=now) for paper in papers]


def decide(
    session: Session,
    actor: Actor,
    application_id: UUID,
    *,
    outcome: str,
    reason: str,
    licences: Sequence[str],
    now: datetime,
) -> Organisation:
    """Staff looked at the papers: the firm takes part, or reads why it does not."""
    policy.require(actor, Action.REVIEW_APPLICATION)
    if outcome not in set(Outcome):
        raise Invalid("Choose whether the firm is verified or declined.", field="outcome")
    because = _line(reason, "reason", 1000)
    if outcome == Outcome.DECLINED and not because:
        raise Invalid("Say why. The firm reads it.", field="reason")
    application, firm = firms.decide(
        session, application_id, by=actor.id, outcome=Outcome(outcome), reason=because, now=now
    )
    if outcome == Outcome.VERIFIED and firm.kind is OrganisationKind.RECYCLER:
        if not licences or set(licences) - set(LICENCES):
            raise Invalid("Tick the licences whose papers you saw, at least one.", field="licences")
        firm.licences = sorted(set(licences))
        session.flush()
    next_step = _next_step(firm, because)
    for owner in firms.owners(session, firm.id):
        letters.decided(session, owner, firm, application.id, next_step=next_step, now=now)
    return firm


def document(session: Session, actor: Actor, document_id: UUID) -> Document:
    """A paper, for staff, the auditor and its own firm."""
    found = session.get(Document, document_id)
    policy.require(actor, Action.SEE_DOCUMENT, organisation=found.organisation_id if found else None)
    if found is None:
        raise NotAllowed("There is no such document.")
    return found


def invite(session: Session, actor: Actor, *, email: str, name: str, rank: str, now: datetime) -> Invitation:
    """An owner asks somebody to act for the firm."""
    firm = _own_firm(session, actor)
    token, made = firms.invite(
        session,
        firm,
        email=people.address_of(email),
        name=people.name_of(name),
        rank=_rank(rank),
        by=actor.id,
        now=now,
    )
    letters.invited(session, made, firm, actor.name, token, now=now)
    return made


def change_address(
    session: Session, actor: Actor, *, street: str, postcode: str, city: str, country: str, opening_hours: str
) -> Organisation:
    """An owner says where parcels reach the firm, and when it is open."""
    firm = _own_firm(session, actor)
    where, hours = _reached(street, postcode, city, country, opening_hours)
    firm.street, firm.postcode, firm.city, firm.country = where.street, where.postcode, where.city, where.country
    firm.opening_hours = hours
    session.flush()
    return firm


def withdraw_invitation(session: Session, actor: Actor, invitation_id: UUID, *, now: datetime) -> Invitation:
    """An owner takes an invitation back."""
    firm = _own_firm(session, actor)
    return firms.withdraw(session, firm.id, invitation_id, now=now)


def set_rank(session: Session, actor: Actor, person_id: UUID, rank: str) -> None:
    """An owner makes somebody an owner, or a member again."""
    firm = _own_firm(session, actor)
    firms.set_rank(session, firm.id, person_id, _rank(rank))


def remove_person(session: Session, actor: Actor, person_id: UUID, *, now: datetime) -> Person:
    """An owner ends somebody's place in the firm; their sessions for it end with it."""
    firm = _own_firm(session, actor)
    person = session.get(Person, person_id)
    firms.remove(session, firm.id, person_id, now=now)
    person = session.get_one(Person, person_id)
    letters.left(session, person, firm, now=now)
    return person


def join(session: Session, actor: Actor, token: str, *, session_id: UUID, now: datetime) -> Organisation:
    """Somebody takes an invitation, and acts for the firm from now on."""
    person = _self(session, actor)
    firm = firms.accept(session, token, person, now=now)
    sessions.act_for(session, session_id, firm.id)
    return firm


def join_newly(session: Session, token: str, *, name: str, password: str, now: datetime) -> tuple[Person, Organisation]:
    """Somebody without an account takes an invitation. The link came to their address, so it is confirmed."""
    invitation, _firm = firms.invitation(session, token, now=now)
    if people.by_address(session, invitation.email) is not None:
        raise Conflict("There is an account with this address already. Sign in, then open the link again.")
    person = people.open_account(session, email=invitation.email, name=name, password=password, now=now, confirmed=True)
    return person, firms.accept(session, token, person, now=now)


def act_for(session: Session, actor: Actor, organisation_id: UUID | None, *, session_id: UUID) -> Organisation | None:
    """As whom this session acts from now on: a firm of this person's, or the person themselves."""
    person = _self(session, actor)
    if organisation_id is not None:
        firms.membership(session, organisation_id, person.id)
        sessions.act_for(session, session_id, organisation_id)
        return session.get_one(Organisation, organisation_id)
    independent = session.scalar(
        sa.select(Membership.person_id)
        .where(Membership.person_id == person.id, Membership.ended_at.is_(None), Membership.role.in_(firms.INDEPENDENT))
        .limit(1)
    )
    if independent is not None:
        raise NotAllowed(
            "Whoever works for a test centre, for us or for an auditor does not sell or buy here for themselves."
        )
    sessions.act_for(session, session_id, None)
    return None


def invite_staff(session: Session, *, email: str, name: str, now: datetime) -> str:
    """From the terminal: the first member of staff, or another one. Returns the path of the link."""
    firm = session.scalar(
        sa.select(Organisation).where(Organisation.kind == OrganisationKind.PLATFORM).order_by(Organisation.created_at)
    )
    if firm is None:
        firm = Organisation(
            code=ids.new_code(ids.CENTRE),
            name=PLATFORM,
            kind=OrganisationKind.PLATFORM,
            state=OrganisationState.VERIFIED,
            country="DE",
            city="Berlin",
            group_name=None,
            licences=[],
            created_at=now,
        )
        session.add(firm)
        session.flush()
    token, made = firms.invite(
        session,
        firm,
        email=people.address_of(email),
        name=people.name_of(name),
        rank=Rank.OWNER,
        by=None,
        now=now,
    )
    letters.invited(session, made, firm, PLATFORM, token, now=now)
    return f"/invitations/{token}"


# ---- what the steps share ----


def _self(session: Session, actor: Actor) -> Person:
    policy.require(actor, Action.CHANGE_ACCOUNT, owner=actor.id)
    person = session.scalar(
        sa.select(Person)
        .where(Person.id == actor.id, Person.closed_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if person is None:
        raise NotAllowed("This account is closed.")
    return person


def _reached(street: str, postcode: str, city: str, country: str, hours: str) -> tuple[postal.Postal, str]:
    where = postal.read(street=street, postcode=postcode, city=city, country=country)
    say = f"Say when people may bring or collect a device, in at most {postal.HOURS} letters."
    return where, firms.require_something(hours, "opening_hours", say, postal.HOURS)


def _own_firm(session: Session, actor: Actor) -> Organisation:
    """The firm that this actor acts for, as one of its owners."""
    policy.require(actor, Action.CHANGE_FIRM, organisation=actor.organisation_id)
    if actor.organisation_id is None:
        raise NotAllowed("You act for no firm at the moment.")
    firm = firms.find(session, actor.organisation_id)
    if firms.membership(session, firm.id, actor.id).rank is not Rank.OWNER:
        raise NotAllowed(f"Only an owner of {firm.name} decides who belongs to it. Ask one of them.")
    return firm


def _send_confirmation(session: Session, person: Person, now: datetime) -> None:
    token, row = mailed.make(session, Purpose.CONFIRM, person, email=person.email, now=now)
    letters.confirm(session, person, token, row, now=now)


def _has_second_factor(session: Session, person_id: UUID) -> bool:
    return second_factor.has_app(session, person_id) or bool(passkeys.passkeys_of(session, person_id))


def _second_factor_removed(session: Session, person: Person, what: str, required: bool, now: datetime) -> None:
    if not _has_second_factor(session, person.id):
        if required:
            raise Conflict("Your work here needs a second factor. Set up another one before you remove the last.")
        second_factor.forget_recovery_codes(session, person.id)
    letters.second_factor_changed(session, person, what, now=now)


def _open_things(person_id: UUID) -> list[tuple[sa.Exists, str]]:
    owed = (
        sa.select(sa.func.sum(Entry.amount_minor))
        .where(Entry.account == Account.SELLERS.value, Entry.party_id == person_id)
        .group_by(Entry.currency)
        .having(sa.func.sum(Entry.amount_minor) != 0)
    )
    ended = (State.CANCELLED, State.RETURNED, State.LOST)
    return [
        (
            sa.exists().where(Device.seller_id == person_id, Device.title == Title.SELLER, Device.state.not_in(ended)),
            "a device of yours is still under way. Wait until it is sold or back with you, or cancel it.",
        ),
        (owed.exists(), "we still owe you money for a device. Wait until it is paid."),
        (
            sa.exists().where(
                Order.person_id == person_id, Order.state.in_((OrderState.AWAITING_PAYMENT, OrderState.PAID))
            ),
            "a purchase of yours is not finished. Pay and collect it, or write to our desk.",
        ),
    ]


def _open_centre(session: Session, firm: Organisation, issuers: Issuers) -> None:
    """The centre's standing, with a name for its credentials that nobody else has and that never changes."""
    plain = unicodedata.normalize("NFKD", firm.name.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40] or "centre"
    did = issuers.centre_did(slug)
    if session.scalar(sa.select(sa.exists().where(Centre.did == did))):
        did = issuers.centre_did(f"{slug}-{firm.code.replace('-', '').lower()}")
    session.add(Centre(organisation_id=firm.id, did=did, standing=Standing.APPLIED, methods=[], media_kinds=[]))
    session.flush()


def _next_step(firm: Organisation, because: str) -> str:
    if firm.state is OrganisationState.DECLINED:
        return (
            f"We looked at the papers of {firm.name} and cannot let it take part as it stands: {because}\n\n"
            "You can mend this and apply again: {site}/account/firms"
        )
    first = {
        OrganisationKind.CENTRE: "Next, our staff accredit the methods and media it may certify; we write to you then.",
        OrganisationKind.RECYCLER: f"You may bid on: {licence_words(firm.licences)}. {{site}}/lots",
        OrganisationKind.COMPANY: "It may sell devices from now on: {site}/quote",
        OrganisationKind.COLLECTOR: "It may hand in devices from now on: {site}/quote",
    }[firm.kind]
    return f"We looked at the papers of {firm.name}. It is verified. {first}"


def _staff(session: Session) -> list[Person]:
    return list(
        session.scalars(
            sa.select(Person)
            .join(Membership, Membership.person_id == Person.id)
            .where(Membership.role == Role.STAFF, Membership.ended_at.is_(None), Person.closed_at.is_(None))
            .order_by(Person.id)
            .limit(firms.MOST_PEOPLE)
        )
    )


def _rank(text: str) -> Rank:
    if text not in set(Rank):
        raise Invalid("Choose owner or member.", field="rank")
    return Rank(text)


def _line(text: str, field: str, most: int) -> str:
    line = " ".join(text.split())
    if len(line) > most:
        raise Invalid(f"Say it in at most {most:,} characters.", field=field)
    return line
