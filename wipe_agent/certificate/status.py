"""Status lists (W3C Bitstring Status List 1.0): which credentials of an issuer were withdrawn, since when and why.

A list has one bit for each of 131,072 places or more. A credential names its list and its place; a set bit says that
it was withdrawn. The bit carries no date. So our lists also say, under `wipe`, when and why a place was set, and which
keys of a centre no longer count: that is signed with the list and as fresh as it.

Pure: no clock, no network. What is read is read strictly and bounded; it raises `Unreadable`.
"""

import base64
import binascii
import gzip
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from wipe_agent.certificate import vocabulary as v
from wipe_agent.certificate.multibase import public_key_multibase
from wipe_agent.certificate.strict import MAX_BYTES, MAX_VALUES, Unreadable, canonical
from wipe_agent.certificate.times import read_time, write_time

PLACES: Final = 131_072
"""The least that W3C admits, so that one place among them says little about whose it is."""
MOST_PLACES: Final = 1_048_576
LIFE: Final = timedelta(days=7)
"""How long a list counts as fresh after its `validFrom`."""
# What the entries of a list may take of what the strict reader takes, with room for the rest of the document.
_BYTES: Final = MAX_BYTES - 4_096
_VALUES: Final = MAX_VALUES - 96
_ENCODED: Final = re.compile(r"u[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A place that was set: when, why, and since when nothing that the credential backs is to be believed.

    `compromised_since` is for accreditations that were withdrawn for fraud. A certificate that witnesses saw before it
    still stands; without it none does.
    """

    index: int
    at: datetime
    reason: str
    compromised_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeyFallen:
    """A station's key that no longer counts: retired at `at`, or known to others since `compromised_since`."""

    verification_method: str
    public_key: str
    at: datetime
    reason: str
    compromised_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class StatusList:
    """What a status list says. To be believed only when its signature holds."""

    id: str
    issuer_did: str
    valid_from: datetime
    valid_until: datetime
    training: bool
    bits: bytes
    withdrawn: Mapping[int, Withdrawn]
    keys: Sequence[KeyFallen]

    @property
    def places(self) -> int:
        """How many credentials the list has room for."""
        return 8 * len(self.bits)

    def is_set(self, index: int) -> bool:
        """Whether the credential at this place was withdrawn. Raises Unreadable for a place that the list lacks."""
        if not 0 <= index < self.places:
            raise Unreadable(f"The status list has {self.places} places, and none with the number {index}.")
        return bool(self.bits[index >> 3] & (0x80 >> (index & 7)))

    def fallen(self, public_key: Ed25519PublicKey) -> KeyFallen | None:
        """What the list says of this key, or None. By the key itself: a new name does not make it good again.

        Where it says several things, the one that reaches back furthest counts.
        """
        text = public_key_multibase(public_key)
        said = [key for key in self.keys if key.public_key == text]
        return min(said, key=lambda key: (key.compromised_since is None, key.compromised_since or key.at), default=None)


def encode(indices: Iterable[int], *, places: int = PLACES) -> str:
    """The bits with these places set, as `encodedList` writes them: u and base64url of GZIP. ValueError outside."""
    if places % 8 or not PLACES <= places <= MOST_PLACES:
        raise ValueError(f"A status list cannot have {places} places.")
    bits = bytearray(places // 8)
    for index in indices:
        if not 0 <= index < places:
            raise ValueError(f"{index} is no place of this list.")
        bits[index >> 3] |= 0x80 >> (index & 7)
    packed = gzip.compress(bytes(bits), compresslevel=9, mtime=0)
    return "u" + base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bits of an `encodedList`, inflated no further than 128 KiB. Raises Unreadable."""
    if not _ENCODED.fullmatch(text):
        raise Unreadable("The status list is not written as u and base64url without padding.")
    digits = text[1:]
    try:
        packed = base64.b64decode(digits + "=" * (-len(digits) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("The status list is not base64url.") from None
    if base64.urlsafe_b64encode(packed).rstrip(b"=").decode() != digits:
        raise Unreadable("The status list has stray bits at its end.")
    inflater = zlib.decompressobj(wbits=31)  # the GZIP format and no other
    try:
        bits = inflater.decompress(packed, MOST_PLACES // 8 + 1)
    except zlib.error:
        raise Unreadable("The status list is not packed with GZIP.") from None
    if len(bits) > MOST_PLACES // 8:
        raise Unreadable(f"The status list has more than {MOST_PLACES} places. It is not read.")
    if not inflater.eof or inflater.unused_data or inflater.unconsumed_tail:
        raise Unreadable("The status list is cut off, or something follows it.")
    if 8 * len(bits) < PLACES:
        raise Unreadable(f"The status list has {8 * len(bits)} places. At least {PLACES} are asked for.")
    return bits


def entry(list_id: str, index: int) -> dict[str, str]:
    """The `credentialStatus` of the credential at a place of a list. W3C writes the number as a text."""
    return {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": str(index),
        "statusListCredential": list_id,
    }


def status_list_statement(
    *,
    list_id: str,
    issuer_did: str,
    issuer_name: str,
    valid_from: datetime,
    training: bool,
    withdrawn: Sequence[Withdrawn],
    keys: Sequence[KeyFallen] = (),
    about: str,
) -> dict[str, Any]:
    """The unsigned status list: fresh from `valid_from` for seven days. `list_id` is the address it is served at.

    `about` is its name for people. Every place of `withdrawn` is set. Where the dates and reasons of all would make the
    list too large to be read, those of the latest are told; the keys are told always. ValueError when these alone do
    not fit.
    """
    named = [_key_document(key) for key in sorted(keys, key=lambda key: (key.at, key.verification_method))]
    encoded = encode(one.index for one in withdrawn)
    left = _BYTES - len(encoded) - len(canonical(named))
    values = _VALUES - 6 * len(named)
    if left < 0 or values < 0:
        raise ValueError("The keys that have fallen do not fit into the status list. Open another list.")
    told: list[dict[str, Any]] = []
    for one in sorted(withdrawn, key=lambda one: (one.at, one.index), reverse=True):
        said = _withdrawn_document(one)
        left, values = left - len(canonical(said)) - 1, values - 5
        if left < 0 or values < 0:
            break
        told.append(said)
    told.sort(key=lambda said: int(said["statusListIndex"]))
    return {
        "@context": list(v.CONTEXT),
        "id": list_id,
        "type": list(v.STATUS_LIST_TYPE),
        "issuer": {"type": ["CredentialIssuer"], "id": issuer_did, "name": issuer_name},
        "validFrom": write_time(valid_from),
        "validUntil": write_time(valid_from + LIFE),
        "name": about,
        "wipe": {"training": training, "revocations": told, "revokedKeys": named},
        "credentialSubject": {
            "id": list_id + "#list",
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": encoded,
        },
    }


def read_status_list(document: Mapping[str, Any]) -> StatusList:
    """The values of a status list whose shape has been checked. Raises Unreadable where it contradicts itself."""
    said, wipe = document["credentialSubject"], document["wipe"]
    found = StatusList(
        id=document["id"],
        issuer_did=document["issuer"]["id"],
        valid_from=read_time(document["validFrom"]),
        valid_until=read_time(document["validUntil"]),
        training=wipe["training"],
        bits=decode(said["encodedList"]),
        withdrawn={
            int(one["statusListIndex"]): Withdrawn(
                index=int(one["statusListIndex"]),
                at=read_time(one["at"]),
                reason=one["reason"],
                compromised_since=_maybe_time(one),
            )
            for one in wipe["revocations"]
        },
        keys=[
            KeyFallen(
                verification_method=one["verificationMethod"],
                public_key=one["publicKeyMultibase"],
                at=read_time(one["at"]),
                reason=one["reason"],
                compromised_since=_maybe_time(one),
            )
            for one in wipe["revokedKeys"]
        ],
    )
    if len(found.withdrawn) != len(wipe["revocations"]):
        raise Unreadable("The status list tells of one place twice.")
    if any(not found.is_set(index) for index in found.withdrawn):
        raise Unreadable("The status list tells why a place was set that is not set.")
    if not found.valid_from < found.valid_until <= found.valid_from + LIFE:
        raise Unreadable(f"The status list says that it is fresh for another time than {LIFE.days} days at most.")
    return found


def _withdrawn_document(one: Withdrawn) -> dict[str, Any]:
    return {
        "statusListIndex": str(one.index),
        "at": write_time(one.at),
        "reason": one.reason,
        **_since(one.compromised_since),
    }


def _key_document(key: KeyFallen) -> dict[str, Any]:
    return {
        "verificationMethod": key.verification_method,
        "publicKeyMultibase": key.public_key,
        "at": write_time(key.at),
        "reason": key.reason,
        **_since(key.compromised_since),
    }


def _since(time: datetime | None) -> dict[str, str]:
    return {} if time is None else {"compromisedSince": write_time(time)}


def _maybe_time(one: Mapping[str, Any]) -> datetime | None:
    return read_time(one["compromisedSince"]) if "compromisedSince" in one else None
