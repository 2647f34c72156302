"""The credentials we issue to centres: accreditations and work orders; and the trust file that verifiers pin.

Two kinds of issuers speak here, each with a key of its own: accreditors, who say which centre may certify what with
which keys, and the market, which orders one device to be wiped once. Our keys lie in files that only the owner reads.
An accreditor that signs with its own key hands its credential in, and `read_accreditation` verifies it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ewaste.core.log_trust import NO_LOG, LogTrust, name_of
from ewaste.core.status_lists import Place, StatusKey, StatusWithdrawal
from wipe_agent import certificate as wipe

ACCREDITOR_NAME = "Clearhand accreditation desk"
MARKET_NAME = "Clearhand market"


@dataclass(frozen=True)
class Issuer:
    """One who signs: a DID, a name for people, a key, and which of its keys that is."""

    did: str
    name: str
    key: Ed25519PrivateKey
    number: int = 1

    @property
    def verification_method(self) -> str:
        """The id of the key in the DID document."""
        return f"{self.did}#key-{self.number}"


@dataclass(frozen=True)
class Issuers:
    """The accreditor and the market of this installation."""

    accreditor: Issuer
    market: Issuer
    did_host: str
    training: bool
    founded: datetime
    log: LogTrust = NO_LOG
    """The log and the witnesses that the trust file names."""
    folder: Path | None = None
    """Where the keys lie, also those of accreditors that we host."""

    @classmethod
    def load(cls, folder: Path, *, did_host: str, training: bool, founded: datetime, log: LogTrust = NO_LOG) -> Issuers:
        """Read both keys from `folder`, making them (mode 0600, folder 0700) when the market is new."""
        return cls(
            accreditor=Issuer(f"did:web:{did_host}:accreditation", ACCREDITOR_NAME, _key(folder / "accreditor.pem")),
            market=Issuer(f"did:web:{did_host}", MARKET_NAME, _key(folder / "market.pem")),
            did_host=did_host,
            training=training,
            founded=founded.replace(microsecond=0),
            log=log,
            folder=folder,
        )

    def accreditor_did(self, slug: str) -> str:
        """The DID that we host for an accreditor without a site of its own."""
        return f"did:web:{self.did_host}:accreditors:{slug}"

    def hosted(self, did: str, name: str, number: int = 1) -> Issuer:
        """An accreditor whose keys we keep, the house among them, with its key of this number; made when it is new.

        The files are named after its DID, those of the house after nobody.
        """
        if did == self.accreditor.did and number == self.accreditor.number:
            return self.accreditor
        if self.folder is None:
            raise LookupError("These issuers have no folder of keys.")
        whose = "" if did == self.accreditor.did else f"-{hashlib.sha256(did.encode()).hexdigest()[:16]}"
        which = "" if number == 1 else f"-{number}"
        return Issuer(did, name, _key(self.folder / f"accreditor{whose}{which}.pem"), number)

    def centre_did(self, slug: str) -> str:
        """The DID that we host for a centre."""
        return f"did:web:{self.did_host}:centres:{slug}"

    def status_address(self, name: str) -> str:
        """Where a status list is served: at the site that the market's DID names (did:web), under this name."""
        host = urllib.parse.unquote(self.did_host)
        scheme = "http" if host.partition(":")[0] in ("localhost", "127.0.0.1") else "https"
        return f"{scheme}://{host}/status/{name}"


def challenge() -> str:
    """A fresh single-use challenge."""
    return wipe.new_challenge()


def digest(document: Mapping[str, Any]) -> str:
    """The digest by which one credential names another."""
    return wipe.digest_multibase(document)


def read_public_key(text: str) -> Ed25519PublicKey:
    """A station's public key as it was sent. Raises `ValueError` when it is none, or one that must not be used."""
    return wipe.public_key_from_multibase(text)


@dataclass(frozen=True)
class KeyEnd:
    """When a key of an accreditor ended or will end, and since when others may have had it."""

    until: datetime
    compromised_since: datetime | None = None


@dataclass(frozen=True)
class Party:
    """An accreditor in the trust file, with every key that it ever had, and their ends."""

    did: str
    name: str
    keys: Mapping[str, str]
    since: datetime
    """When this was last changed."""
    until: datetime | None = None
    """When it ended: nothing that was signed after this counts."""
    ends: Mapping[str, KeyEnd] = field(default_factory=dict)
    """Verification method of a key that ended, or will, to its end."""

    def did_document(self) -> dict[str, Any]:
        """Its DID document: each key whose signatures still count for something, but none that others may have."""
        lost = {method for method, end in self.ends.items() if end.compromised_since is not None}
        return keys_did_document(self.did, {method: key for method, key in self.keys.items() if method not in lost})


