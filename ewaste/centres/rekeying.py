"""An accreditor changes its key: one person proposes, another confirms. The trust file tells until when each counts.

What the old key signed before its end stays good. Where others may have had the key, nothing of it is believed that
witnesses had not seen by then: dates of a thief's say nothing. Of an accreditor whose keys we keep, the new key is made
here, and begins to sign when the old one ends; one with a key of its own hands in its DID document anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts.models import Actor
from ewaste.centres import accreditors, credentials
from ewaste.centres.accrediting_models import (
    IN_ORDER,
    Accreditor,
    AccreditorKey,
    AccreditorKeyChange,
    DecisionOutcome,
)
from ewaste.centres.published import Said, key_statement
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound

LONGEST_OVERLAP = timedelta(days=30)


def find(session: Session, change_id: UUID) -> AccreditorKeyChange:
    """One proposed change. Raises `NotFound`."""
    found = session.get(AccreditorKeyChange, change_id)
    if found is None:
        raise NotFound("There is no such proposal.")
    return found


def propose(
    session: Session,
    issuers: credentials.Issuers,
    accreditor: Accreditor,
    *,
    old_method: str,
    did_document: str,
    ends_at: datetime | None,
    compromised_since: datetime | None,
    reason: str,
    by: Actor,
    now: datetime,
) -> AccreditorKeyChange:
    """One person proposes that this key ends, and which takes its place. Nothing is in force by it.

    Raises `Invalid` with the field, `Conflict` where another change waits or the key has its end already.
    """
    if by.id is None:
        raise NotAllowed("Only a person changes a key.")
    accreditors.require_in_force(accreditor)
    if not 3 <= len(reason.strip()) <= 500:
        raise Invalid("Say why, in 3 to 500 characters. It is public.", field="reason")
    _require_ends(ends_at, compromised_since, now=now)
    waiting = sa.select(AccreditorKeyChange.id).where(
        AccreditorKeyChange.accreditor_id == accreditor.id, AccreditorKeyChange.outcome.is_(None)
    )
    if session.scalar(waiting) is not None:
        raise Conflict("A change of its keys waits already. Confirm it, or take it back first.")
    keys = _keys(session, issuers, accreditor)
    old = next((key for key in keys if key.verification_method == old_method), None)
    if old is None:
        raise Invalid("Choose one of its keys.", field="old_method")
    if old.compromised_since is not None or (old.revoked_at is not None and compromised_since is None):
        raise Conflict("This key has its end already.", field="old_method")
    new = _new_key(issuers, accreditor, keys, old, did_document)
    change = AccreditorKeyChange(
        accreditor_id=accreditor.id,
        old_method=old_method,
        new_method=new[0] if new else None,
        new_public_key=new[1] if new else None,
        ends_at=ends_at,
        compromised_since=compromised_since,
        reason=reason.strip(),
        proposed_by=by.id,
        proposed_name=by.name,
        proposed_at=now,
    )
    session.add(change)
    session.flush()
    return change


def confirm(
    session: Session, change: AccreditorKeyChange, accreditor: Accreditor, *, by: Actor, now: datetime
) -> list[Said]:
    """A second person confirms: the trust file lists the new key and the end of the old one from now on.

    Returns what is said of both in public, for the log. Raises `Conflict`.
    """
    _require_waiting(change)
    if change.proposed_by == by.id:
        raise Conflict("You proposed this. Somebody else of our desk has to look at it and confirm it.")
    accreditors.require_in_force(accreditor)
    change.outcome, change.decided_by, change.decided_name, change.decided_at = (
        DecisionOutcome.CONFIRMED, by.id, by.name, now,
    )  # fmt: skip
    session.flush()
    said = []
    if change.new_method is not None and change.new_public_key is not None:
        session.add(
            AccreditorKey(
                accreditor_id=accreditor.id,
                verification_method=change.new_method,
                public_key=change.new_public_key,
                added_at=now,
            )
        )
        said.append(key_statement(change.new_method, change.new_public_key, "enrolled", now=now))
    old = session.scalars(
        sa.select(AccreditorKey).where(AccreditorKey.verification_method == change.old_method).with_for_update()
    ).one()
    if old.revoked_at is None:
        old.revoked_at, old.revoked_because = max(change.ends_at or now, now), change.reason
    old.compromised_since = change.compromised_since
    session.flush()
    said.append(
        key_statement(
            old.verification_method,
            old.public_key,
            "replaced" if change.compromised_since is None else "revoked",
            retires_at=old.revoked_at if change.compromised_since is None else None,
            compromised_since=change.compromised_since,
            reason=change.reason,
            now=now,
        )
    )
    return [Said("key", accreditor.did, document) for document in said]


def undo(session: Session, change: AccreditorKeyChange, *, by: Actor, now: datetime) -> None:
    """The proposal comes to nothing; it stays on record. Raises `Conflict`."""
    _require_waiting(change)
    change.outcome, change.decided_by, change.decided_name, change.decided_at = (
        DecisionOutcome.UNDONE, by.id, by.name, now,
    )  # fmt: skip
    session.flush()


def _require_waiting(change: AccreditorKeyChange) -> None:
    if change.outcome is not None:
        raise Conflict("This was decided already. Reload the page and look.")


def _require_ends(ends_at: datetime | None, compromised_since: datetime | None, *, now: datetime) -> None:
    if compromised_since is not None:
        if ends_at is not None:
            raise Invalid("A key that others may have ends at once. Leave its day out.", field="ends_at")
        if compromised_since > now:
            raise Invalid("Say since when: a moment that lies behind us.", field="since")
    elif ends_at is not None and not now <= ends_at <= now + LONGEST_OVERLAP:
        raise Invalid("The old key ends today, or within 30 days.", field="ends_at")


def _keys(session: Session, issuers: credentials.Issuers, accreditor: Accreditor) -> list[AccreditorKey]:
    """The keys of an accreditor, the oldest first. The first one of the house is written down when it is asked for."""
    rows = list(
        session.scalars(
            sa.select(AccreditorKey).where(AccreditorKey.accreditor_id == accreditor.id).order_by(*IN_ORDER)
        )
    )
    if rows or not accreditor.house:
        return rows
    first = AccreditorKey(
        accreditor_id=accreditor.id,
        verification_method=issuers.accreditor.verification_method,
        public_key=credentials.public_key_text(issuers.accreditor),
        added_at=accreditor.confirmed_at or accreditor.named_at,
    )
    session.add(first)
    session.flush()
    return [first]


def _new_key(
    issuers: credentials.Issuers,
    accreditor: Accreditor,
    keys: list[AccreditorKey],
    old: AccreditorKey,
    did_document: str,
) -> tuple[str, str] | None:
    """The key that takes the place of `old`: its verification method and itself. None where another one stays."""
    others = [key for key in keys if key is not old and key.revoked_at is None]
    if accreditor.own_key:
        if did_document.strip():
            return _handed_in(accreditor, {key.verification_method: key.public_key for key in keys}, did_document)
        if not others:
            raise Invalid(
                "Give its DID document with the new key. Without one it could sign nothing.", field="did_document"
            )
        return None
    if others:
        return None
    signer = issuers.hosted(accreditor.did, accreditor.name, len(keys) + 1)
    return signer.verification_method, credentials.public_key_text(signer)


def _handed_in(accreditor: Accreditor, known: Mapping[str, str], document: str) -> tuple[str, str]:
    """The one key of a DID document that we do not know yet."""
    if len(document) > accreditors.DOCUMENT:
        raise Invalid("The DID document is too long.", field="did_document")
    try:
        did, listed = credentials.read_did_document(document)
    except ValueError as error:
        raise Invalid(f"The DID document cannot be used: {error}", field="did_document") from error
    if did != accreditor.did:
        raise Invalid(f"The DID document is that of {did}, and not of {accreditor.did}.", field="did_document")
    if any(listed.get(method, key) != key for method, key in known.items()):
        raise Invalid(
            "The DID document gives another key the name of one that we know. Give the new key a new name.",
            field="did_document",
        )
    fresh = {method: key for method, key in listed.items() if method not in known}
    if len(fresh) != 1 or set(fresh.values()) & set(known.values()):
        raise Invalid("The DID document must list one key that we do not know yet, and no more.", field="did_document")
    return next(iter(fresh.items()))
