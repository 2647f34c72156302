"""What we write to people about their accounts and firms, each under the key of its occasion."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from ewaste.accounts.firms import Invitation
from ewaste.accounts.models import Organisation, Person, Rank
from ewaste.core import mail

NOT_YOU = "If this was not you, set a new password now: {site}/reset"


def confirm(session: Session, person: Person, token: str, row: UUID, *, now: datetime) -> None:
    """Somebody opened an account with this address: is it theirs?"""
    mail.write(
        session,
        to=person.email,
        name=person.name,
        subject="Confirm your e-mail address",
        text=(
            f"Somebody, probably you, opened an account with this address. Confirm that it is yours:\n\n"
            f"{{site}}/confirm/{token}\n\n"
            "The link works once, for 24 hours. Until then you can get quotes, but not sell, buy or bid.\n"
            "If it was not you, do nothing."
        ),
        key=f"account.confirm {row}",
        now=now,
    )


def change_address(session: Session, person: Person, new: str, token: str, row: UUID, *, now: datetime) -> None:
    """The link goes to the new address, the news to the old one."""
    mail.write(
        session,
        to=new,
        name=person.name,
        subject="Confirm your new e-mail address",
        text=(
            f"You asked us to use this address for your account. Confirm that it is yours:\n\n"
            f"{{site}}/confirm/{token}\n\nThe link works once, for 24 hours. If it was not you, do nothing."
        ),
        key=f"account.change {row}",
        now=now,
    )
    _tell(
        session,
        person,
        "Your e-mail address is about to change",
        f"Somebody who is signed in to your account asked us to use {new} instead of this address. It changes when "
        f"the link that we sent there is used. {NOT_YOU}",
        f"account.change-told {row}",
        now,
    )


def reset(session: Session, person: Person, token: str, row: UUID, *, now: datetime) -> None:
    """Somebody forgot the password."""
    mail.write(
        session,
        to=person.email,
        name=person.name,
        subject="Set a new password",
        text=(
            f"Somebody, probably you, asked for a new password. Set it here:\n\n{{site}}/reset/{token}\n\n"
            "The link works once, for one hour. If it was not you, do nothing: your password stays as it is."
        ),
        key=f"account.reset {row}",
        now=now,
    )


def password_changed(session: Session, person: Person, *, now: datetime) -> None:
    """The password is another one now."""
    _tell(
        session,
        person,
        "Your password was changed",
        f"The password of your account was changed, and every other session was ended. {NOT_YOU}",
        f"account.password {person.id} {now.isoformat()}",
        now,
    )


def second_factor_changed(session: Session, person: Person, what: str, *, now: datetime) -> None:
    """A way to prove who they are came or went; `what` is a sentence."""
    _tell(
        session,
        person,
        "How you sign in was changed",
        f"{what} {NOT_YOU}",
        f"account.second-factor {person.id} {now.isoformat()}",
        now,
    )


def address_changed(session: Session, person: Person, old: str, row: UUID, *, now: datetime) -> None:
    """Told to the address that is no more used."""
    mail.write(
        session,
        to=old,
        name=person.name,
        subject="Your e-mail address was changed",
        text="Your account uses another e-mail address from now on, and we write there. If this was not you, write to "
        "our desk at once.",
        key=f"account.changed {row}",
        now=now,
    )


def applied(session: Session, person: Person, firm: Organisation, application: UUID, *, now: datetime) -> None:
    """We have a firm's papers."""
    _tell(
        session,
        person,
        f"We have the application of {firm.name}"[: mail.SUBJECT],
        f"Thank you. Our staff look at the papers of {firm.name} and answer within three business days. You can add "
        "documents until then: {site}/account/firms",
        f"firm.applied {application}",
        now,
    )


def to_review(session: Session, staff: list[Person], firm: Organisation, application: UUID, *, now: datetime) -> None:
    """The desk has something to read."""
    for person in staff:
        _tell(
            session,
            person,
            f"To review: {firm.name}"[: mail.SUBJECT],
            f"{firm.name}, {firm.city}, applied as {firm.kind.value}. {{site}}/staff/applications/{application}",
            f"firm.to-review {application} {person.id}",
            now,
        )


def decided(
    session: Session, person: Person, firm: Organisation, application: UUID, *, next_step: str, now: datetime
) -> None:
    """What we decided about a firm."""
    _tell(
        session,
        person,
        f"About your application: {firm.name}"[: mail.SUBJECT],
        next_step,
        f"firm.decided {application} {person.id}",
        now,
    )


