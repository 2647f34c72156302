"""Stations: enrolled with a one-time code, known by their key, refused once revoked."""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ewaste.accounts.models import Actor
from ewaste.centres import accreditation, credentials
from ewaste.centres.models import EnrolmentCode, SeenNonce, Station
from ewaste.core import status_lists
from ewaste.core.ids import ALPHABET, new_id
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound

CODE_LIFE = timedelta(hours=24)
CLOCK_TOLERANCE = timedelta(seconds=300)


def new_code(session: Session, actor: Actor, centre_id: UUID, *, now: datetime) -> str:
    """A one-time enrolment code for a centre, good for a day. It is shown once; we keep its hash."""
    code = "-".join("".join(secrets.choice(ALPHABET) for _ in range(5)) for _ in range(4))
    session.add(
        EnrolmentCode(
            centre_id=centre_id, code_hash=_hash(code), made_by=actor.id, made_at=now, expires_at=now + CODE_LIFE
        )
    )
    session.flush()
    return code


def enrol(
    session: Session, issuers: credentials.Issuers, *, code: str, name: str, public_key: str, proof: str, now: datetime
) -> Station:
    """Enrol a station: the code is used up, the key is proved to be held, the accreditation is issued anew.

    Raises `Invalid` with the field, or `Conflict` when the code cannot be used any more.
    """
    row = session.scalar(
        sa.select(EnrolmentCode).where(EnrolmentCode.code_hash == _hash(code.strip().upper())).with_for_update()
    )
    if row is None:
        raise Invalid("There is no such enrolment code. Make a new one on the bench page “Stations”.", field="code")
    if row.used_at is not None:
        # The answer to a first try may have been lost: the same key under the same code is enrolled already.
        known = session.scalar(
            sa.select(Station).where(
                Station.public_key == public_key, Station.centre_id == row.centre_id, Station.enrolled_at == row.used_at
            )
        )
        if known is not None:
            _check_proof(code, public_key, proof)
            return known
        raise Conflict("This enrolment code was used already. Make a new one.", field="code")
    if row.expires_at <= now:
        raise Conflict("This enrolment code ran out after a day. Make a new one.", field="code")
    if not 1 <= len(name.strip()) <= 80:
        raise Invalid("Give the station a name of 1 to 80 characters.", field="station_name")
    _check_proof(code, public_key, proof)
    if session.scalar(sa.select(Station.id).where(Station.public_key == public_key)):
        raise Conflict("This key is enrolled already. Make a fresh key.", field="public_key_multibase")
    centre = accreditation.find(session, row.centre_id, to_change=True)
    accreditation.require_standing(centre, now=now)
    station_id = new_id()
    station = Station(
        id=station_id,
        centre_id=row.centre_id,
        name=name.strip(),
        public_key=public_key,
        verification_method=f"{centre.did}#station-{station_id.hex[:12]}",
        enrolled_at=now,
    )
    row.used_at = now
    session.add(station)
    session.flush()
    accreditation.issue(session, issuers, centre, because=f"station {name.strip()} enrolled", now=now)
    return station


def revoke(session: Session, issuers: credentials.Issuers, station_id: UUID, reason: str, *, now: datetime) -> None:
    """From now on nothing signed by this station counts."""
    station = session.scalar(sa.select(Station).where(Station.id == station_id).with_for_update())
    if station is None:
        raise NotFound("There is no such station.")
    if station.revoked_at is not None:
        raise Conflict("This station was revoked already.")
    station.revoked_at, station.revoked_because = now, reason.strip()[:500] or "retired by its centre"
    session.flush()
    centre = accreditation.find(session, station.centre_id, to_change=True)
    status_lists.key_fell(
        session,
        about=centre.did,
        verification_method=station.verification_method,
        public_key=station.public_key,
        reason=station.revoked_because,
        now=now,
    )
    accreditation.issue(session, issuers, centre, because=f"station {station.name} revoked", now=now)


def by_method(session: Session, verification_method: str) -> Station:
    """The station that signs with this key id. Raises `NotAllowed` for one unknown or revoked."""
    station = session.scalar(sa.select(Station).where(Station.verification_method == verification_method))
    if station is None:
        raise NotAllowed("No station is enrolled under this key.")
    if station.revoked_at is not None:
        raise NotAllowed(
            f"This station was revoked: {station.revoked_because}. Enrol it anew with a code of your centre."
        )
    return station


def use_nonce(session: Session, station: Station, nonce: str, created: datetime, *, now: datetime) -> None:
    """Admit a signed request once and near its time. Raises `NotAllowed`."""
    if abs(now - created) > CLOCK_TOLERANCE:
        raise NotAllowed("The request was signed more than five minutes from our time. Set the station's clock.")
    if not 8 <= len(nonce) <= 100:
        raise NotAllowed("A signed request needs a nonce of 8 to 100 characters.")
    added = session.execute(
        insert(SeenNonce)
        .values(station_id=station.id, nonce=nonce, at=now)
        .on_conflict_do_nothing()
        .returning(SeenNonce.nonce)
    ).one_or_none()
    if added is None:
        raise NotAllowed("This request was sent before. Each request is signed anew.")
    session.execute(
        sa.delete(SeenNonce).where(SeenNonce.station_id == station.id, SeenNonce.at < now - 3 * CLOCK_TOLERANCE)
    )


def _check_proof(code: str, public_key: str, proof: str) -> None:
    try:
        key = credentials.read_public_key(public_key)
    except ValueError as error:
        raise Invalid(f"The public key cannot be used: {error}", field="public_key_multibase") from error
    try:
        key.verify(base64.b64decode(proof, validate=True), f"ewaste-enrol-v1\n{code}\n{public_key}".encode())
    except (InvalidSignature, ValueError) as error:
        raise Invalid("The proof does not show that the station holds this key.", field="proof") from error


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