@dataclass(frozen=True)
class Read:
    """What an accreditation that somebody else signed says, after it was verified."""

    document: dict[str, Any]
    credential_id: str
    centre_did: str
    centre_name: str
    methods: list[str]
    media_kinds: list[str]
    keys: dict[str, str]
    valid_from: datetime
    valid_until: datetime


def read_accreditation(text: str, issuer: Party, *, training: bool) -> Read:
    """An accreditation as its accreditor signed it. Raises `ValueError` with the sentence that says what is wrong."""
    document = wipe.read(text.encode("utf-8", "surrogatepass"), what="accreditation")
    if "WipeAccreditation" not in (document.get("type") or ()):
        raise ValueError("This is no accreditation.")
    _require_proof(document, issuer, "accreditation")
    if document["wipe"]["training"] is not training:
        raise ValueError("Practice and real work do not meet: the accreditation is for the other one.")
    subject = document["credentialSubject"]
    scope = subject["conformityAssessment"][0]["accreditationScope"]
    return Read(
        document=document,
        credential_id=document["id"],
        centre_did=subject["issuedToParty"]["id"],
        centre_name=subject["issuedToParty"]["name"],
        methods=list(scope["methods"]),
        media_kinds=list(scope["mediaKinds"]),
        keys={key["id"]: key["publicKeyMultibase"] for key in scope["keys"]},
        valid_from=datetime.fromisoformat(document["validFrom"]),
        valid_until=datetime.fromisoformat(document["validUntil"]),
    )


@dataclass(frozen=True)
class ReadList:
    """What a status list that somebody else signed says of itself, after it was verified."""

    document: str
    address: str
    dated: datetime
    fresh_until: datetime


def read_status_list(text: str, issuer: Party, *, training: bool) -> ReadList:
    """A status list as its accreditor signed it. Raises `ValueError` with the sentence that says what is wrong."""
    document = wipe.read(text.encode("utf-8", "surrogatepass"), what="status list")
    if "BitstringStatusListCredential" not in (document.get("type") or ()):
        raise ValueError("This is no status list.")
    _require_proof(document, issuer, "status list")
    said = wipe.read_status_list(document)
    if said.training is not training:
        raise ValueError("Practice and real work do not meet: the list is for the other one.")
    return ReadList(wipe.canonical(document).decode(), said.id, said.valid_from, said.valid_until)


def taken_back(before: str, after: str) -> int:
    """How much of what a status list told as withdrawn a later one does not tell, or tells less strictly."""
    old, new = (wipe.read_status_list(wipe.read(text.encode(), what="status list")) for text in (before, after))
    size = max(len(old.bits), len(new.bits))
    was, now = (int.from_bytes(each.bits.ljust(size, b"\0")) for each in (old, new))
    places = (was & ~now).bit_count()
    for index, told in new.withdrawn.items():
        # A place without a moment since when counts for nothing at all.
        if told.compromised_since is not None and index < old.places and old.is_set(index):
            first = old.withdrawn[index].compromised_since if index in old.withdrawn else None
            places += first is None or told.compromised_since > first
    keys = 0
    for text in {key.public_key for key in old.keys}:
        key = read_public_key(text)
        fell, falls = old.fallen(key), new.fallen(key)
        keys += falls is None or (fell is not None and _is_milder(fell, falls))
    return places + keys


def _is_milder(before: wipe.KeyFallen, after: wipe.KeyFallen) -> bool:
    """Whether more of what a key signed counts again: others had it only from later on, or never, or it ended later."""
    if before.compromised_since is None:
        return after.compromised_since is None and after.at > before.at
    return after.compromised_since is None or after.compromised_since > before.compromised_since


def _require_proof(document: Mapping[str, Any], issuer: Party, what: str) -> None:
    """The document is signed with a key of this issuer that could sign it. Raises `ValueError`."""
    proof = document.get("proof")
    method = proof.get("verificationMethod") if isinstance(proof, dict) else None
    key = issuer.keys.get(method) if isinstance(method, str) else None
    if key is None:
        raise ValueError("The key that signed it is not in the accreditor's DID document as we know it.")
    try:
        wipe.verify_proof(document, read_public_key(key))
    except wipe.ProofRefused as error:
        raise ValueError(f"The {what} {error}") from error
    _require_key(issuer, document["proof"])
    if document["issuer"]["id"] != issuer.did:
        raise ValueError(f"It was issued by {document['issuer']['id']}, and you act for {issuer.did}.")