def accredited(
    session: Session, person: Person, firm: Organisation, *, scope: str, until: datetime, now: datetime
) -> None:
    """A test centre may certify; `scope` says what."""
    _tell(
        session,
        person,
        f"{firm.name} is accredited"[: mail.SUBJECT],
        f"{firm.name} is accredited for: {scope}; until {until.day} {until:%B %Y}.\n\n"
        "Next, enrol the station that wipes: {site}/bench/stations",
        f"centre.accredited {firm.id} {person.id} {now.isoformat()}",
        now,
    )


def key_revoked(
    session: Session,
    person: Person,
    firm: Organisation,
    *,
    station: str,
    row: UUID,
    reason: str,
    after: str,
    now: datetime,
) -> None:
    """The key of a station counts for nothing any more; `after` says what follows."""
    _tell(
        session,
        person,
        f"The key of station {station} was revoked"[: mail.SUBJECT],
        f"The key of station {station} of {firm.name} is revoked, and is refused from now on. What was told: "
        f"{reason.strip()}\n\n{after}",
        f"station.revoked {row} {person.id} {now.isoformat()}",
        now,
    )


def accreditor_key_changed(
    session: Session,
    person: Person,
    *,
    called: str,
    old: str,
    new: str | None,
    reason: str,
    after: str,
    row: UUID,
    now: datetime,
) -> None:
    """Two people changed a key of an accreditor; `after` says what follows."""
    _tell(
        session,
        person,
        f"A key of {called} was changed"[: mail.SUBJECT],
        f"The key {old} of {called} ends"
        + (f", and {new} takes its place." if new else ".")
        + f" What was told: {reason}\n\n{after}",
        f"accreditor.key-changed {row} {person.id}",
        now,
    )


def to_confirm(
    session: Session, person: Person, *, what: str, proposed_by: str, reason: str, where: str, key: str, now: datetime
) -> None:
    """A colleague proposed something that takes a second person; `where` is the path of its page."""
    _tell(
        session,
        person,
        f"To confirm: {what}"[: mail.SUBJECT],
        f"{proposed_by} proposes: {what}.\n\nThe reason: {reason.strip()}\n\n"
        f"It takes a second person. Look at it, then confirm it or take it back: {{site}}{where}",
        f"{key} {person.id}",
        now,
    )


def standing_changed(
    session: Session, person: Person, firm: Organisation, *, what: str, reason: str, next_step: str, now: datetime
) -> None:
    """A firm was suspended, reinstated or ended; `what` says which."""
    _tell(
        session,
        person,
        f"{firm.name} is {what}"[: mail.SUBJECT],
        f"{firm.name} is {what}. The reason: {reason.strip()}\n\n{next_step}",
        f"firm.{what} {firm.id} {person.id} {now.isoformat()}",
        now,
    )


def invited(
    session: Session, invitation: Invitation, firm: Organisation, by: str, token: str, *, now: datetime
) -> None:
    """Somebody is asked to act for a firm."""
    what = "as one of its owners" if invitation.rank is Rank.OWNER else "as one of its people"
    mail.write(
        session,
        to=invitation.email,
        name=invitation.name,
        subject=f"{firm.name} invites you"[: mail.SUBJECT],
        text=(
            f"{by} invites you to act for {firm.name} here, {what}:\n\n{{site}}/invitations/{token}\n\n"
            "The link works once, for seven days. If you do not know them, do nothing."
        ),
        key=f"firm.invited {invitation.id}",
        now=now,
    )


def left(session: Session, person: Person, firm: Organisation, *, now: datetime) -> None:
    """Somebody acts for a firm no more."""
    _tell(
        session,
        person,
        f"You do not act for {firm.name} any more"[: mail.SUBJECT],
        f"Your place in {firm.name} was ended. Your own account stays as it is.",
        f"firm.left {firm.id} {person.id} {now.isoformat()}",
        now,
    )


def closed(session: Session, person: Person, email: str, *, now: datetime) -> None:
    """The last thing we write to somebody."""
    mail.write(
        session,
        to=email,
        name="",
        subject="Your account is closed",
        text="Your account is closed. Your name and address are deleted; what the law tells us to keep of your sales "
        "and purchases stays under a number.",
        key=f"account.closed {person.id}",
        now=now,
    )


def _tell(session: Session, person: Person, subject: str, text: str, key: str, now: datetime) -> None:
    mail.write(session, to=person.email, name=person.name, subject=subject, text=text, key=key, now=now)
