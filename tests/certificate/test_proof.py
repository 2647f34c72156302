"""The proof is the one W3C describes, and it covers every byte of the document."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.certificate import scene
from tests.certificate.scene import Scene
from wipe_agent import certificate as c
from wipe_agent.certificate import multibase, proof
from wipe_agent.certificate.strict import canonical_forms
from wipe_agent.certificate.times import read_time

W3C: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "w3c-eddsa-jcs-2022.json").read_bytes())
GOOD = Scene().documents()["certificate.json"]
FILES = Scene().files()
KEY = scene.key("station").public_key()


def test_the_test_vector_of_w3c_verifies_and_its_hash_is_the_same() -> None:
    unsigned, _ = canonical_forms(W3C["signed"])
    assert sha256(unsigned).hexdigest() == W3C["documentHash"]
    proof.check_signature(W3C["signed"]["proof"], unsigned, c.public_key_from_multibase(W3C["publicKeyMultibase"]))


def test_signing_the_test_vector_of_w3c_gives_its_signature() -> None:
    seed = multibase.decode(W3C["privateKeyMultibase"], size=34)
    assert seed.startswith(b"\x80\x26")  # multicodec ed25519-priv
    document = {name: value for name, value in W3C["signed"].items() if name != "proof"}
    given_proof = W3C["signed"]["proof"]
    signed = proof.sign(
        document,
        Ed25519PrivateKey.from_private_bytes(seed[2:]),
        verification_method=given_proof["verificationMethod"],
        created=read_time(given_proof["created"]),
    )
    assert signed == W3C["signed"]


@pytest.mark.parametrize("name", ["certificate.json", "accreditation.json", "work-order.json"])
@given(data=st.data())
def test_any_bit_that_flips_is_refused(name: str, data: st.DataObject) -> None:
    content = bytearray(FILES[name])
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    trust = c.Trust.parse(scene.trust_file())
    report = c.verify(c.Bundle.from_files({**FILES, name: bytes(content)}), trust, at=scene.AT)
    assert not report.ok
    assert report.refusal


def test_any_byte_that_is_missing_is_refused() -> None:
    content = FILES["certificate.json"]
    for at in range(0, len(content), 7):
        with pytest.raises((c.Unreadable, c.ProofRefused)):
            c.read_certificate(content[:at] + content[at + 1 :], KEY)


def test_spacing_and_order_of_members_do_not_matter() -> None:
    shuffled = dict(reversed(GOOD.items()))
    for content in (json.dumps(shuffled).encode(), json.dumps(GOOD, indent=3).encode(), FILES["certificate.json"]):
        statement = c.read_certificate(content, KEY)
        assert statement.certificate_id == scene.urn("certificate")


def test_verify_proof_takes_each_of_the_three_kinds_and_only_with_its_key() -> None:
    for document, name in zip(Scene().documents().values(), ("station", "accreditor", "market"), strict=True):
        c.verify_proof(document, scene.key(name).public_key())
        with pytest.raises(c.ProofRefused, match="changed after it was signed"):
            c.verify_proof(document, scene.key("stranger").public_key())
    with pytest.raises(c.Unreadable, match="no certificate, accreditation, work order or status list"):
        c.verify_proof({**GOOD, "type": ["VerifiableCredential"]}, KEY)
    with pytest.raises(c.Unreadable, match="@context"):
        c.verify_proof({**GOOD, "@context": GOOD["@context"][:2]}, KEY)


def test_the_certificate_of_another_kind_of_document_is_not_read_as_one() -> None:
    with pytest.raises(c.Unreadable, match="not a certificate"):
        c.read_certificate(FILES["work-order.json"], scene.key("market").public_key())


def test_signing_twice_gives_the_same_bytes_and_a_signed_document_is_not_signed_again() -> None:
    assert Scene().documents() == Scene().documents()
    with pytest.raises(ValueError, match="signed already"):
        proof.sign(GOOD, scene.key("station"), verification_method=scene.STATION, created=scene.AT)


def test_a_digest_links_to_a_signed_document_as_it_stands() -> None:
    digest = c.digest_multibase(GOOD)
    assert multibase.decode(digest) == b"\x12\x20" + sha256(FILES["certificate.json"]).digest()
    assert digest != c.digest_multibase({name: value for name, value in GOOD.items() if name != "proof"})
