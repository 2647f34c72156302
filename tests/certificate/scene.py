"""A centre, an accreditor, a marketplace and a laptop with two drives, made anew for each test and always the same.

`build` signs the three documents and returns the files of a bundle. Each `change` gets the unsigned statement and may
spoil it before it is signed with the right key; nothing here checks what it signs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent import certificate as c
from wipe_agent.certificate import jwt, log, proof, status

ACCREDITOR = "did:web:accreditor.example"
MARKET = "did:web:market.example"
CENTRE = "did:web:market.example:centres:north"
STATION = CENTRE + "#station-1"
DAY = datetime(2026, 3, 2, tzinfo=UTC)
AT = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)

LOG = "market.example/log"
WITNESSES = ("north.example", "south.example", "west.example")
STATUS_LIST = "https://market.example/status/certificates-1"
ACCREDITATION_LIST = "https://market.example/status/accreditations-1"

Change = Callable[[dict[str, Any]], object]


def key(name: str) -> Ed25519PrivateKey:
    """A key that everybody can make again: worth nothing outside tests."""
    return Ed25519PrivateKey.from_private_bytes(sha256(b"test key: " + name.encode()).digest())


_key = key


def urn(name: str) -> str:
    """An id that is the same every time."""
    return uuid5(UUID(int=0), name).urn


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return DAY.replace(hour=hour, minute=minute, second=second)


def media() -> list[dict[str, Any]]:
    return [
        {
            "id": urn("nvme"),
            "kind": "nvme",
            "manufacturer": "Samsung",
            "model": "PM981a",
            "serial": "S4GXNF0M700001",
            "wwn": "eui.0025388700001234",
            "sizeBytes": 256_060_514_304,
        },
        {"id": urn("hdd"), "kind": "hdd", "manufacturer": "Seagate", "model": "ST1000LM035", "serial": "WL1ABCDE"},
    ]


def lines() -> list[c.MediumLine]:
    nvme = c.MediumLine(
        medium_id=urn("nvme"),
        kind="nvme",
        manufacturer="Samsung",
        model="PM981a",
        serial="S4GXNF0M700001",
        wwn="eui.0025388700001234",
        size_bytes=256_060_514_304,
        level="clear",
        technique="overwrite, one pass of zeros",
        evidence_class="full-read",
        tool="wipe-agent",
        tool_version="0.1.0",
        started=at(9, 30),
        ended=at(9, 40),
        verified=at(9, 46),
        exclusions=["over-provisioned area"],
        bad_blocks=0,
        operator="A. Weaver",
        validator="B. Stone",
        validated=at(10, 0),
        verification_method="every byte read back and compared with zero",
        validation_method="signatures of file systems and files searched for, none found",
        bytes_read=256_060_514_304,
        source="slot M.2",
        confidentiality_before="unknown",
        confidentiality_after="none",
        destination="reuse",
    )
    hdd = replace(
        nvme,
        medium_id=urn("hdd"),
        kind="hdd",
        manufacturer="Seagate",
        model="ST1000LM035",
        serial="WL1ABCDE",
        wwn=None,
        size_bytes=1_000_204_886_016,
        bytes_read=1_000_204_886_016,
        ended=at(12, 30),
        verified=at(15, 40),
        validated=at(16, 0),
        exclusions=["remapped sectors"],
        source="bay 1",
    )
    return [nvme, hdd]


def accreditation_statement(*, training: bool = False) -> dict[str, Any]:
    return c.accreditation_statement(
        accreditation_id=urn("accreditation"),
        issuer_did=ACCREDITOR,
        issuer_name="Accreditor",
        valid_from=DAY - timedelta(days=60),
        valid_until=DAY + timedelta(days=300),
        training=training,
        centre_did=CENTRE,
        centre_name="Test Centre North",
        methods=["clear", "purge", "destroy"],
        media_kinds=["hdd", "ssd", "nvme", "sim", "phone-storage"],
        keys={STATION: key("station").public_key()},
    )


def work_order_statement(*, training: bool = False) -> dict[str, Any]:
    return c.work_order_statement(
        work_order_id=urn("order"),
        issuer_did=MARKET,
        issuer_name="Marketplace",
        valid_from=at(9),
        valid_until=at(9) + timedelta(days=7),
        training=training,
        device={
            "id": urn("device"),
            "code": "LT-7K2F",
            "manufacturer": "Dell",
            "model": "Latitude 5400",
            "serial": "8XK2Q13",
        },
        custody_cycle=1,
        centre_did=CENTRE,
        centre_name="Test Centre North",
        media=media(),
        challenge=challenge("first"),
        policy="standard-2026",
    )


def challenge(name: str) -> str:
    return c.multibase.encode(b"\x80" + sha256(name.encode()).digest()[:16])


def sign(statement: Mapping[str, Any], name: str, method: str, created: datetime) -> dict[str, Any]:
    """Sign whatever is given."""
    return proof.sign(statement, key(name), verification_method=method, created=created)


SIGNED = at(16, 5)
ORDERED = at(9)


@dataclass(frozen=True)
class Scene:
    """What a test may change before everything is built."""

    training: bool = False
    lines: Sequence[c.MediumLine] | None = None
    host_observed: Mapping[str, str] | None = None
    created: datetime = SIGNED
    valid_from: datetime | None = None
    change_accreditation: Change | None = None
    change_order: Change | None = None
    change_certificate: Change | None = None
    change_signed_certificate: Change | None = None
    accreditation_key: tuple[str, str] = ("accreditor", ACCREDITOR + "#key-1")
    accredited: datetime = DAY - timedelta(days=60)
    """When the accreditor signed."""
    order_key: tuple[str, str] = ("market", MARKET + "#key-1")
    ordered: datetime = ORDERED
    """When the marketplace signed."""
    certificate_key: tuple[str, str] = ("station", STATION)
    listed: bool = False
    """Whether the documents name their places in the status lists."""

    def documents(self) -> dict[str, dict[str, Any]]:
        """The three signed documents by the name of their file."""
        accreditation = accreditation_statement(training=self.training)
        if self.listed:
            accreditation["credentialStatus"] = status.entry(ACCREDITATION_LIST, 8)
        accreditation = _changed(accreditation, self.change_accreditation)
        accreditation = sign(accreditation, *self.accreditation_key, self.accredited)
        order = work_order_statement(training=self.training)
        if self.listed:
            order["wipe"]["credentialStatus"] = status.entry(STATUS_LIST, 94_567)
        order = _changed(order, self.change_order)
        order = sign(order, *self.order_key, self.ordered)
        statement = c.certificate_statement(
            certificate_id=urn("certificate"),
            issuer_did=CENTRE,
            issuer_name="Test Centre North",
            valid_from=self.valid_from or self.created,
            training=self.training,
            work_order=order,
            accreditation=accreditation,
            host_observed=self.host_observed
            if self.host_observed is not None
            else {"manufacturer": "Dell Inc.", "model": "Latitude 5400", "serial": "8XK2Q13"},
            lines=lines() if self.lines is None else self.lines,
            location="Hall 3, Rotterdam",
            contact="desk@north.example",
        )
        certificate = sign(_changed(statement, self.change_certificate), *self.certificate_key, self.created)
        _changed(certificate, self.change_signed_certificate)
        return {"certificate.json": certificate, "accreditation.json": accreditation, "work-order.json": order}

    def files(self) -> dict[str, bytes]:
        """The files of the bundle."""
        files = {name: c.canonical(document) for name, document in self.documents().items()}
        return {**files, "dids.json": c.canonical(c.dids_document(did_documents()))}

    def report(self, *, at: datetime = AT, training: bool = False) -> c.Report:
        """What a verifier says."""
        trust = c.Trust.parse(trust_file(training=self.training))
        return c.verify(c.Bundle.from_files(self.files()), trust, at=at, training=training)


def did_documents() -> list[dict[str, Any]]:
    return [
        c.did_document(did, {method: key(name).public_key()})
        for did, method, name in (
            (ACCREDITOR, ACCREDITOR + "#key-1", "accreditor"),
            (MARKET, MARKET + "#key-1", "market"),
            (CENTRE, STATION, "station"),
        )
    ]


def envelope(certificate: Mapping[str, Any], *, name: str = "station") -> bytes:
    """The `certificate.jwt` of a certificate, signed with the key of this name."""
    return jwt.envelop(certificate, key(name), verification_method=STATION).encode()


@dataclass(frozen=True)
class After:
    """What came after the signing of a scene's certificate: the log and the lists. Signs whatever is given."""

    witnessed: Mapping[str, datetime] = field(
        default_factory=lambda: {"north.example": at(17), "south.example": at(17, 10)}
    )
    kind: str = "wipe-certificate"
    issuer: str = CENTRE
    place: int = 2
    withdrawn: Sequence[status.Withdrawn] = ()
    accreditation_withdrawn: Sequence[status.Withdrawn] = ()
    keys: Sequence[status.KeyFallen] = ()
    listed_from: datetime = AT
    training: bool = False
    change_list: Change | None = None
    change_accreditation_list: Change | None = None
    list_key: tuple[str, str] = ("market", MARKET + "#key-1")
    accreditation_list_key: tuple[str, str] = ("accreditor", ACCREDITOR + "#key-1")

    def files(self, certificate: Mapping[str, Any]) -> dict[str, bytes]:
        """The proof from a log of five leaves, and both status lists."""
        return {
            "log-proof.txt": self.proof(certificate),
            "status.json": self.status_list(),
            "accreditation-status.json": self.accreditation_list(),
        }

    def proof(self, certificate: Mapping[str, Any]) -> bytes:
        leaf = log.Leaf(self.kind, self.issuer, c.digest_multibase(certificate))
        leaves = [log.leaf_hash(b"leaf %d" % number) for number in range(5)]
        leaves[self.place] = leaf.hash
        frontier, made = log.Frontier().extend(leaves)
        nodes = dict(made)
        checkpoint = log.Checkpoint(LOG, 5, frontier.root())
        note = checkpoint.signed(key(LOG)).and_signed(
            *(log.checkpoint.cosign(checkpoint, name, key(name), at=time) for name, time in self.witnessed.items())
        )
        hashes = log.inclusion_proof(self.place, 5, lambda wanted: [nodes[node] for node in wanted])
        return bytes(log.LogProof(self.place, hashes, bytes(note)))

    def status_list(self) -> bytes:
        statement = c.status_list_statement(
            list_id=STATUS_LIST,
            issuer_did=MARKET,
            issuer_name="Marketplace",
            valid_from=self.listed_from,
            training=self.training,
            withdrawn=self.withdrawn,
            about="Status of certificates",
        )
        return c.canonical(sign(_changed(statement, self.change_list), *self.list_key, self.listed_from))

    def accreditation_list(self) -> bytes:
        statement = c.status_list_statement(
            list_id=ACCREDITATION_LIST,
            issuer_did=ACCREDITOR,
            issuer_name="Accreditor",
            valid_from=self.listed_from,
            training=self.training,
            withdrawn=self.accreditation_withdrawn,
            keys=self.keys,
            about="Status of the accreditations of Test Centre North",
        )
        changed = _changed(statement, self.change_accreditation_list)
        return c.canonical(sign(changed, *self.accreditation_list_key, self.listed_from))


