"""Passkeys (WebAuthn level 3): a key pair in a person's device; we keep the public half.

A passkey is a second factor after the password, and with the device's own check of its user (a PIN, a fingerprint) it
is a sign-in by itself. Each challenge is answered once; a sign counter that goes back gives a copied key away.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import webauthn
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column
from webauthn.helpers import base64url_to_bytes, parse_authentication_credential_json
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from ewaste.core.database import Base
from ewaste.core.ids import new_id
from ewaste.core.refusals import Conflict, Invalid, NotFound, Refusal

MOST = 10
LARGEST_ANSWER = 20_000
ANSWER_WITHIN = timedelta(minutes=5)
NAME = 60
_WRONG = "The passkey was not accepted. Try again, or use another way to sign in."


class Passkey(Base):
    """One passkey of one person."""

    __tablename__ = "passkeys"
    __table_args__ = (sa.CheckConstraint(f"length(name) between 1 and {NAME}", name="name"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"), index=True)
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int]
    name: Mapped[str]
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SpentChallenge(Base):
    """A challenge that was answered. It is not answered again."""

    __tablename__ = "spent_challenges"

    challenge_hash: Mapped[str] = mapped_column(sa.CHAR(64), primary_key=True)
    at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Party:
    """Who asks for the passkey: the site, as browsers know it."""

    id: str
    name: str
    origin: str


def registration_options(
    session: Session, party: Party, person_id: UUID, *, email: str, name: str
) -> tuple[str, bytes]:
    """What the browser is asked in order to make a passkey, as JSON, and the challenge in it."""
    held = _of(session, person_id)
    if len(held) >= MOST:
        raise Conflict(f"You have {MOST} passkeys, which is as many as we keep. Remove one first.")
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=person_id.bytes,
        user_name=email,
        user_display_name=name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each.credential_id) for each in held],
    )
    return webauthn.options_to_json(options), options.challenge


def register(
    session: Session, party: Party, person_id: UUID, answer: str, *, challenge: bytes, name: str, now: datetime
) -> Passkey:
    """Keep the passkey that the browser made. Raises `Invalid` for an answer that does not hold."""
    _spend(session, challenge, now)
    try:
        made = webauthn.verify_registration_response(
            credential=_bounded(answer),
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
        )
    except Exception as error:  # Whatever a stranger's bytes make the reader raise.
        raise Invalid("Your browser's answer does not hold, so no passkey was kept. Try again.") from error
    if session.scalar(sa.select(sa.exists().where(Passkey.credential_id == made.credential_id))):
        raise Conflict("This passkey is here already.")
    label = " ".join(name.split())[:NAME]
    passkey = Passkey(
        person_id=person_id,
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        name=label if label and label.isprintable() else f"Passkey of {now:%d %B %Y}",
        made_at=now,
    )
    session.add(passkey)
    session.flush()
    return passkey


def sign_in_options(session: Session, party: Party, person_id: UUID | None) -> tuple[str, bytes]:
    """What the browser is asked in order to show a passkey: one of this person's, or any that is ours."""
    allowed = (
        [PublicKeyCredentialDescriptor(id=each.credential_id) for each in _of(session, person_id)] if person_id else []
    )
    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        allow_credentials=allowed,
        user_verification=UserVerificationRequirement.PREFERRED if person_id else UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options), options.challenge


def show(
    session: Session, party: Party, answer: str, *, challenge: bytes, person_id: UUID | None, now: datetime
) -> UUID:
    """Whose passkey was shown. With `person_id` it must be that person's; without, the device must have checked its
    user. Raises `Invalid`."""
    _spend(session, challenge, now)
    try:
        credential = parse_authentication_credential_json(_bounded(answer))
        passkey = session.scalar(sa.select(Passkey).where(Passkey.credential_id == credential.raw_id).with_for_update())
        if passkey is None or person_id not in (None, passkey.person_id):
            raise Invalid(_WRONG)
        shown = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=person_id is None,
        )
    except Refusal:
        raise
    except Exception as error:  # Whatever a stranger's bytes make the reader raise.
        raise Invalid(_WRONG) from error
    passkey.sign_count, passkey.used_at = shown.new_sign_count, now
    session.flush()
    return passkey.person_id


def passkeys_of(session: Session, person_id: UUID) -> list[Passkey]:
    """The passkeys of this person, the oldest first."""
    return _of(session, person_id)


def remove(session: Session, person_id: UUID, passkey_id: UUID) -> None:
    """Forget one passkey. Raises `NotFound` for one that is not this person's."""
    gone = session.scalar(
        sa.delete(Passkey).where(Passkey.id == passkey_id, Passkey.person_id == person_id).returning(Passkey.id)
    )
    if gone is None:
        raise NotFound("There is no such passkey in your account.")


def _of(session: Session, person_id: UUID) -> list[Passkey]:
    return list(
        session.scalars(sa.select(Passkey).where(Passkey.person_id == person_id).order_by(Passkey.made_at, Passkey.id))
    )


def _spend(session: Session, challenge: bytes, now: datetime) -> None:
    session.execute(sa.delete(SpentChallenge).where(SpentChallenge.at < now - 2 * ANSWER_WITHIN))
    new = session.scalar(
        insert(SpentChallenge)
        .values(challenge_hash=hashlib.sha256(challenge).hexdigest(), at=now)
        .on_conflict_do_nothing()
        .returning(SpentChallenge.challenge_hash)
    )
    if new is None:
        raise Invalid("This answer was given already. Try again.")


def _bounded(answer: str) -> dict[str, Any]:
    if len(answer) > LARGEST_ANSWER:
        raise ValueError("too long")
    read = json.loads(answer)
    if not isinstance(read, dict) or not isinstance(read.get("id"), str):
        raise ValueError("not a credential")
    base64url_to_bytes(read["id"])
    return read
