"""Firms that apply to take part, their papers, and the people who act for them.

A firm applies once at a time; staff verify it or decline it with a reason, after which it may apply again. Papers are
kept with their digest. An owner decides who belongs to the firm, and a firm has at least one owner.
"""

from __future__ import annotations

import enum
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.accounts import sessions
from ewaste.accounts.models import Membership, Organisation, OrganisationKind, OrganisationState, Person, Rank, Role
from ewaste.core.database import Base
from ewaste.core.ids import CENTRE, new_code, new_id
from ewaste.core.refusals import Conflict, Invalid, NotFound

ROLE_FOR = {
    OrganisationKind.COMPANY: Role.COMPANY,
    OrganisationKind.CENTRE: Role.OPERATOR,
    OrganisationKind.RECYCLER: Role.RECYCLER,
    OrganisationKind.COLLECTOR: Role.COLLECTOR,
    OrganisationKind.PLATFORM: Role.STAFF,
    OrganisationKind.AUDITOR: Role.AUDITOR,
    OrganisationKind.ACCREDITOR: Role.ACCREDITOR,
}
# Who may come by themselves; the platform, auditors and accreditors are invited.
APPLICANTS = (
    OrganisationKind.COMPANY,
    OrganisationKind.CENTRE,
    OrganisationKind.RECYCLER,
    OrganisationKind.COLLECTOR,
)
# Who grades, decides or reads everything does not sell or buy for themselves beside it.
INDEPENDENT = frozenset({Role.OPERATOR, Role.STAFF, Role.AUDITOR, Role.ACCREDITOR})
# Where a firm may be registered: the European Economic Area, Switzerland and the United Kingdom.
COUNTRIES = {
    "AT": "Austria", "BE": "Belgium", "BG": "Bulgaria", "CH": "Switzerland", "CY": "Cyprus", "CZ": "Czechia",
    "DE": "Germany", "DK": "Denmark", "EE": "Estonia", "ES": "Spain", "FI": "Finland", "FR": "France",
    "GB": "United Kingdom", "GR": "Greece", "HR": "Croatia", "HU": "Hungary", "IE": "Ireland", "IS": "Iceland",
    "IT": "Italy", "LI": "Liechtenstein", "LT": "Lithuania", "LU": "Luxembourg", "LV": "Latvia", "MT": "Malta",
    "NL": "Netherlands", "NO": "Norway", "PL": "Poland", "PT": "Portugal", "RO": "Romania", "SE": "Sweden",
    "SI": "Slovenia", "SK": "Slovakia",
}  # fmt: skip
MOST_DOCUMENTS = 5
INVITED_FOR = timedelta(days=7)
MOST_PEOPLE = 50


class Outcome(enum.StrEnum):
    """What became of an application."""

    VERIFIED = "verified"
    DECLINED = "declined"


