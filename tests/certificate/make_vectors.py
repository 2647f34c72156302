"""Make the test vectors: bundles that verify, and bundles that fail, each with its reason.

Keys and times are fixed, so the same program makes the same bytes. A vector that stands in tests/vectors is never
written again: other people's verifiers are tested with it. A new vector gets a new name.
"""

import base64
import json
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

from tests.certificate import later_vectors
from tests.certificate import scene as s
from tests.certificate.scene import AT, DAY, Scene
from tests.certificate.vector import Files, Vector
from wipe_agent import certificate as c
from wipe_agent.certificate import multibase

FOLDER = Path(__file__).parents[1] / "vectors"


def vectors() -> Iterator[Vector]:
    """Every vector, in the order of the manifest."""
    yield from _valid()
    yield from _unreadable()
    yield from _forms()
    yield from _proofs()
    yield from _bindings()
    yield from _media()
    yield from _times()
    yield from _practice()
    yield from later_vectors.later()


def main() -> int:
    """Write what is new, and the manifest."""
    FOLDER.mkdir(exist_ok=True)
    for name, training in (("trust.json", False), ("trust-training.json", True)):
        if not (FOLDER / name).exists():
            (FOLDER / name).write_bytes(_indented(s.trust_document(training=training)))
    if not (FOLDER / later_vectors.TRUST).exists():
        (FOLDER / later_vectors.TRUST).write_bytes(later_vectors.trust_bytes())
    if not (FOLDER / later_vectors.ENDED).exists():
        (FOLDER / later_vectors.ENDED).write_bytes(_indented(s.trust_with_end()))
    for name, lost in ((later_vectors.CHANGED, None), (later_vectors.LOST, s.at(18))):
        if not (FOLDER / name).exists():
            (FOLDER / name).write_bytes(_indented(s.trust_with_new_keys(lost=lost)))
    manifest_path = FOLDER / "manifest.json"
    manifest = json.loads(manifest_path.read_bytes()) if manifest_path.exists() else []
    known = {entry["name"] for entry in manifest}
    for vector in vectors():
        if vector.name in known:
            continue
        path = vector.name
        if vector.zipped is not None:
            path += ".zip"
            (FOLDER / path).write_bytes(vector.zipped)
        else:
            (FOLDER / path).mkdir()
            for name, content in vector.files.items():
                # dids.json is never read; one vector brings a false one to show it.
                if name == "dids.json" and vector.fails is not None and vector.name != "brings-its-own-keys":
                    continue
                (FOLDER / path / name).write_bytes(content)
        manifest.append(
            {
                "name": vector.name,
                "path": path,
                "fails": vector.fails,
                "reason": vector.reason,
                "trust": vector.trust,
                "training": vector.training,
                "at": vector.at,
                **({} if vector.cautions is None else {"cautions": list(vector.cautions)}),
            }
        )
        print(f"{vector.name}: {vector.reason}")
    manifest_path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return 0


# ---------------------------------------------------------------------------- bundles that verify


def _valid() -> Iterator[Vector]:
    yield Vector("valid-one-drive", "The example of the specification.", None, _one_drive().files())
    yield Vector("valid-two-drives", "A laptop whose two drives were overwritten and read back.", None, Scene().files())
    yield Vector(
        "valid-indented",
        "Spacing is free, and so are letters of any script in values.",
        None,
        {name: _indented(document) for name, document in _renamed("笔记本 – Größe 14″").documents().items()},
    )
    yield Vector(
        "valid-training",
        "Practice verifies when training is asked for.",
        None,
        Scene(training=True).files(),
        training=True,
        trust="trust-training.json",
    )
    yield Vector(
        "valid-destroyed",
        "One drive could not be wiped and was destroyed.",
        None,
        _with_lines(_one(), _destroyed()).files(),
    )
    yield Vector(
        "valid-sampled", "One drive was read in enough samples.", None, _with_lines(_one(), _sampled(4603)).files()
    )
    yield Vector(
        "valid-removed-medium",
        "The drives were wiped in a dock; how they left the laptop is recorded.",
        None,
        Scene(
            host_observed={"serial": "DOCK-1"},
            lines=[replace(line, removal_event=s.urn("removal")) for line in s.lines()],
        ).files(),
    )
    yield Vector(
        "valid-absent-card",
        "A phone without a card: two people looked, and there is a photograph.",
        None,
        _phone(_absent()).files(),
    )
    yield Vector(
        "valid-unexpected-medium",
        "A card that the work order does not list was found and wiped as well.",
        None,
        _with_lines(*s.lines(), replace(_one(), medium_id=None, kind="ssd", serial="EXTRA-1", wwn=None)).files(),
    )
    yield Vector(
        "valid-second-cycle",
        "The device came back; the certificate supersedes the first one.",
        None,
        Scene(change_order=_second_cycle).files(),
    )
    yield Vector(
        "valid-status-entry",
        "The certificate names a status list, whose index is a text as W3C asks.",
        None,
        Scene(change_certificate=_with_status).files(),
    )
    yield Vector(
        "valid-zip", "The same bundle as a .zip of its folder.", None, {}, zipped=_zip(Scene().files(), "LT-7K2F/")
    )