def _require_key(issuer: Party, proof: Mapping[str, Any]) -> None:
    """Raises `ValueError` where a proof was made after the end of its key, or others may have the key."""
    end = issuer.ends.get(proof["verificationMethod"])
    if end is None:
        return
    if end.compromised_since is not None:
        raise ValueError("Others may have the key that signed it. Sign it anew, with the key that took its place.")
    if datetime.fromisoformat(proof["created"]) > end.until:
        raise ValueError(f"The key that signed it ended on {end.until:%d %B %Y, %H:%M} UTC. Sign it with the new one.")


def read_did_document(text: str) -> tuple[str, dict[str, str]]:
    """The DID and the keys (verification method → multibase) of a DID document that somebody handed in.

    Raises `ValueError` with the sentence that says what is wrong.
    """
    document = wipe.read(text.encode("utf-8", "surrogatepass"), what="DID document")
    party = {"name": "accreditor", "roles": ["accreditor"], "didDocument": document}
    probe = wipe.trust_document(training=True, updated=datetime(2026, 1, 1, tzinfo=UTC), parties=[party])
    wipe.Trust.of(wipe.read(wipe.canonical(probe), what="DID document"))
    asserted = set(document["assertionMethod"])
    keys = {
        method["id"]: method["publicKeyMultibase"]
        for method in document["verificationMethod"]
        if method["id"] in asserted
    }
    if not keys:
        raise ValueError("The DID document lists no key that may sign accreditations.")
    if any(method.partition("#")[0] != document["id"] for method in keys):
        raise ValueError("A key of the DID document belongs to another DID.")
    return document["id"], keys


def accreditation(
    issuers: Issuers,
    accreditor: Issuer,
    *,
    credential_id: str,
    centre_did: str,
    centre_name: str,
    methods: Sequence[str],
    media_kinds: Sequence[str],
    keys: Mapping[str, str],
    valid_from: datetime,
    valid_until: datetime,
    place: Place | None = None,
    now: datetime,
) -> dict[str, Any]:
    """A signed accreditation. `keys` maps a verification method to a public key in multibase.

    `place` is its place in a status list.
    """
    statement = wipe.accreditation_statement(
        accreditation_id=credential_id,
        issuer_did=accreditor.did,
        issuer_name=accreditor.name,
        valid_from=valid_from,
        valid_until=valid_until,
        training=issuers.training,
        centre_did=centre_did,
        centre_name=centre_name,
        methods=methods,
        media_kinds=media_kinds,
        keys={method: read_public_key(key) for method, key in keys.items()},
        status=_entry(issuers, place),
    )
    return _sign(statement, accreditor, now)


def work_order(
    issuers: Issuers,
    *,
    credential_id: str,
    device: Mapping[str, str],
    custody_cycle: int,
    centre_did: str,
    centre_name: str,
    media: Sequence[Mapping[str, Any]],
    order_challenge: str,
    policy: str,
    valid_from: datetime,
    valid_until: datetime,
    supersedes: str | None,
    place: Place | None = None,
) -> dict[str, Any]:
    """A signed work order for one device in one custody cycle, with every medium that is expected in it.

    `place` is the place in the market's status list that the certificate will carry.
    """
    statement = wipe.work_order_statement(
        work_order_id=credential_id,
        issuer_did=issuers.market.did,
        issuer_name=issuers.market.name,
        valid_from=valid_from,
        valid_until=valid_until,
        training=issuers.training,
        device=device,
        custody_cycle=custody_cycle,
        centre_did=centre_did,
        centre_name=centre_name,
        media=media,
        challenge=order_challenge,
        policy=policy,
        supersedes=supersedes,
        certificate_status=_entry(issuers, place),
    )
    return _sign(statement, issuers.market, valid_from)


def status_list(
    issuers: Issuers,
    issuer: Issuer,
    *,
    name: str,
    about: str,
    withdrawals: Sequence[StatusWithdrawal],
    keys: Sequence[StatusKey],
    now: datetime,
) -> dict[str, Any]:
    """A signed status list, fresh for seven days from `now`. `about` is its name for people."""
    statement = wipe.status_list_statement(
        list_id=issuers.status_address(name),
        issuer_did=issuer.did,
        issuer_name=issuer.name,
        valid_from=now,
        training=issuers.training,
        withdrawn=[
            wipe.Withdrawn(index=one.place, at=one.at, reason=one.reason, compromised_since=one.compromised_since)
            for one in withdrawals
        ],
        keys=[
            wipe.KeyFallen(
                verification_method=key.verification_method,
                public_key=key.public_key,
                at=key.at,
                reason=key.reason,
                compromised_since=key.compromised_since,
            )
            for key in keys
        ],
        about=about,
    )
    return _sign(statement, issuer, now)