class Application(Base):
    """A firm's wish to take part, as it was sent, and what staff decided."""

    __tablename__ = "applications"
    __table_args__ = (
        sa.Index(
            "uq_applications_open", "organisation_id", unique=True, postgresql_where=sa.text("decided_at is null")
        ),
        sa.CheckConstraint("(decided_at is null) = (outcome is null)", name="decided"),
        sa.CheckConstraint("outcome <> 'declined' or length(reason) > 0", name="reason"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organisation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id"), index=True)
    applied_by: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    registration_number: Mapped[str]
    related_firms: Mapped[str]
    licences: Mapped[list[str]] = mapped_column(sa.ARRAY(sa.Text), default=list)
    applied_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    outcome: Mapped[Outcome | None]
    reason: Mapped[str | None]


class Document(Base):
    """A paper that a firm handed in. Its content never changes."""

    __tablename__ = "documents"
    __table_args__ = (sa.UniqueConstraint("organisation_id", "sha256"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organisation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id"))
    added_by: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    name: Mapped[str]
    media_type: Mapped[str]
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(sa.CHAR(64))
    content: Mapped[bytes]
    added_at: Mapped[datetime]


class Invitation(Base):
    """Somebody was asked by mail to act for a firm."""

    __tablename__ = "invitations"
    __table_args__ = (
        sa.Index(
            "uq_invitations_open",
            "organisation_id",
            "email",
            unique=True,
            postgresql_where=sa.text("accepted_at is null and withdrawn_at is null"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organisation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id"))
    email: Mapped[str]
    name: Mapped[str]
    rank: Mapped[Rank]
    token_hash: Mapped[str] = mapped_column(sa.CHAR(64), unique=True)
    invited_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    withdrawn_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Paper:
    """A document that was checked and is ready to be kept."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Wish:
    """What a firm says of itself when it applies, checked field by field."""

    kind: OrganisationKind
    name: str
    country: str
    city: str
    registration_number: str
    group_name: str
    related_firms: str
    licences: list[str]
    street: str | None = None
    postcode: str | None = None
    opening_hours: str | None = None


def apply(session: Session, person: Person, wish: Wish, *, now: datetime) -> Application:
    """A firm applies, and this person is its first owner. Raises `Conflict` when its name is known already.

    A firm that was declined applies again under its own name, by one of its own people.
    """
    firm = session.scalar(
        sa.select(Organisation).where(sa.func.lower(Organisation.name) == wish.name.lower()).with_for_update()
    )
    if firm is None:
        firm = Organisation(
            code=new_code(CENTRE),
            name=wish.name,
            kind=wish.kind,
            state=OrganisationState.APPLIED,
            country=wish.country,
            city=wish.city,
            street=wish.street,
            postcode=wish.postcode,
            opening_hours=wish.opening_hours,
            group_name=wish.group_name or None,
            licences=[],
            created_at=now,
        )
        session.add(firm)
        try:
            with session.begin_nested():
                session.flush()
        except IntegrityError as error:  # Somebody else applied under this name in this very moment.
            raise Conflict(_KNOWN, field="organisation") from error
        _join(session, person.id, firm, Rank.OWNER, now)
    else:
        _require_may_apply_again(session, firm, person, wish.kind)
        firm.state, firm.country, firm.city = OrganisationState.APPLIED, wish.country, wish.city
        firm.street, firm.postcode, firm.opening_hours = wish.street, wish.postcode, wish.opening_hours
        firm.group_name = wish.group_name or None
    application = Application(
        organisation_id=firm.id,
        applied_by=person.id,
        registration_number=wish.registration_number,
        related_firms=wish.related_firms,
        licences=wish.licences,
        applied_at=now,
    )
    session.add(application)
    session.flush()
    return application


def add_document(session: Session, organisation_id: UUID, person_id: UUID, paper: Paper, *, now: datetime) -> Document:
    """Keep a paper. The same one twice is kept once. Raises `Conflict` when the firm has as many as we keep."""
    firm = find(session, organisation_id)  # Locked, so that two uploads at once do not both count four.
    digest = hashlib.sha256(paper.content).hexdigest()
    known = session.scalar(
        sa.select(Document)
        .options(sa.orm.defer(Document.content))
        .where(Document.organisation_id == firm.id, Document.sha256 == digest)
    )
    if known is not None:
        return known
    held = session.scalar(sa.select(sa.func.count()).where(Document.organisation_id == firm.id)) or 0
    if held >= MOST_DOCUMENTS:
        raise Conflict(f"We keep at most {MOST_DOCUMENTS} documents of a firm. Write to our desk.", field="documents")
    document = Document(
        organisation_id=firm.id,
        added_by=person_id,
        name=paper.name,
        media_type=paper.media_type,
        size_bytes=len(paper.content),
        sha256=digest,
        content=paper.content,
        added_at=now,
    )
    session.add(document)
    session.flush()
    return document


def decide(
    session: Session, application_id: UUID, *, by: UUID | None, outcome: Outcome, reason: str, now: datetime
) -> tuple[Application, Organisation]:
    """Staff looked at the papers. Raises `Conflict` for an application that was decided already."""
    application = session.scalar(sa.select(Application).where(Application.id == application_id).with_for_update())
    if application is None:
        raise NotFound("There is no such application.")
    firm = find(session, application.organisation_id)
    if application.decided_at is not None or firm.state is not OrganisationState.APPLIED:
        raise Conflict("This application was decided already. Reload the page to see how.")
    application.decided_at, application.decided_by = now, by
    application.outcome, application.reason = outcome, reason or None
    firm.state = OrganisationState.VERIFIED if outcome is Outcome.VERIFIED else OrganisationState.DECLINED
    session.flush()
    return application, firm


def require_answered(session: Session, firm: Organisation) -> None:
    """Raises Conflict while an application of this firm waits: its answer, of which the firm is told, comes first."""
    waits = sa.select(Application.id).where(Application.organisation_id == firm.id, Application.decided_at.is_(None))
    if session.scalar(waits.limit(1)) is not None:
        raise Conflict(f"The application of {firm.name} waits for an answer. Decide it first; the firm is then told.")


def find(session: Session, organisation_id: UUID) -> Organisation:
    """The firm, locked for the rest of the step."""
    firm = session.scalar(
        sa.select(Organisation)
        .where(Organisation.id == organisation_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if firm is None:
        raise NotFound("There is no such firm.")
    return firm


def membership(session: Session, organisation_id: UUID, person_id: UUID | None) -> Membership:
    """How this person belongs to the firm. Raises `NotFound` when they do not."""
    found = session.scalar(
        sa.select(Membership).where(
            Membership.organisation_id == organisation_id,
            Membership.person_id == person_id,
            Membership.ended_at.is_(None),
        )
    )
    if found is None:
        raise NotFound("There is no such firm, or you do not belong to it.")
    return found


def owners(session: Session, organisation_id: UUID) -> list[Person]:
    """Who answers for a firm, and is written to."""
    return list(
        session.scalars(
            sa.select(Person)
            .join(Membership, Membership.person_id == Person.id)
            .where(
                Membership.organisation_id == organisation_id,
                Membership.rank == Rank.OWNER,
                Membership.ended_at.is_(None),
            )
            .order_by(Person.id)
        )
    )


def invite(
    session: Session,
    firm: Organisation,
    *,
    email: str,
    name: str,
    rank: Rank,
    by: UUID | None,
    now: datetime,
) -> tuple[str, Invitation]:
    """Ask somebody to act for this firm. Returns the token of the link. A newer invitation ends the older."""
    here = session.scalar(
        sa.select(Person.id)
        .join(Membership, Membership.person_id == Person.id)
        .where(Person.email == email, Membership.organisation_id == firm.id, Membership.ended_at.is_(None))
    )
    if here is not None:
        raise Conflict("The person with this address belongs to your firm already.", field="email")
    people = sa.select(sa.func.count()).where(Membership.organisation_id == firm.id, Membership.ended_at.is_(None))
    if (session.scalar(people) or 0) >= MOST_PEOPLE:
        raise Conflict(
            f"A firm has at most {MOST_PEOPLE} people here. Write to our desk if you need more.", field="email"
        )
    session.execute(
        sa.update(Invitation)
        .where(
            Invitation.organisation_id == firm.id,
            Invitation.email == email,
            Invitation.accepted_at.is_(None),
            Invitation.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=now)
    )
    token = secrets.token_urlsafe(32)
    made = Invitation(
        organisation_id=firm.id,
        email=email,
        name=name,
        rank=rank,
        token_hash=sessions.hashed(token),
        invited_by=by,
        made_at=now,
        expires_at=now + INVITED_FOR,
    )
    session.add(made)
    session.flush()
    return token, made


def invitation(session: Session, token: str, *, now: datetime, lock: bool = False) -> tuple[Invitation, Organisation]:
    """The invitation behind a link. Raises `Conflict` when it is not good any more."""
    query = (
        sa.select(Invitation, Organisation)
        .join(Organisation, Organisation.id == Invitation.organisation_id)
        .where(
            Invitation.token_hash == sessions.hashed(sessions.require_token(token)),
            Invitation.accepted_at.is_(None),
            Invitation.withdrawn_at.is_(None),
            Invitation.expires_at > now,
        )
    )
    row = session.execute(query.with_for_update(of=Invitation) if lock else query).one_or_none()
    if row is None:
        raise Conflict("This invitation is not good any more. Ask who invited you for a new one.")
    return row[0], row[1]


def accept(session: Session, token: str, person: Person, *, now: datetime) -> Organisation:
    """This person takes an invitation that was sent to their own address."""
    found, firm = invitation(session, token, now=now, lock=True)
    if found.email != person.email or person.email_confirmed_at is None:
        raise Conflict("This invitation was sent to another address than that of the account you are signed in with.")
    found.accepted_at, found.accepted_by = now, person.id
    _join(session, person.id, firm, found.rank, now)
    return firm


def withdraw(session: Session, organisation_id: UUID, invitation_id: UUID, *, now: datetime) -> Invitation:
    """An invitation is taken back. Raises `NotFound` when there is no open one."""
    found = session.scalar(
        sa.select(Invitation)
        .where(
            Invitation.id == invitation_id,
            Invitation.organisation_id == organisation_id,
            Invitation.accepted_at.is_(None),
            Invitation.withdrawn_at.is_(None),
        )
        .with_for_update()
    )
    if found is None:
        raise NotFound("There is no such invitation, or it was taken already.")
    found.withdrawn_at = now
    session.flush()
    return found


def set_rank(session: Session, organisation_id: UUID, person_id: UUID, rank: Rank) -> None:
    """Make somebody owner or member. The last owner stays one."""
    find(session, organisation_id)
    found = membership(session, organisation_id, person_id)
    if found.rank is Rank.OWNER and rank is not Rank.OWNER:
        _require_another_owner(session, organisation_id, person_id)
    found.rank = rank
    session.flush()


def remove(session: Session, organisation_id: UUID, person_id: UUID, *, now: datetime) -> None:
    """Somebody acts for this firm no more, from this moment. The last owner cannot be removed."""
    find(session, organisation_id)
    found = membership(session, organisation_id, person_id)
    if found.rank is Rank.OWNER:
        _require_another_owner(session, organisation_id, person_id)
    found.ended_at = now
    session.flush()
    sessions.end_all(session, person_id, now=now, acting_for=organisation_id)


def _require_another_owner(session: Session, organisation_id: UUID, person_id: UUID) -> None:
    other = session.scalar(
        sa.select(Membership.person_id)
        .where(
            Membership.organisation_id == organisation_id,
            Membership.person_id != person_id,
            Membership.rank == Rank.OWNER,
            Membership.ended_at.is_(None),
        )
        .limit(1)
    )
    if other is None:
        raise Conflict("This is the firm's last owner, and a firm has at least one. Make somebody else owner first.")


def _join(session: Session, person_id: UUID, firm: Organisation, rank: Rank, now: datetime) -> None:
    before = session.get(Membership, (person_id, firm.id))
    if before is None:
        session.add(
            Membership(
                person_id=person_id, organisation_id=firm.id, role=ROLE_FOR[firm.kind], rank=rank, created_at=now
            )
        )
    else:  # Somebody who left comes back.
        before.ended_at, before.rank = None, rank
    session.flush()


_KNOWN = (
    "An organisation of this name is known to us already. If it is yours, ask its owner to invite you; "
    "otherwise add your city to the name."
)


def _require_may_apply_again(session: Session, firm: Organisation, person: Person, kind: OrganisationKind) -> None:
    mine = session.scalar(
        sa.select(Membership).where(
            Membership.organisation_id == firm.id, Membership.person_id == person.id, Membership.ended_at.is_(None)
        )
    )
    if mine is None:
        raise Conflict(_KNOWN, field="organisation")
    if firm.state is not OrganisationState.DECLINED:
        raise Conflict("You have applied for this organisation already. Your account page says how it stands.")
    if firm.kind is not kind or mine.rank is not Rank.OWNER:
        raise Invalid("An owner applies again, and as what the organisation applied before.", field="organisation")


def country_choices() -> list[dict[str, str]]:
    """The countries to choose from, by name."""
    return [{"value": code, "label": name} for code, name in sorted(COUNTRIES.items(), key=lambda each: each[1])]


def require_something(text: str, field: str, say: str, most: int = 120) -> str:
    """One line of text that cannot be left out, with single spaces. Raises `Invalid` naming the field."""
    line = " ".join(text.split())
    if not 1 <= len(line) <= most:
        raise Invalid(say, field=field)
    return line
