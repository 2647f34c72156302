"""A certificate comes in: from a station's sync or from an upload at the bench, by one and the same door.

Accepting is one transaction. A refusal rolls it back and is kept, with the whole bundle, in a second one; the sender
gets a receipt either way.
"""

from __future__ import annotations

from collections.abc import Mapping

from ewaste.accounts.models import Actor
from ewaste.centres.models import Station
from ewaste.certificates import registry
from ewaste.core import refusals
from ewaste.core.refusals import Invalid
from ewaste.journey import clearing
from ewaste.journey.clearing import Receipt
from ewaste.web.edge import now, runtime, transaction

ACTION = "submit a certificate"


def submit(station: Station, files: Mapping[str, str], *, brought_by: Actor | None = None) -> Receipt:
    """Submit a bundle (file name → text) as this station. A certificate that is refused gets a receipt too.

    Raises `Invalid` for what is no text at all, and any other refusal of the step as it comes.
    """
    _require_text(files)
    try:
        with transaction() as session:
            return clearing.accept_certificate(
                session,
                clearing.station_actor(station),
                files,
                issuers=runtime().issuers,
                brought_by=brought_by,
                now=now(),
            )
    except registry.CertificateRefused as refusal:
        with transaction() as session:
            registry.keep_refused(session, refusal, station_id=station.id, centre_id=station.centre_id, now=now())
            refusals.note(
                session,
                refusal,
                action=ACTION,
                actor_id=brought_by.id if brought_by else station.id,
                subject=refusal.examined.device_code or f"station={station.id}",
                now=now(),
            )
        return Receipt(
            certificate_id=refusal.examined.credential_id,
            digest=refusal.examined.digest,
            outcome="refused",
            reason=refusal.message,
            device_code=refusal.examined.device_code,
            received_at=now(),
        )


def _require_text(files: Mapping[str, str]) -> None:
    # The bundle is stored as it came, in JSON; NUL and half a surrogate pair have no place there.
    for name, text in files.items():
        try:
            whole = f"{name}{text}"
            whole.encode()
        except UnicodeEncodeError:
            whole = "\x00"
        if "\x00" in whole:
            raise Invalid(
                f"The file {name[:60]!a} holds signs that no text has. Send the bundle as it was written.",
                field="files",
            )
