"""Certificates for the benchmarks: distinct ones of one drive each, as an agent writes them."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent import certificate as wipe

CERTIFICATES = 1_000
START = datetime(2026, 11, 20, 8, 0, 0, tzinfo=UTC)
CENTRE, METHOD = "did:web:market.example:centres:bench", "did:web:market.example:centres:bench#station-1"


def key() -> Ed25519PrivateKey:
    """The key of the centre of the benchmarks: worth nothing outside them."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"bench").digest())


def certificates(key: Ed25519PrivateKey) -> list[bytes]:
    """Distinct certificates of one drive each, signed by this key, as an agent writes them."""
    accreditor, market = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    accreditation = wipe.issue(
        wipe.accreditation_statement(
            accreditation_id=f"urn:uuid:{UUID(int=1, version=4)}",
            issuer_did="did:web:market.example:accreditation",
            issuer_name="Accreditation desk",
            valid_from=START,
            valid_until=START + timedelta(days=365),
            training=True,
            centre_did=CENTRE,
            centre_name="Bench centre",
            methods=["clear"],
            media_kinds=["ssd"],
            keys={METHOD: key.public_key()},
        ),
        accreditor,
        verification_method="did:web:market.example:accreditation#key-1",
        created=START,
    )
    made = []
    for number in range(CERTIFICATES):
        medium = {
            "id": f"urn:uuid:{UUID(int=10_000 + number, version=4)}",
            "kind": "ssd",
            "model": "PM981",
            "serial": f"S{number:07}",
        }
        order = wipe.issue(
            wipe.work_order_statement(
                work_order_id=f"urn:uuid:{UUID(int=20_000 + number, version=4)}",
                issuer_did="did:web:market.example",
                issuer_name="Market",
                valid_from=START,
                valid_until=START + timedelta(days=14),
                training=True,
                device={
                    "id": f"urn:uuid:{UUID(int=30_000 + number, version=4)}",
                    "code": "D-7K3M-9QXA",
                    "manufacturer": "Lenovo",
                    "model": "ThinkPad T480",
                    "serial": f"PF{number:06}",
                },
                custody_cycle=1,
                centre_did=CENTRE,
                centre_name="Bench centre",
                media=[medium],
                challenge=wipe.new_challenge(),
                policy="bench",
            ),
            market,
            verification_method="did:web:market.example#key-1",
            created=START,
        )
        line = wipe.MediumLine(
            medium_id=medium["id"],
            kind="ssd",
            model="PM981",
            serial=medium["serial"],
            wwn=None,
            size_bytes=256_060_514_304,
            level="clear",
            technique="overwrite-zeros",
            evidence_class="full-read",
            tool="wipe-agent",
            tool_version="0.1.0",
            started=START + timedelta(minutes=1),
            ended=START + timedelta(minutes=31),
            verified=START + timedelta(minutes=61),
            exclusions=["over-provisioned area"],
            bad_blocks=0,
            operator="Olga Brandt",
            validator=None,
            bytes_read=256_060_514_304,
        )
        end = START + timedelta(minutes=62)
        statement = wipe.certificate_statement(
            certificate_id=f"urn:uuid:{UUID(int=40_000 + number, version=4)}",
            issuer_did=CENTRE,
            issuer_name="Bench centre",
            valid_from=end,
            training=True,
            work_order=order,
            accreditation=accreditation,
            host_observed={},
            lines=[line],
        )
        made.append(wipe.canonical(wipe.issue(statement, key, verification_method=METHOD, created=end)))
    return made


def signed(data: bytes) -> tuple[bytes, bytes]:
    """The signature of a certificate and the 64 bytes it signs (eddsa-jcs-2022: hash of options, hash of document)."""
    document = json.loads(data)
    proof = document.pop("proof")
    signature = _base58(proof.pop("proofValue").removeprefix("z"))
    return signature, hashlib.sha256(wipe.canonical(proof)).digest() + hashlib.sha256(wipe.canonical(document)).digest()


def _base58(text: str) -> bytes:
    number = 0
    for letter in text:
        number = number * 58 + "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".index(letter)
    return number.to_bytes(64, "big")
