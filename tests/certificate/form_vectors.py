"""The vectors of what cannot be read, is in another form than this format's, or has a proof that does not hold."""

import base64
import json
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

from tests.certificate import scene as s
from tests.certificate.changes import put, put_in_assessment, with_status, zipped
from tests.certificate.scene import Scene
from tests.certificate.vector import Files, Vector
from wipe_agent import certificate as c
from wipe_agent.certificate import multibase


def unread() -> Iterator[Vector]:
    """Every vector that fails before anything of what it says is looked at, in the order of the manifest."""
    yield from _unreadable()
    yield from _forms()
    yield from _proofs()


def _unreadable() -> Iterator[Vector]:
    files = Scene().files()
    text = files["certificate.json"]

    def with_certificate(name: str, reason: str, content: bytes) -> Vector:
        return Vector(name, reason, "readable", {**files, "certificate.json": content})

    yield Vector(
        "no-certificate",
        "A folder without certificate.json is no bundle.",
        "bundle",
        _without(files, "certificate.json"),
    )
    yield Vector("no-work-order", "The work order is missing.", "readable", _without(files, "work-order.json"))
    yield Vector("no-accreditation", "The accreditation is missing.", "readable", _without(files, "accreditation.json"))
    yield with_certificate(
        "duplicate-member",
        "A member stands twice in one object.",
        text.replace(b'"wipe":', b'"name":"other","wipe":', 1),
    )
    yield with_certificate(
        "duplicate-member-escaped",
        "The second spelling of the name is escaped.",
        text.replace(b'"wipe":', b'"na\\u006de":"other","wipe":', 1),
    )
    yield with_certificate("float", "A number has a fraction.", text.replace(b'"badBlocks":0', b'"badBlocks":0.0', 1))
    yield with_certificate(
        "exponent", "A number has an exponent.", text.replace(b'"badBlocks":0', b'"badBlocks":0e0', 1)
    )
    yield with_certificate("minus-zero", "A number is -0.", text.replace(b'"badBlocks":0', b'"badBlocks":-0', 1))
    yield with_certificate(
        "large-integer", "A number is 2^53.", text.replace(b'"badBlocks":0', b'"badBlocks":9007199254740992', 1)
    )
    yield with_certificate("not-a-number", "NaN is not JSON.", text.replace(b'"badBlocks":0', b'"badBlocks":NaN', 1))
    yield with_certificate("byte-order-mark", "The file begins with a byte order mark.", b"\xef\xbb\xbf" + text)
    yield with_certificate("not-utf-8", "A name is in Latin-1.", text.replace(b"Weaver", "Wéaver".encode("latin-1"), 1))
    yield with_certificate("lone-surrogate", "Half a character.", text.replace(b"Weaver", b"W\\ud83d", 1))
    yield with_certificate(
        "control-character", "An escape that a terminal obeys.", text.replace(b"Weaver", b"\\u001b[2J", 1)
    )
    yield with_certificate(
        "reversed-text", "A mark that reverses what people see.", text.replace(b"Weaver", "\u202eWeaver".encode(), 1)
    )
    yield with_certificate(
        "member-name-not-ascii", "A member's name is not ASCII.", text.replace(b'"wipe"', '"wípe"'.encode(), 1)
    )
    yield with_certificate(
        "too-deep", "17 levels.", text.replace(b'"badBlocks":0', b'"badBlocks":' + b"[" * 12 + b"]" * 12, 1)
    )
    yield with_certificate("far-too-deep", "20,000 levels.", b"[" * 20_000 + b"]" * 20_000)
    yield Vector("too-large", "More than 65,536 bytes.", "bundle", {**files, "certificate.json": text + b" " * 65_536})
    yield with_certificate(
        "too-many-values",
        "More than 4,096 values.",
        text.replace(b'"badBlocks":0', b'"badBlocks":[' + b"0," * 4_100 + b"0]", 1),
    )
    yield with_certificate("truncated", "The file ends in the middle.", text[: len(text) // 2])
    yield with_certificate("not-an-object", "A list is no document.", b"[" + text + b"]")
    yield with_certificate("trailing-text", "Something follows the document.", text + b"{}")
    yield Vector(
        "zip-bomb",
        "certificate.json inflates to 64 MB.",
        "bundle",
        {},
        zipped=zipped({**files, "certificate.json": b" " * 67_108_864}, ""),
    )
    yield Vector("zip-two-certificates", "Which of the two counts?", "bundle", {}, zipped=_zip_twice(files))


def _forms() -> Iterator[Vector]:
    def appended(document: dict[str, Any]) -> None:
        document["@context"].append("https://example.org/other-words/v1")

    def reordered(document: dict[str, Any]) -> None:
        document["@context"].reverse()

    yield Vector(
        "context-appended",
        "Another context could give the words another meaning.",
        "context",
        Scene(change_certificate=appended).files(),
    )
    yield Vector("context-reordered", "The order of contexts counts.", "context", Scene(change_order=reordered).files())
    files = Scene().files()
    yield Vector(
        "wrong-type",
        "The work order stands in the certificate's place.",
        "type",
        {**files, "certificate.json": files["work-order.json"]},
    )
    for name, reason, change in (
        ("unknown-member", "A member that the format does not know.", put("wipe.note", "all clear")),
        ("unknown-kind", "A kind of medium that does not exist.", _set_record("medium.kind", "tape")),
        ("unknown-evidence-class", "An evidence class that does not exist.", _set_record("evidenceClass", "trust-me")),
        ("time-with-offset", "A time is written another way.", _set_record("started", "2026-03-02T09:30:00+00:00")),
        ("time-impossible", "The 30th of February.", put("validFrom", "2026-02-30T09:30:00Z")),
        ("time-other-digits", "Digits of another script.", put("validFrom", "٢٠٢٦-03-02T16:05:00Z")),
        ("number-as-text", "A number is written as text.", _set_record("badBlocks", "0")),
        ("one-for-true", "1 is not true.", put_in_assessment("conformance", 1)),
        ("not-conforming", "An assessment that failed is not certified.", put_in_assessment("conformance", False)),
        ("no-lines", "A certificate without media.", put("credentialSubject.conformityAssessment", [])),
        (
            "two-faces",
            "What UNTP readers see differs from the record.",
            put_in_assessment("assessmentDate", "2026-03-01"),
        ),
        ("scope-sentence-changed", "The certificate claims more than it may.", put("wipe.scope", "All data is gone.")),
        ("index-as-number", "W3C's status list index is a text.", _status_index_number),
    ):
        yield Vector(name, reason, "shape", Scene(change_certificate=change).files())
    yield Vector(
        "key-listed-twice",
        "The accreditation lists two keys under one name.",
        "shape",
        Scene(change_accreditation=_list_key_twice).files(),
    )
    yield Vector(
        "medium-expected-twice",
        "The work order expects the same medium twice.",
        "shape",
        Scene(change_order=lambda order: order["credentialSubject"]["media"].append(s.media()[0])).files(),
    )


def _proofs() -> Iterator[Vector]:
    stranger = "did:web:stranger.example"
    yield Vector(
        "unknown-accreditor",
        "The accreditor is not in the trust file.",
        "trust",
        Scene(
            change_accreditation=put("issuer.id", stranger), accreditation_key=("stranger", stranger + "#key-1")
        ).files(),
    )
    yield Vector(
        "unknown-marketplace",
        "The marketplace is not in the trust file.",
        "trust",
        Scene(change_order=put("issuer.id", stranger), order_key=("stranger", stranger + "#key-1")).files(),
    )
    yield Vector(
        "marketplace-accredits",
        "A marketplace is trusted for work orders, not for accreditations.",
        "trust",
        Scene(
            change_accreditation=put("issuer.id", s.MARKET), accreditation_key=("market", s.MARKET + "#key-1")
        ).files(),
    )
    own = c.canonical(
        c.dids_document([c.did_document(stranger, {stranger + "#key-1": s.key("stranger").public_key()})])
    )
    brought = Scene(
        change_accreditation=put("issuer.id", stranger), accreditation_key=("stranger", stranger + "#key-1")
    )
    yield Vector(
        "brings-its-own-keys",
        "dids.json of the bundle is never trusted.",
        "trust",
        {**brought.files(), "dids.json": own},
    )
    yield Vector(
        "accreditation-by-stranger",
        "The accreditor's name, a stranger's key.",
        "accreditation-proof",
        Scene(accreditation_key=("stranger", s.ACCREDITOR + "#key-1")).files(),
    )
    yield Vector(
        "accreditation-key-unknown",
        "A key of the accreditor that the trust file does not list.",
        "accreditation-proof",
        Scene(accreditation_key=("accreditor", s.ACCREDITOR + "#key-2")).files(),
    )
    yield Vector(
        "key-not-listed",
        "A station that the accreditation does not list.",
        "key",
        Scene(certificate_key=("station", s.CENTRE + "#station-2")).files(),
    )
    yield Vector(
        "other-centre-signs",
        "The accreditation was given to another centre.",
        "key",
        Scene(
            change_certificate=put("issuer.id", stranger), certificate_key=("stranger", stranger + "#station-1")
        ).files(),
    )
    yield Vector(
        "small-order-key",
        "The accreditation lists the identity point, under which any message has a signature.",
        "key",
        _small_order_files(),
    )
    yield Vector(
        "signed-by-stranger",
        "The station's name, a stranger's key.",
        "certificate-proof",
        Scene(certificate_key=("stranger", s.STATION)).files(),
    )
    for name, reason, change in (
        (
            "changed-after-signing",
            "One letter of a serial number was changed.",
            _set_record("medium.serial", "S4GXNF0M700002"),
        ),
        ("other-cryptosuite", "Only eddsa-jcs-2022 is admitted.", put("proof.cryptosuite", "eddsa-rdfc-2022")),
        ("other-proof-type", "Only a Data Integrity proof is admitted.", put("proof.type", "Ed25519Signature2020")),
        (
            "other-purpose",
            "The proof was made to sign in, not to assert.",
            put("proof.proofPurpose", "authentication"),
        ),
        (
            "proof-context-differs",
            "The proof names another context.",
            put("proof.@context", ["https://www.w3.org/ns/credentials/v2"]),
        ),
        (
            "proof-with-domain",
            "The proof has an option that the format does not know.",
            put("proof.domain", "market.example"),
        ),
        ("created-changed", "The time of signing was changed.", put("proof.created", "2026-03-02T16:04:00Z")),
        ("two-proofs", "A list of proofs.", _list_of_proofs),
        ("no-proof-value", "The signature is missing.", _no_proof_value),
        (
            "signature-not-base58",
            "The signature has a 0, which base58 does not use.",
            _signature(lambda value: value[:-1] + "0"),
        ),
        ("signature-with-space", "The signature ends with a space.", _signature(lambda value: value + " ")),
        ("signature-padded", "The signature has a leading zero too many.", _signature(lambda value: "z1" + value[1:])),
        ("signature-other-base", "The signature is in base64url.", _signature(_in_base64)),
        ("signature-malleated", "The signature's second half is not reduced.", _signature(_malleated)),
        ("signature-shortened", "The signature has 63 bytes.", _signature(_shortened)),
    ):
        yield Vector(name, reason, "certificate-proof", Scene(change_signed_certificate=change).files())
    files = Scene().files()
    yield Vector(
        "accreditation-changed",
        "A kind of medium was changed in the accreditation.",
        "accreditation-proof",
        {**files, "accreditation.json": files["accreditation.json"].replace(b'"sim"', b'"ufs"', 1)},
    )
    yield Vector(
        "work-order-changed",
        "A drive was taken off the work order.",
        "work-order-proof",
        {
            **files,
            "work-order.json": _altered(
                files["work-order.json"], lambda order: order["credentialSubject"]["media"].pop()
            ),
        },
    )
    yield Vector(
        "work-order-by-stranger",
        "The marketplace's name, a stranger's key.",
        "work-order-proof",
        Scene(order_key=("stranger", s.MARKET + "#key-1")).files(),
    )


def _set_record(path: str, value: Any) -> s.Change:
    return put_in_assessment("sanitisation." + path, value)


def _signature(change: Callable[[str], str]) -> s.Change:
    def apply(document: dict[str, Any]) -> None:
        document["proof"]["proofValue"] = change(document["proof"]["proofValue"])

    return apply


def _in_base64(value: str) -> str:
    return "u" + base64.urlsafe_b64encode(multibase.decode(value)).decode().rstrip("=")


def _malleated(value: str) -> str:
    """The same signature with the group's order added to its second half: an old trick."""
    signature = multibase.decode(value)
    order = 2**252 + 27742317777372353535851937790883648493
    second = int.from_bytes(signature[32:], "little") + order
    return multibase.encode(signature[:32] + second.to_bytes(32, "little"))


def _shortened(value: str) -> str:
    return multibase.encode(multibase.decode(value)[:-1])


def _list_of_proofs(document: dict[str, Any]) -> None:
    document["proof"] = [document["proof"]]


def _no_proof_value(document: dict[str, Any]) -> None:
    del document["proof"]["proofValue"]


def _status_index_number(document: dict[str, Any]) -> None:
    with_status(document)
    document["credentialStatus"]["statusListIndex"] = 94567


def _list_key_twice(document: dict[str, Any]) -> None:
    keys = document["credentialSubject"]["conformityAssessment"][0]["accreditationScope"]["keys"]
    keys.append({**keys[0], "publicKeyMultibase": c.public_key_multibase(s.key("stranger").public_key())})


def _small_order_files() -> dict[str, bytes]:
    """A certificate 'signed' under the identity point: R is the identity and s is 0, whatever the message."""
    identity = bytes([1]) + bytes(31)

    def list_identity(document: dict[str, Any]) -> None:
        keys = document["credentialSubject"]["conformityAssessment"][0]["accreditationScope"]["keys"]
        keys[0]["publicKeyMultibase"] = multibase.encode(b"\xed\x01" + identity)

    anything = _signature(lambda _: multibase.encode(identity + bytes(32)))
    return Scene(change_accreditation=list_identity, change_signed_certificate=anything).files()


def _without(files: Files, name: str) -> dict[str, bytes]:
    return {other: content for other, content in files.items() if other != name}


def _altered(content: bytes, change: s.Change) -> bytes:
    document = json.loads(content)
    change(document)
    return c.canonical(document)


def _zip_twice(files: Files) -> bytes:
    archive = BytesIO(zipped(files, ""))
    with zipfile.ZipFile(archive, "a") as writer:
        writer.writestr(zipfile.ZipInfo("other/certificate.json", (1980, 1, 1, 0, 0, 0)), files["certificate.json"])
    return archive.getvalue()