def place_of(document: str, *, issuers: Issuers) -> Place | None:
    """The place in one of our status lists that a stored credential names; None when it names none of ours."""
    said = wipe.read(document.encode(), what="credential").get("credentialStatus")
    if not isinstance(said, dict):
        return None
    name = str(said["statusListCredential"]).rpartition("/")[2]
    if issuers.status_address(name) != said["statusListCredential"]:
        return None
    return Place(name, int(said["statusListIndex"]))


def status_lists_of(files: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The addresses of the status lists that a stored bundle names: for the certificate, for the accreditation."""
    addresses = []
    for file in ("certificate.json", "accreditation.json"):
        said = wipe.read(files[file].encode(), what=file).get("credentialStatus")
        addresses.append(str(said["statusListCredential"]) if isinstance(said, dict) else None)
    return addresses[0], addresses[1]


def trust_file(issuers: Issuers, accreditors: Sequence[Party] = ()) -> dict[str, Any]:
    """What a verifier pins: who may accredit centres and who may issue work orders, with their keys.

    `accreditors` are those beside the house, those that ended with their end; and the house, once it changed its key.
    The file changes only when an accreditor or a key does, so its fingerprint can be published and compared. The keys
    of the log and of the witnesses are among them: a station that pinned an older file goes on with that one, and sees
    no log.
    """
    ours, market = issuers.accreditor, issuers.market
    alone = Party(ours.did, ours.name, {ours.verification_method: public_key_text(ours)}, issuers.founded)
    house = next((party for party in accreditors if party.did == ours.did), alone)
    others = [party for party in accreditors if party is not house]
    return wipe.trust_document(
        training=issuers.training,
        updated=max([issuers.founded, *(party.since for party in accreditors)]).replace(microsecond=0),
        parties=[
            _listed(house),
            {"name": market.name, "roles": ["marketplace"], "didDocument": did_document(market)},
            *(_listed(party) for party in others),
        ],
        logs=[{"origin": name_of(vkey), "vkey": vkey, "name": f"{MARKET_NAME} log"} for vkey in issuers.log.logs],
        witnesses=[{"vkey": vkey, "name": name_of(vkey)} for vkey in issuers.log.witnesses],
        witnesses_needed=issuers.log.needed,
    )


def _listed(party: Party) -> dict[str, Any]:
    return {
        "name": party.name,
        "roles": ["accreditor"],
        "didDocument": keys_did_document(party.did, party.keys),
        "until": party.until,
        "keyEnds": [
            {"id": method, "until": end.until, "compromisedSince": end.compromised_since}
            for method, end in party.ends.items()
        ],
    }


def trust_bytes(issuers: Issuers, accreditors: Sequence[Party] = ()) -> bytes:
    """The trust file as it is served and pinned: in canonical form."""
    return wipe.canonical(trust_file(issuers, accreditors))


def trust_fingerprint(issuers: Issuers, accreditors: Sequence[Party] = ()) -> str:
    """The short name of our trust file, as `wipe-agent enrol` shows it."""
    return wipe.fingerprint(trust_bytes(issuers, accreditors))


def did_document(issuer: Issuer) -> dict[str, Any]:
    """The DID document of the accreditor or the market."""
    return wipe.did_document(issuer.did, {issuer.verification_method: issuer.key.public_key()})


def keys_did_document(did: str, keys: Mapping[str, str]) -> dict[str, Any]:
    """The DID document of a centre or an accreditor: its keys that are in force; `keys` as in `accreditation`."""
    return wipe.did_document(did, {method: read_public_key(key) for method, key in keys.items()})


def dids_file(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The `dids.json` of a bundle."""
    return wipe.dids_document(documents)


def public_key_text(issuer: Issuer) -> str:
    """An issuer's public key in multibase."""
    return wipe.public_key_multibase(issuer.key.public_key())


def key_of(document: str) -> str:
    """The verification method of the key that signed a stored credential."""
    return str(wipe.read(document.encode(), what="credential")["proof"]["verificationMethod"])


def issuer_of(document: str) -> str:
    """The DID of who issued a stored credential."""
    return str(wipe.read(document.encode(), what="accreditation")["issuer"]["id"])


def text(document: Mapping[str, Any]) -> str:
    """A credential as it is stored and sent: in canonical form, so that the file's SHA-256 is its digest."""
    return wipe.canonical(document).decode()


def _entry(issuers: Issuers, place: Place | None) -> dict[str, str] | None:
    return None if place is None else wipe.status_entry(issuers.status_address(place.name), place.index)


def _sign(statement: dict[str, Any], issuer: Issuer, created: datetime) -> dict[str, Any]:
    return wipe.issue(statement, issuer.key, verification_method=issuer.verification_method, created=created)


def _key(path: Path) -> Ed25519PrivateKey:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)  # The first process wins; the others read what it wrote.
        finally:
            draft.unlink()
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} holds no Ed25519 key.")
    return key
