"""Stations: enrolled with a one-time code, known by their key, replaced by another key, refused once revoked."""

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
from ewaste.centres import accreditation, credentials, published
from ewaste.centres.models import Centre, EnrolmentCode, SeenNonce, Standing, Station
from ewaste.core import status_lists
from ewaste.core.ids import ALPHABET, new_id
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound

CODE_LIFE = timedelta(hours=24)
CLOCK_TOLERANCE = timedelta(seconds=300)
LONGEST_OVERLAP = timedelta(days=30)


def new_code(
    session: Session,
    actor: Actor,
    centre_id: UUID,
    *,
    replaces: Station | None = None,
    retires_at: datetime | None = None,
    now: datetime,
) -> str:
    """A one-time enrolment code for a centre, good for a day. It is shown once; we keep its hash.

    With `replaces`, whoever uses it takes that station's place: its old key ends at `retires_at`, at once by default.
    """
    if replaces is not None:
        require_in_force(replaces, now=now)
        if replaces.retires_at is not None:
            raise Conflict("Another key takes the place of this one already.")
        if retires_at is not None and not now <= retires_at <= now + LONGEST_OVERLAP:
            raise Invalid("The old key ends today, or within 30 days.", field="retires_at")
    code = "-".join("".join(secrets.choice(ALPHABET) for _ in range(5)) for _ in range(4))
    session.add(
        EnrolmentCode(
            centre_id=centre_id,
            code_hash=_hash(code),
            made_by=actor.id,
            made_at=now,
            expires_at=now + CODE_LIFE,
            replaces_id=replaces.id if replaces is not None else None,
            retires_at=retires_at if replaces is not None else None,
        )
    )
    session.flush()
    return code


def withdraw_code(session: Session, actor: Actor, code: EnrolmentCode, *, now: datetime) -> None:
    """From now on nobody enrols with this code. Raises `Conflict` for one that cannot be used any more anyway."""
    session.refresh(code, with_for_update=True)
    if code.used_at is not None:
        raise Conflict("A station enrolled with this code already. Retire the station if it is not yours.")
    if code.withdrawn_at is not None:
        raise Conflict("This code was withdrawn already.")
    if code.expires_at <= now:
        raise Conflict("This code ran out already. Nobody can use it.")
    code.withdrawn_at, code.withdrawn_by, code.withdrawn_name = now, actor.id, actor.name
    session.flush()


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
    if row.withdrawn_at is not None:
        raise Conflict("Your centre withdrew this enrolment code. Make a new one.", field="code")
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
        replaces_id=row.replaces_id,
    )
    row.used_at = now
    session.add(station)
    session.flush()
    published.key(session, station, "enrolled", now=now)
    if row.replaces_id is not None:
        _replace(session, row.replaces_id, max(row.retires_at or now, now), now=now)
    accreditation.issue(session, issuers, centre, because=f"station {name.strip()} enrolled", now=now)
    return station


def revoke(
    session: Session,
    issuers: credentials.Issuers,
    station_id: UUID,
    reason: str,
    *,
    compromised_since: datetime | None = None,
    now: datetime,
) -> Station:
    """From now on nothing signed by this station counts. Raises `Conflict` for one that was revoked already.

    `compromised_since`: from that moment on somebody else may have signed with its key, so what was accepted since is
    in doubt. That can still be found out of a station that was retired before, or from an earlier moment.
    """
    station = session.scalar(sa.select(Station).where(Station.id == station_id).with_for_update())
    if station is None:
        raise NotFound("There is no such station.")
    if compromised_since is not None and compromised_since > now:
        raise Invalid("Say since when: a moment that lies behind us.", field="since")
    if station.revoked_at is not None:
        earlier = station.compromised_since is None or (compromised_since or now) < station.compromised_since
        if compromised_since is None or not earlier:
            raise Conflict("This station was revoked already.")
    else:
        station.revoked_at, station.revoked_because = now, reason.strip()[:500] or "retired by its centre"
    station.compromised_since = compromised_since
    session.flush()
    published.key(session, station, "revoked", reason=station.revoked_because or "", now=now)
    centre = accreditation.find(session, station.centre_id, to_change=True)
    _say_fallen(session, centre.did, station, station.revoked_because or "", at=now)
    if centre.standing is not Standing.WITHDRAWN and centre.accredited_from is not None:
        accreditation.issue(session, issuers, centre, because=f"station {station.name} revoked", now=now)
    return station


def _say_fallen(session: Session, centre_did: str, station: Station, reason: str, *, at: datetime) -> None:
    """Tell offline verifiers, by the centre's status lists, when this key ends and since when others may have it."""
    status_lists.key_fell(
        session,
        about=centre_did,
        verification_method=station.verification_method,
        public_key=station.public_key,
        reason=reason,
        compromised_since=station.compromised_since,
        now=at,
    )


def by_method(session: Session, verification_method: str, *, now: datetime) -> Station:
    """The station that signs with this key id. Raises `NotAllowed` for one unknown, revoked or replaced."""
    station = session.scalar(sa.select(Station).where(Station.verification_method == verification_method))
    if station is None:
        raise NotAllowed("No station is enrolled under this key.")
    require_in_force(station, now=now)
    return station


def require_in_force(station: Station, *, now: datetime) -> None:
    """Raises `NotAllowed` for a station whose key was revoked, or whose day has come after another took its place."""
    if station.revoked_at is not None:
        raise NotAllowed(
            f"This station was revoked: {station.revoked_because}. Enrol it anew with a code of your centre."
        )
    if station.retires_at is not None and station.retires_at <= now:
        raise NotAllowed(
            f"The key of this station ended on {station.retires_at:%d %B %Y}; another took its place. Use the new one."
        )


def _replace(session: Session, old_id: UUID, retires_at: datetime, *, now: datetime) -> None:
    old = session.scalar(sa.select(Station).where(Station.id == old_id).with_for_update())
    if old is None or old.revoked_at is not None or old.retires_at is not None:
        return  # It was revoked or replaced since the code was made; the new key is enrolled all the same.
    old.retires_at = retires_at
    session.flush()
    published.key(session, old, "replaced", now=now)
    _say_fallen(session, session.get_one(Centre, old.centre_id).did, old, "Another key took its place.", at=retires_at)


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
