"""Valid bundles to make mutants of, and the keys that signed them: two centres, several devices, always the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from tests.certificate import scene as s
from tests.certificate.scene import After, Scene
from wipe_agent import certificate as wipe

Files = dict[str, bytes]
DOCUMENTS = ("certificate.json", "accreditation.json", "work-order.json")
ADDED = ("certificate.jwt", "status.json", "accreditation-status.json", "log-proof.txt")
"""What came with or after the signing. Without one of them a bundle may verify, with a caution."""
SIGNED_BY = {
    "certificate.json": ("station", s.STATION),
    "accreditation.json": ("accreditor", s.ACCREDITOR + "#key-1"),
    "work-order.json": ("market", s.MARKET + "#key-1"),
}
"""Whose key signs each document in earnest, and the name that the key has."""


@dataclass(frozen=True)
class Pool:
    """Bundles that verify, the trust file that they verify under, and what they say."""

    bundles: tuple[Files, ...]
    trust: bytes

    @property
    def said(self) -> frozenset[tuple[bytes, ...]]:
        """The canonical forms of the three documents of each bundle: what may be accepted, and nothing else."""
        return frozenset(tuple(files[name] for name in DOCUMENTS) for files in self.bundles)

    @property
    def added(self) -> Mapping[str, frozenset[bytes]]:
        """What stands in the other files of the bundles; none of them may say anything else and be accepted."""
        return {name: frozenset(files[name] for files in self.bundles if name in files) for name in ADDED}


@cache
def pool() -> Pool:
    """The pool: laptops with one and two drives, a destroyed drive, another accreditation, names in other scripts."""
    nvme, hdd = s.lines()
    shredded = replace(
        hdd, level="destroy", technique="shredded", evidence_class="destroyed", bytes_read=0, bad_blocks=12
    )
    scenes = [
        Scene(),
        Scene(lines=[nvme, shredded]),
        Scene(lines=[nvme], change_order=_device("one", 1)),
        Scene(change_order=_device("two", 2)),
        Scene(change_order=_device("three", 2), change_accreditation=_longer),
        Scene(change_order=_device("笔记本 – Größe", 2)),
        Scene(change_order=_second_cycle),
    ]
    bundles = [scene.files() for scene in scenes]
    for name in ("one", "three"):
        scene = Scene(listed=True, change_order=_device(f"listed {name}", 2))
        certificate = scene.documents()["certificate.json"]
        bundles.append({**scene.files(), "certificate.jwt": s.envelope(certificate), **After().files(certificate)})
    return Pool(tuple(bundles), wipe.canonical(s.trust_with_log()))


def _device(name: str, drives: int) -> s.Change:
    def change(order: dict[str, Any]) -> None:
        subject = order["credentialSubject"]
        order["id"] = s.urn(f"order {name}")
        subject["device"] |= {"id": s.urn(f"device {name}"), "code": f"LT-{len(name)}", "model": f"Latitude {name}"}
        subject["challenge"] = s.challenge(name)
        del subject["media"][drives:]

    return change


def _longer(accreditation: dict[str, Any]) -> None:
    accreditation |= {"id": s.urn("accreditation, longer"), "validUntil": "2027-06-01T00:00:00Z"}


def _second_cycle(order: dict[str, Any]) -> None:
    order["id"] = s.urn("order of the second cycle")
    order["credentialSubject"] |= {"custodyCycle": 2, "supersedes": s.urn("first certificate")}


def sign(document: dict[str, Any], key: str, method: str) -> bytes:
    """Sign a document without its old proof by the key of this name, claiming to be `method`."""
    statement = {name: value for name, value in document.items() if name != "proof"}
    return wipe.canonical(s.sign(statement, key, method, s.SIGNED))