# ---------------------------------------------------------------------------- what cannot be read


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
        zipped=_zip({**files, "certificate.json": b" " * 67_108_864}, ""),
    )
    yield Vector("zip-two-certificates", "Which of the two counts?", "bundle", {}, zipped=_zip_twice(files))


# ---------------------------------------------------------------------------- context, type, shape


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
        ("unknown-member", "A member that the format does not know.", _set("wipe.note", "all clear")),
        ("unknown-kind", "A kind of medium that does not exist.", _set_record("medium.kind", "tape")),
        ("unknown-evidence-class", "An evidence class that does not exist.", _set_record("evidenceClass", "trust-me")),
        ("time-with-offset", "A time is written another way.", _set_record("started", "2026-03-02T09:30:00+00:00")),
        ("time-impossible", "The 30th of February.", _set("validFrom", "2026-02-30T09:30:00Z")),
        ("time-other-digits", "Digits of another script.", _set("validFrom", "٢٠٢٦-03-02T16:05:00Z")),
        ("number-as-text", "A number is written as text.", _set_record("badBlocks", "0")),
        ("one-for-true", "1 is not true.", _set_assessment("conformance", 1)),
        ("not-conforming", "An assessment that failed is not certified.", _set_assessment("conformance", False)),
        ("no-lines", "A certificate without media.", _set("credentialSubject.conformityAssessment", [])),
        (
            "two-faces",
            "What UNTP readers see differs from the record.",
            _set_assessment("assessmentDate", "2026-03-01"),
        ),
        ("scope-sentence-changed", "The certificate claims more than it may.", _set("wipe.scope", "All data is gone.")),
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


# ---------------------------------------------------------------------------- trust and proofs


