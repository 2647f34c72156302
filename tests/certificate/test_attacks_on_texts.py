"""Attacks on what is read and on how it is checked: spellings, sizes, archives, algorithms, contexts, keys, the log.

`test_attacks.py` has the list of all attacks and names these in it.
"""

from __future__ import annotations

import base64
import gzip
import json
import zipfile
from dataclasses import replace
from functools import cache, partial
from io import BytesIO
from typing import Any

import pytest

from tests.certificate import scene as s
from tests.certificate.refusals import refused, replaced, verified
from tests.certificate.scene import After, Scene
from wipe_agent import certificate as c
from wipe_agent.certificate import log, multibase


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'"custodyCycle":1', b'"custodyCycle":2,"custodyCycle":1', 'the member "custodyCycle" twice in one object'),
        (b'"custodyCycle":1', b'"custody\\u0043ycle":2,"custodyCycle":1', 'the member "custodyCycle" twice'),
        (b'"custodyCycle":1', b'"custodyCycle":1.0', "has the number 1.0. Only whole numbers are read"),
        (b'"custodyCycle":1', b'"custodyCycle":1e0', "has the number 1e0. Only whole numbers are read"),
        (b'"custodyCycle":1', b'"custodyCycle":NaN', "has NaN, which is not JSON"),
        (b'"badBlocks":0', b'"badBlocks":-0', "has the number -0. Write 0"),
        (b'"custodyCycle":1', b'"custodyCycle":9007199254740993', "Whole numbers go up to 2^53 - 1"),
        (b"A. Weaver", b"A. \\ud800Weaver", "has half a character (a lone surrogate)"),
        (b"A. Weaver", b"A. \\u202eWeaver", "has a control character"),
        (b"A. Weaver", b"A. \xffWeaver", "is not UTF-8"),
        (b"A. Weaver", b"A. \xc0\xafWeaver", "is not UTF-8"),
        (b'"operator"', '"о\u0440erator"'.encode(), "Names are ASCII"),
    ],
)  # fmt: skip
def test_what_two_readers_could_read_in_two_ways_is_not_read(old: bytes, new: bytes, words: str) -> None:
    files = Scene().files()
    bent = files["certificate.json"].replace(old, new, 1)
    assert bent != files["certificate.json"]
    check, text = refused(Scene(), report=verified(replaced(files, certificate=bent)))
    assert check == "readable"
    assert text.startswith("The certificate ")
    assert words in text


def test_a_letter_that_only_looks_the_same_is_another_letter() -> None:
    nvme, hdd = s.lines()
    check, text = refused(Scene(lines=[nvme, replace(hdd, serial="WL1АBCDE")]))  # the fourth one is Cyrillic
    assert (check, text) == (
        "coverage",
        "The work order expects the serial number WL1ABCDE, the certificate covers WL1АBCDE. Another medium was wiped.",
    )


@pytest.mark.parametrize(
    ("filling", "words"),
    [
        (b'"x":"' + b"x" * 65_536 + b'",', "More than 65536 are not read"),
        (b'"x":[' + b"0," * 4_096 + b"0],", "has more than 4096 values"),
        (b'"x":' + b"[" * 20 + b"]" * 20 + b",", "is nested deeper than 16 levels"),
        (b'"x":' + b"[" * 30_000 + b"]" * 30_000 + b",", "is nested deeper than 16 levels"),
        (b'"x":' + b"9" * 40_000 + b",", "Whole numbers go up to 2^53 - 1"),
    ],
)
def test_what_is_huge_or_nested_is_refused_before_anything_is_looked_at(filling: bytes, words: str) -> None:
    files = Scene().files()
    big = files["work-order.json"][:1] + filling + files["work-order.json"][1:]
    with pytest.raises(c.Unreadable, match=words.replace("^", r"\^")):
        c.read(big, what="work order")
    try:
        report = verified(replaced(files, work_order=big))
    except c.Unreadable as too_large:
        assert "has more than 65536 bytes. It is not read" in str(too_large)  # noqa: PT017 - the bundle's own limit
        return
    check, text = refused(Scene(), report=report)
    assert check == "readable"
    assert text.startswith("The work order ")
    assert words in text


def test_an_archive_that_inflates_is_read_up_to_its_limit() -> None:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, content in Scene().files().items():
            writer.writestr(name, b" " * 100_000_000 if name == "certificate.json" else content)
    assert len(archive.getvalue()) < 200_000
    with pytest.raises(c.Unreadable) as refusal:
        c.Bundle.from_zip(archive.getvalue())
    assert str(refusal.value) == "certificate.json has more than 65536 bytes. It is not read."


def test_a_status_list_that_inflates_is_read_up_to_its_limit() -> None:
    bomb = "u" + base64_url(gzip.compress(bytes(30_000_000), mtime=0))

    def inflate(document: dict[str, Any]) -> None:
        document["credentialSubject"]["encodedList"] = bomb

    check, text = refused(Scene(listed=True), after=After(change_list=inflate))
    assert check == "status"
    assert "list" in text


def base64_url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def with_proof(**changes: Any) -> Scene:
    return Scene(change_signed_certificate=lambda document: document["proof"].update(changes))


