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
    "phone-storage": {("device-reported", "purge"), ("destroyed", "destroy")},
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
    assert len(held) == 23
