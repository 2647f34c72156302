"""Beside the legs: a key that was stolen, and the certificates that come into doubt by it or by a centre's fraud.

A key is revoked by one person, at once. Whether a certificate in doubt stands or falls, two of our people say.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import firms, letters, policy
from ewaste.accounts.models import Actor, Organisation
from ewaste.accounts.policy import Action
from ewaste.centres import accreditors, credentials, published, stations
from ewaste.centres.models import Centre, Station
from ewaste.certificates import rechecks, registry
from ewaste.certificates.models import Certificate
from ewaste.certificates.rechecks import Recheck, RecheckCause, RecheckOutcome
from ewaste.core.installation import installation
from ewaste.core.refusals import Conflict, Invalid, NotFound
from ewaste.devices import custody
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import Hold
from ewaste.market import doubts
from ewaste.transparency import log, statements


def report_key(
    session: Session,
    actor: Actor,
    station_id: UUID,
    *,
    since: datetime,
    reason: str,
    issuers: credentials.Issuers,
    centre_id: UUID | None = None,
    now: datetime,
) -> list[Recheck]:
    """A station's key may be in other hands since that moment: it counts for nothing from now on.

    The centre itself may say so; with `centre_id`, so may our desk and its accreditor, of a station of that centre.
    Every certificate of the key that no witness had seen by then is in doubt: its device leaves every sale at once, and
    seller and buyers are told.
    """
    station = session.get(Station, station_id)
    if centre_id is None:
        policy.require(actor, Action.REVOKE_STATION, centre=station.centre_id if station else None)
    else:
        policy.require(actor, Action.ACCREDIT, organisation=actor.organisation_id)
        _require_accredits(session, actor, centre_id)
    if station is None or centre_id not in (None, station.centre_id):
        raise NotFound("There is no such station.")
    if not 3 <= len(reason.strip()) <= 500:
        raise Invalid("Say what happened, in 3 to 500 characters. It is public.", field="reason")
    stations.revoke(session, issuers, station_id, reason, compromised_since=since, now=now)
    for said in published.made(session, station.centre_id, now=now):
        log.publish(session, said.document, kind=said.kind, issuer=said.issuer, now=now)
    held = rechecks.standing(session, station_id=station_id, centre_id=station.centre_id)
    seen = log.seen(session, [each.digest for each in held], kind="wipe-certificate", trusted=issuers.log)
    found = rechecks.fallen(held, seen, since)
    because = f"the key of station {station.name} may have been used by others since {since:%d %B %Y, %H:%M} UTC"
    opened = rechecks.begin(session, found, cause=RecheckCause.KEY, because=because, since=since, by=actor, now=now)
    doubts.tell_buyers(
        session,
        [certificate.device_id for certificate in found],
        subject=doubts.SUBJECT,
        text=doubts.IN_DOUBT.replace("{why}", rechecks.TOLD[RecheckCause.KEY]),
        key=f"recheck.opened {station_id} {now.isoformat()}",
        now=now,
    )
    firm = session.get_one(Organisation, station.centre_id)
    after = (
        f"{len(opened)} of your certificates are looked at again. " if opened else "No certificate is in doubt. "
    ) + "Enrol the station anew, with a fresh key: {site}/bench/stations"
    for owner in firms.owners(session, firm.id):
        letters.key_revoked(
            session, owner, firm, station=station.name, row=station.id, reason=reason, after=after, now=now
        )
    return opened


def propose_end(
    session: Session,
    actor: Actor,
    recheck_id: UUID,
    *,
    outcome: str,
    note: str,
    issuers: credentials.Issuers,
    now: datetime,
) -> Recheck:
    """One of our people looked at a certificate in doubt, and says that it stands, or that it is to be revoked.

    Raises `Conflict` for one that stands with us and with nobody else.
    """
    policy.require(actor, Action.RECHECK)
    recheck = rechecks.find(session, recheck_id)
    rechecks.propose(session, recheck, outcome, note, by=actor, now=now)
    _require_believed(session, recheck, issuers)
    return recheck


def undo_end(session: Session, actor: Actor, recheck_id: UUID) -> Recheck:
    """What was proposed is taken back. The certificate stays in doubt, and its device held."""
    policy.require(actor, Action.RECHECK)
    recheck = rechecks.find(session, recheck_id)
    rechecks.undo(session, recheck)
    return recheck


def confirm_end(
    session: Session, actor: Actor, recheck_id: UUID, *, issuers: credentials.Issuers, now: datetime
) -> Recheck:
    """A second one confirms: the certificate stands and the hold ends, or it falls and the device is wiped anew."""
    policy.require(actor, Action.RECHECK)
    certificate = session.scalar(
        sa.select(Certificate).join(Recheck, Recheck.certificate_id == Certificate.id).where(Recheck.id == recheck_id)
    )
    if certificate is None:
        raise NotFound("There is no such re-check.")
    device = custody.find(session, certificate.device_id)
    recheck = rechecks.find(session, recheck_id)
    _require_believed(session, recheck, issuers)
    outcome = rechecks.settle(session, recheck, by=actor, now=now)
    hold = session.get(Hold, recheck.hold_id) if recheck.hold_id is not None else None
    if hold is not None and hold.lifted_at is None:
        custody.lift_hold(
            session, device, hold.id, f"The certificate was looked at again: {outcome}.", by=actor, now=now
        )
    revoked = outcome is RecheckOutcome.REVOKED
    if revoked and registry.revocation(session, certificate.id) is None:
        registry.revoke(session, certificate.id, recheck.note, by=actor, now=now)
        said = statements.revocation(
            certificate=certificate.digest, credential_id=certificate.credential_id, reason=recheck.note, at=now
        )
        log.publish(session, said, kind="revocation", issuer=f"did:web:{installation(session).did_host}", now=now)
        device = custody.find(session, certificate.device_id)
    kind = "certificate.revoked" if revoked else "certificate.stands"
    evidence = {"certificate": certificate.credential_id, "reason": recheck.note, "proposedBy": recheck.proposed_name}
    custody.note(session, device, kind, by=actor, evidence=evidence, now=now)
    waits = device.state in WAYS or device.state is State.CLEARED
    if revoked and waits and device.cycle == certificate.cycle and custody.open_hold(session, device.id) is None:
        custody.move(session, device, State.CLEARING, by=actor, evidence={"because": "certificate revoked"}, now=now)
    doubts.tell_buyers(
        session,
        [device.id],
        subject=doubts.REVOKED_SUBJECT if revoked else doubts.STANDS_SUBJECT,
        text=(doubts.REVOKED if revoked else doubts.STANDS).replace("{why}", recheck.note),
        key=f"recheck.settled {recheck.id}",
        now=now,
    )
    return recheck


def _require_believed(session: Session, recheck: Recheck, issuers: credentials.Issuers) -> None:
    """No certificate stands with us that everybody else must take for revoked."""
    if recheck.outcome is not RecheckOutcome.STANDS:
        return
    digest = session.get_one(Certificate, recheck.certificate_id).digest
    seen = log.seen(session, [digest], kind="wipe-certificate", trusted=issuers.log)
    if not rechecks.survives(seen.get(digest), recheck.since):
        raise Conflict(
            f"It cannot stand: witnesses had not seen it in the log by {recheck.since:%d %B %Y, %H:%M} UTC, so whoever "
            "checks it reads that it is revoked. Propose to revoke it; its device is then wiped anew."
        )


def _require_accredits(session: Session, actor: Actor, centre_id: UUID) -> None:
    """Our desk for every centre, an accreditor for its own."""
    mine = accreditors.of(session, actor)
    centre = session.get(Centre, centre_id)
    if centre is None or not (mine.house or centre.accreditor_id == mine.id):
        raise NotFound("There is nothing here under this address, or it is not yours to see.")
