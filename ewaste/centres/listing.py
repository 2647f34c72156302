"""Status lists as they are served: signed from what was said in them, fresh every day, without anything being written.

What a list says and the day decide every byte of it. So whoever asks twice gets the same list under the same tag, what
was withdrawn a moment ago is in the next answer, and no list goes stale because something else of ours stands still.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.centres import accreditors, credentials, kept_lists
from ewaste.centres.accrediting_models import Accreditor
from ewaste.core import status_lists
from ewaste.core.refusals import NotFound


def served(
    session: Session, issuers: credentials.Issuers, name: str, *, after: datetime | None = None, now: datetime
) -> str:
    """The status list of this name, signed, as a text in canonical form. Raises `NotFound`.

    It is dated the beginning of the day (UTC), or when something was said in it last on that day, or `after`: a list
    says nothing of what was signed when it was dated. It counts as fresh for seven days, so whoever keeps a copy can
    work offline for six.
    """
    found = status_lists.named(session, name)
    if found is None:
        raise NotFound("There is no such status list.")
    issuer = _signer(session, issuers, found.issuer, now=now)
    if issuer is None:
        raise NotFound("This status list is signed and served by its issuer.")
    said = status_lists.contents(session, found)
    begun = now.replace(hour=0, minute=0, second=0, microsecond=0)
    document = credentials.status_list(
        issuers,
        issuer,
        name=found.name,
        about=f"Status of {found.kind}" + (f" of {found.about}" if found.about else ""),
        withdrawals=said.withdrawals,
        keys=said.keys,
        now=min(now, max(begun, said.latest, after or begun)),
    )
    return credentials.text(document)


def _signer(session: Session, issuers: credentials.Issuers, did: str, *, now: datetime) -> credentials.Issuer | None:
    """Who signs for this DID here: the market, the house, or an accreditor whose key we keep, also one that ended."""
    if did == issuers.market.did:
        return issuers.market
    found = session.scalar(sa.select(Accreditor).where(Accreditor.did == did))
    return None if found is None else accreditors.issuer(session, issuers, found, now=now)


def for_bundle(
    session: Session, issuers: credentials.Issuers, files: Mapping[str, str], *, after: datetime, now: datetime
) -> dict[str, str]:
    """The status lists that belong into a bundle that we keep: `status.json` and `accreditation-status.json`.

    None of ours is dated before `after`, when we took the bundle in. So on its first day a bundle has lists of its own,
    and from the next day on those that everybody gets. A list that an accreditor signs itself is the newest that it
    handed in; a verifier tells how old that is. One that the bundle does not name, or that nobody handed in, is left
    out.
    """
    found: dict[str, str] = {}
    for file, address in zip(
        ("status.json", "accreditation-status.json"), credentials.status_lists_of(files), strict=True
    ):
        name = (address or "").rpartition("/")[2]
        if address is not None and issuers.status_address(name) == address:
            with contextlib.suppress(NotFound):
                found[file] = served(session, issuers, name, after=after, now=now)
        elif address is not None and file == "accreditation-status.json":
            kept = kept_lists.newest(session, credentials.issuer_of(files["accreditation.json"]), address)
            if kept is not None:
                found[file] = kept.document
    return found