def station_fallen(reason: str, *, at: datetime, compromised_since: datetime | None = None) -> status.KeyFallen:
    """The station's key, as the accreditor's list tells that it has fallen."""
    text = c.public_key_multibase(key("station").public_key())
    return status.KeyFallen(STATION, text, at, reason, compromised_since)


def trusted_log() -> dict[str, str]:
    vkey = log.VerifierKey.of(LOG, log.ED25519, key(LOG).public_key())
    return {"origin": LOG, "vkey": str(vkey), "name": "Log of the marketplace"}


def trusted_witness(name: str, *, key: str | None = None) -> dict[str, str]:
    vkey = log.VerifierKey.of(name, log.COSIGNATURE, _key(key or name).public_key())
    return {"vkey": str(vkey), "name": name}


def trust_with_log(*, training: bool = False, needed: int = 2) -> dict[str, Any]:
    """The trust file with the log and three witnesses, two of which must have seen a certificate."""
    plain = trust_document(training=training)
    return c.trust_document(
        training=training,
        updated=DAY - timedelta(days=60),
        parties=plain["parties"],
        logs=[trusted_log()],
        witnesses=[trusted_witness(name) for name in WITNESSES],
        witnesses_needed=needed,
    )


def trust_document(*, training: bool = False) -> dict[str, Any]:
    accreditor, market, _ = did_documents()
    return c.trust_document(
        training=training,
        updated=DAY - timedelta(days=60),
        parties=[
            {"name": "Accreditor", "roles": ["accreditor"], "didDocument": accreditor},
            {"name": "Marketplace", "roles": ["marketplace"], "didDocument": market},
        ],
    )