def test_the_message_does_not_choose_its_algorithm() -> None:
    for changes in (
        {"cryptosuite": "eddsa-rdfc-2022"},
        {"cryptosuite": "none"},
        {"type": "JsonWebSignature2020"},
        {"cryptosuite": ["eddsa-jcs-2022"]},
    ):
        assert refused(with_proof(**changes)) == (
            "certificate-proof",
            "The certificate has a proof of another kind. Only eddsa-jcs-2022 is admitted.",
        )
    assert refused(with_proof(jws="eyJhbGciOiJub25lIn0..")) == (
        "certificate-proof",
        "The certificate has a proof with members missing or unknown.",
    )
    assert refused(Scene(change_signed_certificate=lambda made: made.update(proof=[made["proof"]]))) == (
        "certificate-proof",
        "The certificate has no single proof.",
    )


def test_a_key_under_which_everything_verifies_is_not_used() -> None:
    """The identity point: one signature fits every message."""
    identity = bytes([1]) + bytes(31)

    def list_it(accreditation: dict[str, Any]) -> None:
        scope = accreditation["credentialSubject"]["conformityAssessment"][0]["accreditationScope"]
        scope["keys"][0]["publicKeyMultibase"] = multibase.encode(b"\xed\x01" + identity)

    def sign_nothing(certificate: dict[str, Any]) -> None:
        certificate["proof"]["proofValue"] = multibase.encode(identity + bytes(32))

    check, text = refused(Scene(change_accreditation=list_it, change_signed_certificate=sign_nothing))
    assert (check, "has small order: one signature could fit many messages" in text) == ("key", True)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "EdDSA", "ES256"])
def test_the_second_form_does_not_choose_its_algorithm_either(algorithm: str) -> None:
    scene = Scene(listed=True)
    certificate = scene.documents()["certificate.json"]
    header, payload, signature = s.envelope(certificate).split(b".")
    said = {**json.loads(_from_base64(header)), "alg": algorithm}
    bent = base64_url(c.canonical(said)).encode() + b"." + payload + b"." + (b"" if algorithm == "none" else signature)
    files = {**scene.files(), **After().files(certificate), "certificate.jwt": bent}
    check, text = refused(scene, report=verified(files))
    assert check == "envelope"
    assert "is signed in another way than with Ed25519 as vc+jwt" in text


def _from_base64(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def set_context(context: list[str], document: dict[str, Any]) -> None:
    document["@context"] = context


def test_words_must_mean_what_the_format_says() -> None:
    """W3C's own algorithm takes an appended context; the words could then mean something else."""
    for changed in (
        [*c.vocabulary.CONTEXT, "https://elsewhere.example/context"],
        list(reversed(c.vocabulary.CONTEXT)),
        list(c.vocabulary.CONTEXT[:2]),
        ["https://elsewhere.example/context"],
    ):
        scene = Scene(change_certificate=partial(set_context, changed))
        assert refused(scene) == (
            "context",
            "The certificate does not carry exactly this format's @context, so its words may mean anything.",
        )


def test_keys_that_come_with_a_bundle_count_for_nothing() -> None:
    stranger = Scene(
        accreditation_key=("stranger", s.ACCREDITOR + "#key-1"), order_key=("stranger", s.MARKET + "#key-1")
    )
    listed = [c.did_document(did, {f"{did}#key-1": s.key("stranger").public_key()}) for did in (s.ACCREDITOR, s.MARKET)]
    files = stranger.files() | {"dids.json": c.canonical(c.dids_document(listed))}
    assert refused(stranger, report=verified(files)) == (
        "accreditation-proof",
        "The accreditation was changed after it was signed, or was signed with another key.",
    )
    untrusted = c.verify(c.Bundle.from_files(files), None, at=s.AT)
    assert untrusted.refusal == ("There is no trusted issuer. Give a trust file, or enrol this station to pin one.")


# ---------------------------------------------------------------------------- the log


@cache
def tree(size: int, *, without: int | None = None) -> log.Frontier:
    leaves = [log.leaf_hash(b"leaf %d" % number) for number in range(size + (without is not None)) if number != without]
    return log.Frontier().extend(leaves)[0]


def test_two_logs_of_one_size_are_seen() -> None:
    with pytest.raises(log.LogRefused) as refusal:
        log.verify_consistency(7, 7, (), tree(7).root(), tree(7, without=3).root())
    assert str(refusal.value) == "There are two different logs of 7 entries."


def test_a_log_that_forgot_an_entry_is_seen() -> None:
    leaves = [log.leaf_hash(b"leaf %d" % number) for number in range(12) if number != 3]
    nodes = dict(log.Frontier().extend(leaves)[1])
    proof = log.consistency_proof(7, 11, lambda wanted: [nodes[node] for node in wanted])
    with pytest.raises(log.LogRefused) as refusal:
        log.verify_consistency(7, 11, proof, tree(7).root(), log.Frontier().extend(leaves)[0].root())
    assert str(refusal.value) == ("The log of 11 entries does not begin with the log of 7 that was seen before.")
    with pytest.raises(log.LogRefused, match="it lost some"):
        log.verify_consistency(7, 6, (), tree(7).root(), tree(6).root())
