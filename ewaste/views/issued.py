"""Which certificates of a centre are in the public log, and which of its stations signed each.

The monitor of a station knows only what that station issued. With this list it knows the others' as well, and still
warns of what its own key signed elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Organisation
from ewaste.accounts.policy import Action
from ewaste.centres.models import Station
from ewaste.certificates.models import Certificate
from ewaste.transparency.models import LogEntry, LogLeaf

AT_ONCE = 1000
FIRST = -1  # The entries of the log are counted from zero.

Issued = tuple[int, str, str]
"""The number of the entry, the digest of the certificate, and the key id of the station that signed it."""


def after(session: Session, actor: Actor, entry: int) -> Sequence[Issued]:
    """Of the actor's centre, those behind this entry of the log, the oldest first; at most `AT_ONCE`."""
    rows = session.execute(_issued(actor).where(LogLeaf.index > entry).limit(AT_ONCE))
    return [(index, digest, method) for index, digest, method in rows]


def as_list(session: Session, actor: Actor) -> str:
    """All of them as a text for `wipe-agent monitor --own`: on each line a digest and the key id behind it."""
    rows = session.execute(_issued(actor)).all()
    centre = session.scalar(sa.select(Organisation.name).where(Organisation.id == actor.organisation_id))
    head = f"# Certificates of {' '.join(str(centre).split())} in the public log, each with the key that signed it."
    return "\n".join([head, *(f"{row.digest} {row.verification_method}" for row in rows), ""])


def _issued(actor: Actor) -> sa.Select[int, str, str]:
    policy.require(actor, Action.SEE_ISSUED, centre=actor.organisation_id)
    return (
        sa.select(LogLeaf.index, Certificate.digest, Station.verification_method)
        .join(Station, Station.id == Certificate.station_id)
        .join(LogEntry, sa.and_(LogEntry.digest == Certificate.digest, LogEntry.kind == "wipe-certificate"))
        .join(LogLeaf, LogLeaf.leaf == LogEntry.leaf)
        .where(Certificate.centre_id == actor.organisation_id)
        .order_by(LogLeaf.index)
    )
