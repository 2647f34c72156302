"""Which evidence clears which medium: the code's table, the database's, and the certificate's vocabulary."""

from __future__ import annotations

import sqlalchemy as sa

from ewaste.centres.accreditation import METHODS
from ewaste.certificates import policy
from ewaste.devices.models import MediumKind
from tests.world import World
from wipe_agent.certificate import vocabulary

# Written from the design, not from the code: kind → what clears it.
EXPECTED = {
    "hdd ssd nvme emmc ufs": {("full-read", "clear"), ("full-read", "purge"), ("destroyed", "destroy")},
    "sd usb": {("full-read", "clear"), ("destroyed", "destroy")},
    "phone-storage": {
        ("device-reported", "purge"),
        ("device-reported", "clear"),
        ("operator-witnessed", "clear"),
        ("destroyed", "destroy"),
    },
    "sim other": {("destroyed", "destroy")},
}


def test_every_kind_is_cleared_by_what_the_design_says_and_nothing_else() -> None:
    expected = {kind: pairs for kinds, pairs in EXPECTED.items() for kind in kinds.split()}
    assert set(expected) == {kind.value for kind in MediumKind} == set(policy.ADMITTED) == set(vocabulary.MEDIUM_KINDS)
    for kind, pairs in expected.items():
        for evidence in vocabulary.EVIDENCE_CLASSES:
            for level in ("", *vocabulary.LEVELS):
                assert policy.admits(kind, evidence, level) is ((evidence, level) in pairs), (kind, evidence, level)
    assert not policy.admits("floppy", "destroyed", "destroy")


def test_the_market_speaks_the_vocabulary_of_the_certificate() -> None:
    assert {evidence for pairs in policy.ADMITTED.values() for evidence, _ in pairs} <= set(vocabulary.EVIDENCE_CLASSES)
    assert {level for pairs in policy.ADMITTED.values() for _, level in pairs} <= set(vocabulary.LEVELS)
    assert tuple(METHODS) == tuple(vocabulary.LEVELS)
    assert vocabulary.EVIDENCE_CLASSES == (
        "full-read",
        "sampled-read",
        "device-reported",
        "operator-witnessed",
        "destroyed",
        "absent",
    )


def test_the_database_holds_the_same_table(world: World) -> None:
    with world.transaction() as session:
        held = session.execute(sa.text("select medium_kind, evidence_class, level from admitted_evidence")).all()
    assert sorted(tuple(row) for row in held) == policy.rows()
    assert len(held) == 25


def test_every_admitted_row_has_its_reason_in_words() -> None:
    assert [row[:3] for row in policy.explained()] == policy.rows()
    assert all(why.endswith(".") and len(why) > 20 for *_, why in policy.explained())


def test_an_earlier_policy_stays_as_it_was_published() -> None:
    earlier = "ewaste-clear-2026-11"
    assert policy.POLICY == "ewaste-clear-2026-11-2"
    assert policy.admits("phone-storage", "device-reported", "purge", earlier)
    assert not policy.admits("phone-storage", "device-reported", "clear", earlier)
    assert not policy.admits("phone-storage", "operator-witnessed", "clear", earlier)
    assert policy.admits("ssd", "full-read", "clear", earlier)


def test_the_china_policy_refuses_all_but_destruction_until_its_text_was_read() -> None:
    for kind in policy.ADMITTED:
        for evidence in vocabulary.EVIDENCE_CLASSES:
            for level in vocabulary.LEVELS:
                expected = (evidence, level) == ("destroyed", "destroy")
                assert policy.admits(kind, evidence, level, policy.GB_46864) is expected, (kind, evidence, level)
    assert not policy.admits("ssd", "full-read", "clear", "a policy that nobody knows")