def _proofs() -> Iterator[Vector]:
    stranger = "did:web:stranger.example"
    yield Vector(
        "unknown-accreditor",
        "The accreditor is not in the trust file.",
        "trust",
        Scene(
            change_accreditation=_set("issuer.id", stranger), accreditation_key=("stranger", stranger + "#key-1")
        ).files(),
    )
    yield Vector(
        "unknown-marketplace",
        "The marketplace is not in the trust file.",
        "trust",
        Scene(change_order=_set("issuer.id", stranger), order_key=("stranger", stranger + "#key-1")).files(),
    )
    yield Vector(
        "marketplace-accredits",
        "A marketplace is trusted for work orders, not for accreditations.",
        "trust",
        Scene(
            change_accreditation=_set("issuer.id", s.MARKET), accreditation_key=("market", s.MARKET + "#key-1")
        ).files(),
    )
    own = c.canonical(
        c.dids_document([c.did_document(stranger, {stranger + "#key-1": s.key("stranger").public_key()})])
    )
    brought = Scene(
        change_accreditation=_set("issuer.id", stranger), accreditation_key=("stranger", stranger + "#key-1")
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
            change_certificate=_set("issuer.id", stranger), certificate_key=("stranger", stranger + "#station-1")
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
        ("other-cryptosuite", "Only eddsa-jcs-2022 is admitted.", _set("proof.cryptosuite", "eddsa-rdfc-2022")),
        ("other-proof-type", "Only a Data Integrity proof is admitted.", _set("proof.type", "Ed25519Signature2020")),
        (
            "other-purpose",
            "The proof was made to sign in, not to assert.",
            _set("proof.proofPurpose", "authentication"),
        ),
        (
            "proof-context-differs",
            "The proof names another context.",
            _set("proof.@context", ["https://www.w3.org/ns/credentials/v2"]),
        ),
        (
            "proof-with-domain",
            "The proof has an option that the format does not know.",
            _set("proof.domain", "market.example"),
        ),
        ("created-changed", "The time of signing was changed.", _set("proof.created", "2026-03-02T16:04:00Z")),
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


# ---------------------------------------------------------------------------- the documents together


def _bindings() -> Iterator[Vector]:
    files = Scene().files()
    longer = Scene(change_accreditation=_set("validUntil", "2030-01-01T00:00:00Z")).files()
    yield Vector(
        "accreditation-swapped",
        "Another accreditation of the same centre, under the same id.",
        "accreditation",
        {**files, "accreditation.json": longer["accreditation.json"]},
    )
    yield Vector(
        "issuer-takes-another-name",
        "The centre calls itself something else.",
        "accreditation",
        Scene(change_certificate=_set("issuer.name", "The Ministry")).files(),
    )
    for name, reason, change in (
        (
            "accreditation-expired",
            "The accreditation ended before the wipe.",
            _set("validUntil", "2026-03-01T00:00:00Z"),
        ),
        (
            "accreditation-ended-during-wipe",
            "It ended before the signature.",
            _set("validUntil", "2026-03-02T15:00:00Z"),
        ),
        ("accreditation-not-begun", "It began after the wipe had begun.", _set("validFrom", "2026-03-02T10:00:00Z")),
    ):
        yield Vector(name, reason, "accreditation-dates", Scene(change_accreditation=change).files())
    for name, reason, change in (
        ("kind-out-of-scope", "Not accredited for hard disks.", _set_scope("mediaKinds", ["nvme", "ssd"])),
        ("method-out-of-scope", "Accredited to purge only.", _set_scope("methods", ["purge"])),
    ):
        yield Vector(name, reason, "scope", Scene(change_accreditation=change).files())

    def other_order(order: dict[str, Any]) -> None:
        order["id"] = s.urn("other order")
        order["credentialSubject"]["device"].update(id=s.urn("other device"), code="LT-9M4C", serial="9YL3R24")
        order["credentialSubject"]["challenge"] = s.challenge("other")

    yield Vector(
        "replayed",
        "The certificate of one laptop with the work order of another.",
        "work-order",
        {**files, "work-order.json": Scene(change_order=other_order).files()["work-order.json"]},
    )
    again = Scene(change_order=_set("credentialSubject.policy", "other-policy")).files()
    yield Vector(
        "work-order-swapped",
        "Another work order under the same id.",
        "work-order",
        {**files, "work-order.json": again["work-order.json"]},
    )
    yield Vector(
        "other-challenge",
        "The challenge of another order.",
        "work-order",
        Scene(change_certificate=_set("wipe.workOrder.challenge", s.challenge("other"))).files(),
    )
    yield Vector(
        "ordered-from-another-centre",
        "The order was given to another centre.",
        "work-order",
        Scene(change_order=_set("credentialSubject.centre.id", s.CENTRE + "-two")).files(),
    )
    yield Vector(
        "supersedes-nothing",
        "The order names a certificate to supersede, the certificate does not.",
        "work-order",
        Scene(change_order=_second_cycle, change_certificate=lambda made: made["wipe"].pop("supersedes")).files(),
    )
    for name, reason, change in (
        ("other-device", "Another device than the order's.", _set("wipe.device.id", s.urn("other device"))),
        (
            "other-device-serial",
            "Another serial number of the device.",
            _set("wipe.device.hostClaimed.serial", "9YL3R24"),
        ),
        ("other-cycle", "The custody cycle before the device came back.", _set("wipe.custodyCycle", 2)),
    ):
        yield Vector(name, reason, "device", Scene(change_certificate=change).files())
    yield Vector(
        "wiped-in-another-machine",
        "The drives were in another machine, and nothing says how they got there.",
        "host",
        Scene(host_observed={"serial": "DOCK-1"}).files(),
    )


def _media() -> Iterator[Vector]:
    nvme, hdd = s.lines()
    for name, reason, lines in (
        ("medium-missing", "The laptop has two drives, the certificate covers one.", [nvme]),
        ("medium-twice", "One drive stands on two lines.", [nvme, nvme, hdd]),
        ("medium-for-two", "One drive stands for both.", [nvme, replace(nvme, medium_id=hdd.medium_id)]),
        ("serial-differs", "Another drive than expected was wiped.", [nvme, replace(hdd, serial="WL1ABCDF")]),
        ("serial-other-case", "Serial numbers are compared letter by letter.", [nvme, replace(hdd, serial="wl1abcde")]),
        ("wwn-differs", "Same serial number, another drive.", [replace(nvme, wwn="eui.0025388700009999"), hdd]),
        ("kind-differs", "The order expects an NVMe drive.", [replace(nvme, kind="ssd"), hdd]),
        ("medium-unknown", "A medium's id that the order does not have.", [nvme, replace(hdd, medium_id=s.urn("x"))]),
        ("medium-without-id", "A drive without the order's id covers nothing.", [nvme, replace(hdd, medium_id=None)]),
    ):
        yield Vector(name, reason, "coverage", _with_lines(*lines).files())
    for name, reason, line in (
        ("purged-with-bad-blocks", "A drive with bad blocks is not purged.", replace(hdd, level="purge", bad_blocks=3)),
        ("read-in-part", "Full-read, but not every byte was read.", replace(hdd, bytes_read=hdd.bytes_read - 512)),
        ("unreadable-without-bad-blocks", "What could not be read is a bad block.", _unread(hdd)),
        ("validated-by-the-operator", "Validation needs a second person.", replace(hdd, validator="a. weaver")),
        ("samples-too-few", "459 samples do not show 0.1 %.", _sampled(459)),
        ("samples-unexplained", "Sampled, but nothing says how.", replace(hdd, evidence_class="sampled-read")),
        ("destroyed-but-cleared", "A destroyed drive was not cleared.", replace(hdd, evidence_class="destroyed")),
        ("cleared-but-absent", "An absent drive was not cleared.", replace(hdd, evidence_class="absent")),
    ):
        yield Vector(name, reason, "evidence", _with_lines(nvme, line).files())
    yield Vector(
        "absent-without-photograph",
        "Absence needs a photograph.",
        "evidence",
        _phone(replace(_absent(), evidence=())).files(),
    )
    yield Vector(
        "absent-seen-by-one",
        "Absence needs two people.",
        "evidence",
        _phone(replace(_absent(), validator=None)).files(),
    )
    yield Vector(
        "overwritten-too-fast",
        "A terabyte in two minutes.",
        "duration",
        _with_lines(nvme, replace(hdd, ended=s.at(9, 32))).files(),
    )
    yield Vector(
        "read-back-too-fast",
        "A terabyte read in one minute.",
        "duration",
        _with_lines(nvme, replace(hdd, verified=s.at(12, 31))).files(),
    )


def _times() -> Iterator[Vector]:
    nvme, hdd = s.lines()
    scenes = (
        (
            "dated-before-work-order",
            "The wipe began before its order.",
            _with_lines(replace(nvme, started=s.at(8, 54)), hdd),
        ),
        (
            "begun-after-order-expired",
            "The order had expired.",
            Scene(change_order=_set("validUntil", "2026-03-02T09:10:00Z")),
        ),
        ("ended-before-started", "Ended before it began.", _with_lines(replace(nvme, ended=s.at(9, 29)), hdd)),
        ("verified-before-ended", "Verified before it ended.", _with_lines(replace(nvme, verified=s.at(9, 39)), hdd)),
        (
            "validated-before-verified",
            "Validated before verified.",
            _with_lines(replace(nvme, validated=s.at(9, 45)), hdd),
        ),
        ("signed-before-verified", "Signed before the last check.", Scene(created=s.at(15, 30))),
        ("valid-before-signed", "Valid before it was signed.", Scene(valid_from=s.at(16, 4))),
    )
    for name, reason, scene in scenes:
        yield Vector(name, reason, "times", scene.files())
    yield Vector(
        "dated-in-the-future",
        "The verifier's clock says yesterday.",
        "clock",
        Scene().files(),
        at="2026-03-01T12:00:00Z",
    )


def _practice() -> Iterator[Vector]:
    practice, real = Scene(training=True), Scene()
    yield Vector(
        "training-not-asked-for",
        "Practice proves nothing.",
        "training",
        practice.files(),
        trust="trust-training.json",
    )
    yield Vector(
        "training-under-real-trust",
        "Practice under a trust file for real work.",
        "training",
        practice.files(),
        training=True,
    )
    yield Vector(
        "real-under-training-trust",
        "Practice keys are worth nothing, whatever they sign.",
        "training",
        real.files(),
        training=True,
        trust="trust-training.json",
    )
    yield Vector(
        "training-for-real-order",
        "Practice does not answer a real order.",
        "training",
        Scene(change_certificate=_marked_training).files(),
        training=True,
    )
    yield Vector(
        "training-with-endorsement",
        "Behind practice stands nobody, and it must say so.",
        "training",
        Scene(training=True, change_certificate=_set("credentialSubject.assessmentLevel", "scheme-cab")).files(),
        training=True,
        trust="trust-training.json",
    )


# ---------------------------------------------------------------------------- lines


def _one() -> c.MediumLine:
    return s.lines()[0]


def _one_drive() -> Scene:
    return Scene(lines=[_one()], change_order=lambda order: order["credentialSubject"]["media"].pop())


def _with_lines(*lines: c.MediumLine) -> Scene:
    return Scene(lines=lines)


def _destroyed() -> c.MediumLine:
    return replace(
        s.lines()[1],
        level="destroy",
        technique="shredded",
        evidence_class="destroyed",
        bytes_read=0,
        bad_blocks=12,
        verification_method="seen by two people",
        particle_size_micrometres=2_000,
        destination="material recovery",
    )


def _sampled(samples: int) -> c.MediumLine:
    return replace(
        s.lines()[1],
        evidence_class="sampled-read",
        bytes_read=samples * 4096,
        sampling=c.Sampling(fraction_ppm=1_000, confidence_ppm=990_000, samples=samples, seed="5f2d"),
    )


def _unread(line: c.MediumLine) -> c.MediumLine:
    return replace(line, bytes_read=line.bytes_read - 512, bytes_unreadable=512)


def _phone(absent: c.MediumLine) -> Scene:
    """A phone whose storage was reset, and whose card slot was found empty."""
    storage = replace(
        s.lines()[1],
        medium_id=s.urn("storage"),
        kind="phone-storage",
        model="Pixel 6",
        manufacturer="Google",
        serial="",
        size_bytes=128_000_000_000,
        level="purge",
        technique="factory reset, keys destroyed",
        evidence_class="device-reported",
        bytes_read=0,
        verification_method="set-up screen seen, encryption reported before",
    )

    def change_order(order: dict[str, Any]) -> None:
        subject = order["credentialSubject"]
        subject["device"].update(manufacturer="Google", model="Pixel 6", serial="1A2B3C")
        subject["media"] = [
            {"id": s.urn("storage"), "kind": "phone-storage", "model": "Pixel 6", "serial": ""},
            {"id": s.urn("card"), "kind": "sim", "model": "", "serial": ""},
        ]

    return Scene(change_order=change_order, lines=[storage, absent], host_observed={"serial": "1A2B3C"})


def _absent() -> c.MediumLine:
    return replace(
        s.lines()[1],
        medium_id=s.urn("card"),
        kind="sim",
        model="",
        manufacturer="",
        serial="",
        size_bytes=0,
        level=None,
        technique="slot opened and found empty",
        evidence_class="absent",
        bytes_read=0,
        exclusions=[],
        evidence=[
            c.Evidence(
                name="The open slot",
                url=s.urn("photograph"),
                digest_multibase=c.digest_of(b"a photograph"),
                media_type="image/jpeg",
            )
        ],
    )


# ---------------------------------------------------------------------------- changes


def _set(path: str, value: Any) -> s.Change:
    """Set the member at a dotted path."""
    *way, last = path.split(".")

    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for name in way:
            place = place[name]
        place[last] = value

    return change


def _set_assessment(path: str, value: Any) -> s.Change:
    return lambda document: _set(path, value)(document["credentialSubject"]["conformityAssessment"][0])


def _set_record(path: str, value: Any) -> s.Change:
    return _set_assessment("sanitisation." + path, value)


def _set_scope(name: str, value: Any) -> s.Change:
    return _set_assessment("accreditationScope." + name, value)


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


def _second_cycle(order: dict[str, Any]) -> None:
    order["credentialSubject"].update(custodyCycle=2, supersedes=s.urn("first certificate"))


def _with_status(document: dict[str, Any]) -> None:
    document["credentialStatus"] = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "94567",
        "statusListCredential": "https://market.example/status/1",
    }


