"""The planner picks the best that drive, centre and policy allow, and has a reason for each choice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ewaste.certificates.policy import ADMITTED
from wipe_agent import cli, screen
from wipe_agent.errors import BadUsage, MethodRefused
from wipe_agent.media import Facts, Hidden, Security
from wipe_agent.methods import METHODS, POLICIES, named, plan
from wipe_agent.methods.planner import Plan

SANITIZE = frozenset({"nvme-sanitize-block", "nvme-sanitize-crypto", "nvme-format-user-data"})
NVME = Facts("/dev/nvme0n1", "nvme", "nvme", 512 << 30, can=SANITIZE, namespaces=(1,), hidden=Hidden(0, "none"))
HDD = Facts("/dev/sda", "ata", "hdd", 512 << 30, hidden=Hidden(0, "no hidden areas (HPA, DCO) seen"))
STICK = Facts("/dev/sdb", "usb", "usb", 32 << 30, bridge=True)
PURGE = frozenset({"clear", "purge"})
CLEAR = frozenset({"clear"})


def chosen(found: Plan) -> tuple[str, str, str, bool]:
    return found.method.name, found.level, found.evidence_class, found.settle


@pytest.mark.parametrize(
    ("facts", "policy", "levels", "expected"),
    [
        (NVME, "market", PURGE, ("nvme-sanitize-block", "purge", "full-read", True)),
        (NVME, "market", CLEAR, ("overwrite-zeros", "clear", "full-read", False)),
        (
            replace(NVME, can=frozenset({"nvme-format-user-data"})),
            "market",
            PURGE,
            ("nvme-format-user-data", "clear", "full-read", True),
        ),
        (
            replace(NVME, can=frozenset({"nvme-sanitize-crypto"})),
            "nist",
            PURGE,
            ("nvme-sanitize-crypto", "purge", "full-read", True),
        ),
        (
            replace(NVME, can=frozenset({"nvme-sanitize-crypto"})),
            "gb46864",
            PURGE,
            ("overwrite-zeros", "clear", "full-read", False),
        ),
        (
            replace(HDD, can=frozenset({"ata-sanitize-overwrite", "ata-security-erase"})),
            "market",
            PURGE,
            ("ata-sanitize-overwrite", "purge", "full-read", True),
        ),
        (HDD, "market", CLEAR, ("overwrite-zeros", "clear", "full-read", False)),
        (STICK, "market", PURGE, ("overwrite-zeros", "clear", "full-read", False)),
        (STICK, "r2v3", PURGE, ("overwrite-zeros", "clear", "full-read", False)),
    ],
)
def test_the_best_that_is_allowed_is_chosen(
    facts: Facts, policy: str, levels: frozenset[str], expected: tuple[str, str, str, bool]
) -> None:
    found = plan(facts, facts.kind, POLICIES[policy], levels=levels)
    assert chosen(found) == expected
    assert set(found.why_not) == set(METHODS) - {found.method.name}
    assert all(reason.endswith(".") for reason in (found.why, *found.why_not.values()))


def test_the_reason_for_an_overwrite_can_be_read_aloud() -> None:
    found = plan(STICK, "usb", POLICIES["market"], levels=CLEAR)
    assert found.why == (
        "One pass of zeros, every byte read back. That is a clear, and the marketplace's gate (ewaste-clear-2026-11-2) "
        "accepts it for this kind of medium. It can be checked by looking."
    )


def test_a_phone_is_sent_to_its_reset_and_not_to_the_shredder() -> None:
    with pytest.raises(MethodRefused, match="the phone resets it") as told:
        plan(STICK, "phone-storage", POLICIES["market"])
    assert told.value.advice == "Run: wipe-agent reset --order CODE --witness NAME"


def test_where_the_centre_may_not_purge_everything_stays_as_it_was() -> None:
    for kind in ("hdd", "ssd", "nvme", "emmc", "ufs", "sd", "usb"):
        everything = frozenset(METHODS)
        found = plan(replace(NVME, kind=kind, can=everything), kind, POLICIES["market"], levels=CLEAR)
        assert chosen(found) == ("overwrite-zeros", "clear", "full-read", False)


def test_the_market_policy_of_the_agent_is_the_gate_of_the_market() -> None:
    for kind in ("hdd", "ssd", "nvme", "emmc", "ufs", "sd", "usb"):
        gate = {(level, evidence) for evidence, level in ADMITTED[kind] if level != "destroy"}
        assert set(POLICIES["market"].admitted[kind]) <= gate
        assert ("clear", "full-read") in POLICIES["market"].admitted[kind]


def test_a_policy_of_ones_own_may_take_the_drives_word(tmp_path: Path) -> None:
    rules = {"name": "acme", "title": "ACME rules", "admitted": {"nvme": [["purge", "device-reported"]]}}
    (tmp_path / "acme.json").write_text(json.dumps(rules))
    found = plan(NVME, "nvme", named(str(tmp_path / "acme.json")))
    assert chosen(found) == ("nvme-sanitize-block", "purge", "device-reported", False)
    assert found.technique == "nvme-sanitize-block"
    assert (
        "what the drive's own command reached beyond the readable blocks rests on the drive's word" in found.exclusions
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"admitted": {"nvme": [["wiped", "full-read"]]}}, "admits what there is not"),
        ({"admitted": {"floppy": []}}, "kind of medium that there is not"),
        ({"refused": {"nvme-sanitise": "no"}}, "refuses a method that there is not"),
        ({"admitted": 3}, "cannot be read"),
    ],
)
def test_a_policy_file_with_a_misspelt_word_is_refused(tmp_path: Path, change: dict[str, object], says: str) -> None:
    rules = {"name": "acme", "title": "ACME rules", "admitted": {}, **change}
    (tmp_path / "acme.json").write_text(json.dumps(rules))
    with pytest.raises(BadUsage, match=says):
        named(str(tmp_path / "acme.json"))


def test_a_frozen_drive_is_told_how_to_thaw() -> None:
    frozen = replace(HDD, can=frozenset({"ata-security-erase"}), security=Security(supported=True, frozen=True))
    found = plan(frozen, "hdd", POLICIES["nist"], levels=PURGE)
    assert found.method.name == "overwrite-zeros"
    assert found.why_not["ata-security-erase"] == (
        "The drive's security is frozen. Put the machine to sleep and wake it, then plan again."
    )
    with pytest.raises(MethodRefused, match="frozen"):
        plan(frozen, "hdd", POLICIES["nist"], levels=PURGE, wanted="ata-security-erase")


def test_other_namespaces_are_not_erased_along() -> None:
    found = plan(replace(NVME, namespaces=(1, 2)), "nvme", POLICIES["market"], levels=PURGE)
    assert found.method.name == "overwrite-zeros"
    assert "other namespaces of the controller" in found.exclusions
    assert "2 namespaces" in found.why_not["nvme-sanitize-block"]
    alone = plan(NVME, "nvme", POLICIES["market"], levels=CLEAR)
    assert "other namespaces of the controller" not in alone.exclusions


def test_a_drive_that_hides_a_part_of_itself_is_not_wiped_around_it() -> None:
    hiding = replace(HDD, hidden=Hidden(1 << 20, "1048576 bytes are hidden (HPA)"))
    with pytest.raises(MethodRefused, match="1048576 bytes are hidden"):
        plan(hiding, "hdd", POLICIES["market"], levels=CLEAR)


def test_no_command_goes_through_a_bridge_and_the_certificate_says_what_it_hides() -> None:
    found = plan(STICK, "usb", POLICIES["nist"], levels=PURGE)
    assert "the USB bridge answered for the drive; what it hides was not seen" in found.exclusions
    with pytest.raises(MethodRefused, match="not sent through a USB bridge"):
        plan(replace(STICK, kind="ssd"), "ssd", POLICIES["nist"], levels=PURGE, wanted="ata-security-erase")


def test_three_passes_on_magnetic_media_are_not_claimed_by_one() -> None:
    found = plan(HDD, "hdd", POLICIES["gb46864"], levels=CLEAR)
    assert (found.method.name, found.level, found.method.passes) == ("overwrite-three-passes", "clear", 3)
    with pytest.raises(MethodRefused, match="wants 3 passes"):
        plan(HDD, "hdd", POLICIES["gb46864"], levels=PURGE, wanted="overwrite-zeros")
    assert plan(HDD, "hdd", POLICIES["market"], levels=CLEAR).method.name == "overwrite-zeros"


@pytest.mark.parametrize("kind", ["sim", "other"])
def test_what_cannot_be_read_from_outside_ends_as_destroyed(kind: str) -> None:
    with pytest.raises(MethodRefused, match=f"No method is left for this {kind}"):
        plan(replace(HDD, kind=kind), kind, POLICIES["market"], levels=PURGE)


def test_an_unknown_method_is_refused_by_naming_those_there_are() -> None:
    with pytest.raises(MethodRefused, match="no method 'dban'") as refused:
        plan(HDD, "hdd", POLICIES["market"], wanted="dban")
    assert "overwrite-zeros" in refused.value.advice


def test_nothing_is_left_out_that_was_not_looked_at() -> None:
    unasked = plan(replace(HDD, hidden=Facts("", "", "", 0).hidden), "hdd", POLICIES["market"], levels=CLEAR)
    assert "hidden areas (HPA, DCO) were not examined" in unasked.exclusions
    asked = plan(HDD, "hdd", POLICIES["market"], levels=CLEAR)
    assert asked.exclusions == ("sectors the drive remapped",)


def test_the_plan_for_an_image_says_once_that_hidden_areas_were_not_examined(
    tmp_path: Path,
) -> None:
    image = tmp_path / "practice.img"
    image.write_bytes(bytes(1 << 20))
    asked = cli.parser().parse_args(["plan", "--target", str(image), "--image"])
    _, sentences, code = asked.run(asked, screen.Terminal(quiet=True))
    assert code == 0
    assert " ".join(sentences).count("were not examined") == 1