def trust_with_end() -> dict[str, Any]:
    """The trust file after its accreditor ended, five minutes before `SIGNED`."""
    accreditor, market = trust_document()["parties"]
    return c.trust_document(training=False, updated=at(16), parties=[accreditor | {"until": at(16)}, market])


def trust_with_new_keys(*, lost: datetime | None = None) -> dict[str, Any]:
    """The trust file after accreditor and marketplace changed their keys, five minutes before `SIGNED`.

    With `lost`, the old keys ended in the evening, as others may have had them since that moment.
    """
    before = trust_with_log()
    until = at(16) if lost is None else at(21)
    parties = []
    for party, did, name in zip(before["parties"], (ACCREDITOR, MARKET), ("accreditor", "market"), strict=True):
        keys = {f"{did}#key-1": key(name).public_key(), f"{did}#key-2": key(f"{name} 2").public_key()}
        end = {"id": f"{did}#key-1", "until": until, "compromisedSince": lost}
        parties.append(party | {"didDocument": c.did_document(did, keys), "keyEnds": [end]})
    return c.trust_document(
        training=False,
        updated=until,
        parties=parties,
        logs=before["logs"],
        witnesses=before["witnesses"],
        witnesses_needed=2,
    )


def trust_file(*, training: bool = False) -> bytes:
    return c.canonical(trust_document(training=training))


def _changed(document: dict[str, Any], change: Change | None) -> dict[str, Any]:
    if change is not None:
        change(document)
    return document