def _status_index_number(document: dict[str, Any]) -> None:
    _with_status(document)
    document["credentialStatus"]["statusListIndex"] = 94567


def _marked_training(document: dict[str, Any]) -> None:
    document["wipe"]["training"] = True
    document["credentialSubject"]["assessmentLevel"] = "no-endorsement"


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


def _renamed(model: str) -> Scene:
    return Scene(change_order=_set("credentialSubject.device.model", model))


# ---------------------------------------------------------------------------- files


def _indented(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def _without(files: Files, name: str) -> dict[str, bytes]:
    return {other: content for other, content in files.items() if other != name}


def _altered(content: bytes, change: s.Change) -> bytes:
    document = json.loads(content)
    change(document)
    return c.canonical(document)


def _zip(files: Files, folder: str) -> bytes:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, content in files.items():
            writer.writestr(zipfile.ZipInfo(folder + name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def _zip_twice(files: Files) -> bytes:
    archive = BytesIO(_zip(files, ""))
    with zipfile.ZipFile(archive, "a") as writer:
        writer.writestr(zipfile.ZipInfo("other/certificate.json", (1980, 1, 1, 0, 0, 0)), files["certificate.json"])
    return archive.getvalue()


if __name__ == "__main__":
    # The vectors must say what this version of the verifier says, before they are kept for good.
    assert DAY < AT < DAY + timedelta(days=7)
    sys.exit(main())
