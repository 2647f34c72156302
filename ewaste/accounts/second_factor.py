"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for who lost it.

The app's secret is sealed with a key that is kept outside the database. A code counts once, and the one before and
after the present one count too, as clocks differ. Recovery codes are shown once and kept as hashes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from uuid import UUID

import pyotp
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.core.database import Base
from ewaste.core.ids import ALPHABET, new_id
from ewaste.core.refusals import Invalid

STEP = 30
WINDOW = 1
RECOVERY_CODES = 10
_NONCE = 12


class Authenticator(Base):
    """Somebody's authenticator app. `last_step` is the last time step whose code was used."""

    __tablename__ = "authenticators"

    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"), primary_key=True)
    sealed_secret: Mapped[bytes]
    last_step: Mapped[int]
    made_at: Mapped[datetime]


class RecoveryCode(Base):
    """One way in for who has neither app nor passkey at hand. It counts once."""

    __tablename__ = "recovery_codes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"), index=True)
    code_hash: Mapped[str] = mapped_column(sa.CHAR(64))
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


def new_secret() -> str:
    """A fresh secret for an app, 160 bits, as apps spell it."""
    return pyotp.random_base32()


def seal(secret: str, key: str, person_id: UUID) -> bytes:
    """The secret as it is kept: readable only with the key, and only as this person's."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(_key(key)).encrypt(nonce, secret.encode(), person_id.bytes)


def unseal(sealed: bytes, key: str, person_id: UUID) -> str:
    """The secret again. Raises `Invalid` when the key is another or the text was changed."""
    try:
        return AESGCM(_key(key)).decrypt(sealed[:_NONCE], sealed[_NONCE:], person_id.bytes).decode()
    except (InvalidTag, ValueError) as error:
        raise Invalid(
            "Your authenticator app cannot be checked at the moment. Use a recovery code, or write to our desk.",
            field="code",
        ) from error


def app_address(secret: str, *, email: str, site: str) -> str:
    """What the QR code says to the app."""
    return pyotp.TOTP(secret, interval=STEP).provisioning_uri(name=email, issuer_name=site)


def matching_step(secret: str, code: str, *, now: datetime) -> int | None:
    """The time step whose code this is, within the window; None when it is no code of now."""
    bare = "".join(code.split())
    if len(bare) != 6 or not (bare.isascii() and bare.isdigit()):
        return None
    app, step = pyotp.TOTP(secret, interval=STEP), int(now.timestamp()) // STEP
    found = None
    for candidate in range(step - WINDOW, step + WINDOW + 1):
        if hmac.compare_digest(app.generate_otp(candidate), bare):
            found = candidate
    return found


def enrol(session: Session, person_id: UUID, secret: str, code: str, *, key: str, now: datetime) -> None:
    """Keep an app that just gave a right code. The one before, if there was one, counts no more."""
    step = matching_step(secret, code, now=now)
    if step is None:
        raise Invalid(
            "This is not the code that the app shows now. Wait for the next one, and check your phone's clock.",
            field="code",
        )
    session.execute(sa.delete(Authenticator).where(Authenticator.person_id == person_id))
    session.add(
        Authenticator(person_id=person_id, sealed_secret=seal(secret, key, person_id), last_step=step, made_at=now)
    )
    session.flush()


def prove(session: Session, person_id: UUID, code: str, *, key: str, now: datetime) -> None:
    """Show a code of the app, or a recovery code. Raises `Invalid`; a code that was used before is refused, too."""
    if _is_recovery(code):
        _use_recovery_code(session, person_id, code, now)
        return
    app = session.scalar(sa.select(Authenticator).where(Authenticator.person_id == person_id).with_for_update())
    step = matching_step(unseal(app.sealed_secret, key, person_id), code, now=now) if app else None
    if app is None or step is None:
        raise Invalid("This code is not right. Type the one that your app shows now.", field="code")
    if step <= app.last_step:
        raise Invalid("This code was used already. Wait until the app shows the next one.", field="code")
    app.last_step = step
    session.flush()


def remove(session: Session, person_id: UUID) -> None:
    """No app any more."""
    session.execute(sa.delete(Authenticator).where(Authenticator.person_id == person_id))


def has_app(session: Session, person_id: UUID) -> bool:
    """Whether this person has an authenticator app."""
    return session.scalar(sa.select(sa.exists().where(Authenticator.person_id == person_id))) or False


def new_recovery_codes(session: Session, person_id: UUID, *, now: datetime) -> list[str]:
    """Ten fresh recovery codes, to be shown once. Those before count no more."""
    forget_recovery_codes(session, person_id)
    codes = [
        "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4)) for _ in range(RECOVERY_CODES)
    ]
    session.add_all(
        RecoveryCode(person_id=person_id, code_hash=_hashed(person_id, code), made_at=now) for code in codes
    )
    session.flush()
    return codes


def forget_recovery_codes(session: Session, person_id: UUID) -> None:
    """No recovery codes any more."""
    session.execute(sa.delete(RecoveryCode).where(RecoveryCode.person_id == person_id))


def recovery_codes_left(session: Session, person_id: UUID) -> int:
    """How many recovery codes were not used yet."""
    return (
        session.scalar(
            sa.select(sa.func.count()).where(RecoveryCode.person_id == person_id, RecoveryCode.used_at.is_(None))
        )
        or 0
    )


def _use_recovery_code(session: Session, person_id: UUID, code: str, now: datetime) -> None:
    used = session.scalar(
        sa.update(RecoveryCode)
        .where(
            RecoveryCode.person_id == person_id,
            RecoveryCode.code_hash == _hashed(person_id, code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(RecoveryCode.id)
    )
    if used is None:
        raise Invalid("This recovery code is not right, or it was used already. Try another one.", field="code")


def _is_recovery(code: str) -> bool:
    return len(_bare(code)) == 16


def _bare(code: str) -> str:
    # O and 0, I, L and 1 are one letter here, as in every code of ours.
    return "".join(c for c in code.upper() if c.isalnum()).translate(str.maketrans("OIL", "011"))


def _hashed(person_id: UUID, code: str) -> str:
    # Eighty random bits each: a plain hash cannot be turned around by trying.
    return hashlib.sha256(person_id.bytes + _bare(code).encode()).hexdigest()


def _key(key: str) -> bytes:
    return hashlib.sha256(b"ewaste second factor v1\x00" + key.encode()).digest()
