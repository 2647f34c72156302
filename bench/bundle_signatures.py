"""What a whole bundle costs to verify, against the signatures in it alone: at most two and a half times as much.

200 distinct bundles with everything that a bundle can have: certificate, accreditation and work order, the certificate
as `vc+jwt`, both status lists, and the proof from the log with two cosignatures: nine signatures. The raw side verifies
the same nine over the same bytes, already parsed and hashed. Nothing is cached but keys. Both are measured in seconds
of the processor, which a busy machine disturbs less than the clock on the wall.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bench.certificates import signed
from bench.paired import Result, measure
from tests.certificate import scene as s
from tests.certificate.scene import After, Scene
from wipe_agent import certificate as wipe
from wipe_agent.certificate import log

BUNDLES = 200
SIGNATURES = 9
SIGNED = {
    "certificate.json": "station",
    "accreditation.json": "accreditor",
    "work-order.json": "market",
    "status.json": "market",
    "accreditation-status.json": "accreditor",
}
"""Whose key signs which document."""
Raw = tuple[Ed25519PublicKey, bytes, bytes]


def run(pairs: int) -> Result:
    """Bundles a second, each verified once a pair, against the raw signatures of as many bundles."""
    trust = wipe.Trust.of(s.trust_with_log())
    bundles = [wipe.Bundle.from_files(_files(number)) for number in range(BUNDLES)]
    raw = [list(_raw(bundle)) for bundle in bundles]
    for bundle, signatures in zip(bundles, raw, strict=True):
        report = wipe.verify(bundle, trust, at=s.AT)
        cautious = [check.text for check in report.checks if check.level != "holds"]
        if cautious or len(signatures) != SIGNATURES:
            raise ValueError(f"a bundle does not verify as it should: {cautious}, {len(signatures)} signatures")

    def ours() -> float:
        began = time.process_time()
        for bundle in bundles:
            wipe.verify(bundle, trust, at=s.AT)
        return BUNDLES / (time.process_time() - began)

    def versus() -> float:
        began = time.process_time()
        for signatures in raw:
            for key, signature, message in signatures:
                key.verify(signature, message)
        return BUNDLES / (time.process_time() - began)

    return measure("bundle/signatures", "bundles/s", ours, versus, pairs=pairs)


def _files(number: int) -> dict[str, bytes]:
    def change(order: dict[str, Any]) -> None:
        order["id"] = s.urn(f"order {number}")
        order["credentialSubject"]["device"] |= {"id": s.urn(f"device {number}"), "code": f"LT-{number}"}
        order["credentialSubject"]["challenge"] = s.challenge(str(number))

    scene = Scene(listed=True, change_order=change)
    certificate = scene.documents()["certificate.json"]
    return {**scene.files(), "certificate.jwt": s.envelope(certificate), **After().files(certificate)}


def _raw(bundle: wipe.Bundle) -> Iterator[Raw]:
    """Every signature of a bundle with its key and the bytes that it covers."""
    for name, owner in SIGNED.items():
        yield s.key(owner).public_key(), *signed(bundle.files[name])
    said, _, signature = bundle.files["certificate.jwt"].rpartition(b".")
    yield s.key("station").public_key(), base64.urlsafe_b64decode(signature + b"=="), said
    note = log.Note.parse(log.LogProof.parse(bundle.files["log-proof.txt"]).checkpoint)
    for one in note.signatures:
        # A witness signs the time as well (C2SP tlog-cosignature); it stands before its signature.
        seconds = int.from_bytes(one.value[:-64], "big")
        time_line = f"cosignature/v1\ntime {seconds}\n" if seconds else ""
        yield s.key(one.name).public_key(), one.value[-64:], (time_line + note.text).encode()
