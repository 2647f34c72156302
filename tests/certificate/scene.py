"""A centre, an accreditor, a marketplace and a laptop with two drives, made anew for each test and always the same.

`build` signs the three documents and returns the files of a bundle. Each `change` gets the unsigned statement and may
spoil it before it is signed with the right key; nothing here checks what it signs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent import certificate as c
from wipe_agent.certificate import proof

ACCREDITOR = "did:web:accreditor.example"
MARKET = "did:web:market.example"
CENTRE = "did:web:market.example:centres:north"
STATION = CENTRE + "#station-1"
DAY = datetime(2026, 3, 2, tzinfo=UTC)
AT = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)

Change = Callable[[dict[str, Any]], object]


def key(name: str) -> Ed25519PrivateKey:
    """A key that everybody can make again: worth nothing outside tests."""
    return Ed25519PrivateKey.from_private_bytes(sha256(b"test key: " + name.encode()).digest())


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
    order_key: tuple[str, str] = ("market", MARKET + "#key-1")
    certificate_key: tuple[str, str] = ("station", STATION)

    def documents(self) -> dict[str, dict[str, Any]]:
        """The three signed documents by the name of their file."""
        accreditation = _changed(accreditation_statement(training=self.training), self.change_accreditation)
        accreditation = sign(accreditation, *self.accreditation_key, DAY - timedelta(days=60))
        order = _changed(work_order_statement(training=self.training), self.change_order)
        order = sign(order, *self.order_key, at(9))
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


def trust_file(*, training: bool = False) -> bytes:
    return c.canonical(trust_document(training=training))


def _changed(document: dict[str, Any], change: Change | None) -> dict[str, Any]:
    if change is not None:
        change(document)
    return document
