"""The vectors of what a certificate says: of order, device, media, times and practice. Those that verify come first."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.certificate import scene as s
from tests.certificate.changes import indented, put, put_in_assessment, with_status, zipped
from tests.certificate.scene import Scene
from tests.certificate.vector import Vector
from wipe_agent import certificate as c


def false() -> Iterator[Vector]:
    """Every vector that says what cannot be true or does not count, in the order of the manifest."""
    yield from _bindings()
    yield from _media()
    yield from _times()
    yield from _practice()


def valid() -> Iterator[Vector]:
    """Every vector that verifies, but for those of what comes after the signing."""
    yield Vector("valid-one-drive", "The example of the specification.", None, _one_drive().files())
    yield Vector("valid-two-drives", "A laptop whose two drives were overwritten and read back.", None, Scene().files())
    yield Vector(
        "valid-indented",
        "Spacing is free, and so are letters of any script in values.",
        None,
        {name: indented(document) for name, document in _renamed("笔记本 – Größe 14″").documents().items()},
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
        Scene(change_certificate=with_status).files(),
    )
    yield Vector(
        "valid-zip", "The same bundle as a .zip of its folder.", None, {}, zipped=zipped(Scene().files(), "LT-7K2F/")
    )


def _bindings() -> Iterator[Vector]:
    files = Scene().files()
    longer = Scene(change_accreditation=put("validUntil", "2030-01-01T00:00:00Z")).files()
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
        Scene(change_certificate=put("issuer.name", "The Ministry")).files(),
    )
    for name, reason, change in (
        (
            "accreditation-expired",
            "The accreditation ended before the wipe.",
            put("validUntil", "2026-03-01T00:00:00Z"),
        ),
        (
            "accreditation-ended-during-wipe",
            "It ended before the signature.",
            put("validUntil", "2026-03-02T15:00:00Z"),
        ),
        ("accreditation-not-begun", "It began after the wipe had begun.", put("validFrom", "2026-03-02T10:00:00Z")),
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
    again = Scene(change_order=put("credentialSubject.policy", "other-policy")).files()
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
        Scene(change_certificate=put("wipe.workOrder.challenge", s.challenge("other"))).files(),
    )
    yield Vector(
        "ordered-from-another-centre",
        "The order was given to another centre.",
        "work-order",
        Scene(change_order=put("credentialSubject.centre.id", s.CENTRE + "-two")).files(),
    )
    yield Vector(
        "supersedes-nothing",
        "The order names a certificate to supersede, the certificate does not.",
        "work-order",
        Scene(change_order=_second_cycle, change_certificate=lambda made: made["wipe"].pop("supersedes")).files(),
    )
    for name, reason, change in (
        ("other-device", "Another device than the order's.", put("wipe.device.id", s.urn("other device"))),
        (
            "other-device-serial",
            "Another serial number of the device.",
            put("wipe.device.hostClaimed.serial", "9YL3R24"),
        ),
        ("other-cycle", "The custody cycle before the device came back.", put("wipe.custodyCycle", 2)),
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
            Scene(change_order=put("validUntil", "2026-03-02T09:10:00Z")),
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
        Scene(training=True, change_certificate=put("credentialSubject.assessmentLevel", "scheme-cab")).files(),
        training=True,
        trust="trust-training.json",
    )


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


def _set_scope(name: str, value: Any) -> s.Change:
    return put_in_assessment("accreditationScope." + name, value)


def _second_cycle(order: dict[str, Any]) -> None:
    order["credentialSubject"].update(custodyCycle=2, supersedes=s.urn("first certificate"))


def _marked_training(document: dict[str, Any]) -> None:
    document["wipe"]["training"] = True
    document["credentialSubject"]["assessmentLevel"] = "no-endorsement"


def _renamed(model: str) -> Scene:
    return Scene(change_order=put("credentialSubject.device.model", model))
