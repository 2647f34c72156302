"""Beside the legs: an accreditor, be it the house, changes its key. One person proposes, another of our desk confirms.

From then on the trust file tells of both keys. Whoever pinned an older one goes on believing the old key, so they are
told to pin it anew.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from ewaste.accounts import letters, policy
from ewaste.accounts.models import Actor, Role
from ewaste.accounts.policy import Action
from ewaste.centres import accreditation, accreditors, credentials, published, rekeying
from ewaste.centres.accrediting_models import Accreditor, AccreditorKeyChange
from ewaste.centres.models import Centre, Standing
from ewaste.certificates import rechecks
from ewaste.certificates.models import Certificate
from ewaste.certificates.rechecks import RecheckCause
from ewaste.core.refusals import NotFound
from ewaste.market import doubts
from ewaste.transparency import log

CAUSE = RecheckCause.ACCREDITOR_KEY


def propose_key(
    session: Session,
    actor: Actor,
    accreditor_id: UUID,
    *,
    old_method: str,
    did_document: str = "",
    ends_at: datetime | None = None,
    compromised_since: datetime | None = None,
    reason: str,
    issuers: credentials.Issuers,
    now: datetime,
) -> AccreditorKeyChange:
    """One of our people, or of the accreditor's own, proposes another key. Our desk is told that it waits."""
    accreditor = _accreditor(session, actor, accreditor_id)
    change = rekeying.propose(
        session,
        issuers,
        accreditor,
        old_method=old_method,
        did_document=did_document,
        ends_at=ends_at,
        compromised_since=compromised_since,
        reason=reason,
        by=actor,
        now=now,
    )
    for person in accreditors.people(session, accreditors.house(session)):
        if person.id != actor.id:
            letters.to_confirm(
                session,
                person,
                what=f"change the key of {accreditor.name}",
                proposed_by=actor.name,
                reason=change.reason,
                where="/staff/accreditors",
                key=f"accreditor.key-proposed {change.id}",
                now=now,
            )
    return change


def confirm_key(
    session: Session, actor: Actor, change_id: UUID, *, issuers: credentials.Issuers, now: datetime
) -> AccreditorKeyChange:
    """A second person, of our desk, compared the key and confirms it. The log says so; the accreditor is told.

    Where others may have had the old key, every centre gets an accreditation under the new one, as far as we sign it,
    and what no witness had seen certified under the old one by then is in doubt: its devices leave every sale until two
    people have looked.
    """
    policy.require(actor, Action.ADMIT_ACCREDITOR)
    change = rekeying.find(session, change_id)
    centres = accreditation.of_accreditor(session, change.accreditor_id)  # Centres are locked before their accreditor.
    accreditor = accreditors.find(session, change.accreditor_id, to_change=True)
    session.refresh(change)
    for said in rekeying.confirm(session, change, accreditor, by=actor, now=now):
        log.publish(session, said.document, kind=said.kind, issuer=said.issuer, now=now)
    if change.compromised_since is not None:
        _replace_accreditations(session, issuers, accreditor, centres, now=now)
        _doubt(session, accreditor, change, since=change.compromised_since, by=actor, issuers=issuers, now=now)
    _tell(session, accreditor, change, now=now)
    return change


def undo_key(session: Session, actor: Actor, change_id: UUID, *, now: datetime) -> AccreditorKeyChange:
    """The proposal is taken back before it was confirmed, by our desk or by the accreditor's people."""
    change = rekeying.find(session, change_id)
    _accreditor(session, actor, change.accreditor_id)
    session.refresh(change)
    rekeying.undo(session, change, by=actor, now=now)
    return change


def _accreditor(session: Session, actor: Actor, accreditor_id: UUID) -> Accreditor:
    """The accreditor, for our desk or its own people. The policy is asked first; another's looks absent."""
    if actor.role is not Role.ACCREDITOR:
        policy.require(actor, Action.ADMIT_ACCREDITOR)
        return accreditors.find(session, accreditor_id, to_change=True)
    policy.require(actor, Action.ACCREDIT, organisation=actor.organisation_id)
    if accreditors.of(session, actor).id != accreditor_id:
        raise NotFound("There is no such accreditor.")
    return accreditors.find(session, accreditor_id, to_change=True)


def _replace_accreditations(
    session: Session, issuers: credentials.Issuers, accreditor: Accreditor, centres: list[Centre], *, now: datetime
) -> None:
    for centre in centres:
        if centre.standing in (Standing.ACCREDITED, Standing.SUSPENDED) and centre.accredited_from is not None:
            accreditation.issue(session, issuers, centre, because=f"a new key of {accreditor.name}", now=now)
            for said in published.made(session, centre.organisation_id, now=now):
                log.publish(session, said.document, kind=said.kind, issuer=said.issuer, now=now)


def _doubt(
    session: Session,
    accreditor: Accreditor,
    change: AccreditorKeyChange,
    *,
    since: datetime,
    by: Actor,
    issuers: credentials.Issuers,
    now: datetime,
) -> None:
    held: list[Certificate] = []
    for centre_id in accreditation.signed_with(session, change.old_method):
        held += rechecks.standing(session, station_id=None, centre_id=centre_id)
    held = [one for one in held if credentials.key_of(str(one.bundle["accreditation.json"])) == change.old_method]
    seen = log.seen(session, [each.digest for each in held], kind="wipe-certificate", trusted=issuers.log)
    found = rechecks.fallen(held, seen, since)
    found.sort(key=lambda one: (one.device_id, one.accepted_at))  # Devices are locked in this order.
    because = f"the key of {accreditor.name} may have been used by others since {since:%d %B %Y, %H:%M} UTC"
    rechecks.begin(session, found, cause=CAUSE, because=because, since=since, by=by, now=now)
    doubts.tell_buyers(
        session,
        [certificate.device_id for certificate in found],
        subject=doubts.SUBJECT,
        text=doubts.IN_DOUBT.replace("{why}", rechecks.TOLD[CAUSE]),
        key=f"recheck.opened {change.id} {now.isoformat()}",
        now=now,
    )


def _tell(session: Session, accreditor: Accreditor, change: AccreditorKeyChange, *, now: datetime) -> None:
    if accreditor.house:
        return
    after = "Whoever verifies pins the trust file anew: {site}/trust.json"
    if accreditor.own_key and change.compromised_since is not None:
        after += "\n\nSign the accreditations of your centres anew, and hand them in: {site}/staff/accreditation"
    for person in accreditors.people(session, accreditor):
        letters.accreditor_key_changed(
            session, person, called=accreditor.name, old=change.old_method, new=change.new_method,
            reason=change.reason, after=after, row=change.id, now=now,
        )  # fmt: skip
