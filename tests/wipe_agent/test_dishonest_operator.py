"""A log's operator who forks, rolls back, drops or backdates, over real HTTP: each is found by witness or monitor.

The operator holds the log's key and signs whatever it likes; it never holds the key of a witness.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.wipe_agent.operator import ORIGIN, Operator, Witnessing
from wipe_agent.certificate import canonical, digest_of, log
from wipe_agent.errors import BadAnswer, LogMisbehaves
from wipe_agent.errors import Unreadable as NotReadable
from wipe_agent.monitor import Found, Own, Shown, follow
from wipe_agent.witness import Memory, Trusted, Witness, visit

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CENTRE = "did:web:market.example:centres:north"
OTHER = "did:web:market.example:centres:south"


def certificate(number: int, issuer: str = CENTRE) -> log.Leaf:
    return log.Leaf("wipe-certificate", issuer, digest_of(f"certificate {number}".encode()))


LEAVES = [certificate(number, CENTRE if number % 3 == 0 else OTHER) for number in range(520)]
ENTRIES = [leaf.data for leaf in LEAVES]
OWN = {leaf.digest: Own() for leaf in LEAVES if leaf.issuer == CENTRE}


@dataclass
class Watch:
    """A monitor of the centre, with its folder, and three witnesses of which the trust file asks for two."""

    operator: Operator
    folder: Path
    witnesses: tuple[Witnessing, ...]

    @property
    def trusted(self) -> Trusted:
        keys = {one.vkey: one.name for one in self.witnesses}
        return Trusted({ORIGIN: self.operator.vkey}, keys, 2)

    def look(self, at: datetime = NOON, **more: Any) -> Found:
        words: dict[str, Any] = {"centre": CENTRE, "own": OWN, **more}
        return follow(self.operator.site, self.trusted, self.folder, at=at, **words)

    def evidence(self) -> tuple[log.Checkpoint, log.Checkpoint]:
        (place,) = (self.folder / "evidence").iterdir()
        seen, shown = (
            log.open_checkpoint((place / name).read_bytes(), self.operator.vkey).checkpoint
            for name in ("seen.checkpoint", "shown.checkpoint")
        )
        return seen, shown

    def remembers(self) -> int:
        (state,) = self.folder.glob("*.monitor.json")
        return int(json.loads(state.read_bytes())["size"])


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    with Operator() as operator:
        yield Watch(operator, tmp_path / "monitor", tuple(Witnessing(f"witness.example/{n}") for n in range(3)))


def show(watch: Watch, entries: Sequence[bytes], *, at: datetime = NOON, witnesses: int = 3) -> None:
    watch.operator.show(entries, *watch.witnesses[:witnesses], at=at)


# ---------------------------------------------------------------------------- the honest log


def test_an_honest_log_is_followed_in_silence(watch: Watch) -> None:
    before = 0
    for number, size in enumerate((1, 5, 256, 257, 520)):
        at = NOON + number * HOUR
        show(watch, ENTRIES[:size], at=at)
        found = watch.look(at)
        assert (found.before, found.size) == (before, size)
        assert found.kinds == {"wipe-certificate": size - before}
        assert found.entries == len([leaf for leaf in LEAVES[:size] if leaf.issuer == CENTRE])
        assert (found.foreign, found.missing, found.late, found.strange) == ([], [], [], [])
        assert (found.waiting_since, len(found.witnesses)) == (None, 3)
        before = size
    assert not (watch.folder / "evidence").exists()


def test_only_new_entries_are_read_again(watch: Watch) -> None:
    show(watch, ENTRIES[:512])
    watch.look()
    watch.operator.asked.clear()
    show(watch, ENTRIES[:520])
    watch.look()
    assert [path for path in watch.operator.asked if "entries" in path] == ["tile/entries/002.p/8"]


def test_another_centre_is_looked_for_from_the_first_entry_on(watch: Watch) -> None:
    show(watch, ENTRIES[:100])
    watch.look()
    found = watch.look(centre=OTHER, own={})
    assert (found.before, found.size, found.kinds) == (100, 100, {})
    assert len(found.foreign) == len([leaf for leaf in LEAVES[:100] if leaf.issuer == OTHER])


# ---------------------------------------------------------------------------- a forked log: split view


def test_a_forked_log_is_found_by_the_monitor_that_saw_the_other_branch(watch: Watch) -> None:
    show(watch, ENTRIES[:300])
    watch.look()
    fork = [*ENTRIES[:299], certificate(9001).data, *ENTRIES[300:400]]
    show(watch, fork, witnesses=0)
    with pytest.raises(
        LogMisbehaves, match="log of 400 entries does not begin with the log of 300 that was seen before"
    ):
        watch.look(NOON + HOUR)
    seen, shown = watch.evidence()
    assert (seen.size, shown.size) == (300, 400)
    assert watch.remembers() == 300


def test_a_split_view_is_found_when_a_buyers_proof_is_compared(watch: Watch) -> None:
    """The buyer is shown a log with his certificate in it, everybody else one without."""
    show(watch, ENTRIES[:300])
    watch.look()
    hidden = certificate(9001)
    for size in (200, 300, 301):
        for_buyer = [*ENTRIES[: size - 1], hidden.data]
        watch.operator.show(for_buyer)
        proof = log.LogProof.parse(watch.operator.tree.proof(size - 1, watch.operator.note))
        assert log.verify_proof(proof, hidden.data, [watch.operator.vkey]).index == size - 1
        show(watch, ENTRIES[:300])
        theirs = Shown("the buyer's bundle", proof.checkpoint, proof, hidden, NOON)
        with pytest.raises(
            LogMisbehaves, match=r"two different logs of 300|does not begin with|rolled back, or it shows"
        ):
            watch.look(NOON + HOUR, shown_to_others=[theirs])
    assert len(list((watch.folder / "evidence").iterdir())) == 3


def test_a_split_view_is_never_cosigned_by_a_witness_that_saw_the_other_branch(watch: Watch, tmp_path: Path) -> None:
    one, two = (
        Witness(f"station-{n}", Ed25519PrivateKey.generate(), Memory(tmp_path / str(n)), watch.trusted.logs)
        for n in range(2)
    )
    show(watch, ENTRIES[:10])
    visit(one, watch.operator.site, at=NOON)
    watch.operator.show([*ENTRIES[:9], certificate(9001).data])
    visit(two, watch.operator.site, at=NOON)
    # Each has cosigned what it was shown; from now on neither cosigns the other branch, however it grows.
    show(watch, ENTRIES[:50])
    visit(one, watch.operator.site, at=NOON)
    with pytest.raises(LogMisbehaves, match="log of 50 entries does not begin with the log of 10"):
        visit(two, watch.operator.site, at=NOON)
    watch.operator.show([*ENTRIES[:9], certificate(9001).data, *ENTRIES[10:80]])
    with pytest.raises(LogMisbehaves, match="log of 80 entries does not begin with the log of 50"):
        visit(one, watch.operator.site, at=NOON)


def test_a_proof_from_another_branch_does_not_pass_for_a_witnesss_look(watch: Watch) -> None:
    show(watch, ENTRIES[:20], witnesses=1)
    watch.look()
    fork = watch.operator.show([certificate(9001).data, *ENTRIES[1:20]], *watch.witnesses, at=NOON)
    watch.operator.proofs[LEAVES[19].digest] = watch.operator.tree.proof(19, fork)
    show(watch, ENTRIES[:20], witnesses=1)
    with pytest.raises(LogMisbehaves, match="two different logs of 20 entries"):
        watch.look(NOON + HOUR)


# ---------------------------------------------------------------------------- a log that was rolled back


def test_a_log_that_was_rolled_back_is_found(watch: Watch) -> None:
    show(watch, ENTRIES[:300])
    watch.look()
    show(watch, ENTRIES[:280])
    with pytest.raises(
        LogMisbehaves, match="had 300 entries when it was last seen and now shows 280: it was rolled back"
    ):
        watch.look(NOON + HOUR)
    assert watch.remembers() == 300


def test_a_rollback_is_found_by_what_somebody_else_was_shown(watch: Watch) -> None:
    late = watch.operator.show(ENTRIES[:300])
    show(watch, ENTRIES[:280])
    theirs = Shown("another monitor", late)
    with pytest.raises(LogMisbehaves, match="signed 300 entries for another monitor and shows 280 here"):
        watch.look(shown_to_others=[theirs])


# ---------------------------------------------------------------------------- a dropped leaf


def test_an_entry_dropped_from_the_history_is_found(watch: Watch) -> None:
    show(watch, ENTRIES[:300])
    watch.look()
    show(watch, [*ENTRIES[:7], *ENTRIES[8:400]])
    with pytest.raises(LogMisbehaves, match="does not begin with the log of 300"):
        watch.look(NOON + HOUR)


def test_an_entry_dropped_from_what_is_served_is_found_and_named(watch: Watch) -> None:
    show(watch, ENTRIES[:300])
    changed = [*ENTRIES[:7], certificate(9001).data, *ENTRIES[8:256]]
    watch.operator.files["tile/entries/000"] = log.write_entries(changed)
    with pytest.raises(LogMisbehaves, match="Entry 7 is not the one in the tree that the log signed"):
        watch.look()
    watch.operator.files["tile/entries/000"] = log.write_entries([*ENTRIES[:7], *ENTRIES[8:256]])
    with pytest.raises(LogMisbehaves, match=r"signed 300 entries and withholds those from 0 on.*256 entries"):
        watch.look()
    watch.operator.files["tile/entries/000"] = None
    with pytest.raises(LogMisbehaves, match="withholds those from 0 on"):
        watch.look()
    assert list(watch.folder.glob("*.monitor.json")) == []


def test_an_entry_changed_together_with_its_tile_is_found(watch: Watch) -> None:
    show(watch, ENTRIES[:200])
    changed = [*ENTRIES[:7], certificate(9001).data, *ENTRIES[8:200]]
    watch.operator.files["tile/entries/000.p/200"] = log.write_entries(changed)
    watch.operator.files["tile/0/000.p/200"] = b"".join(map(log.leaf_hash, changed))
    with pytest.raises(LogMisbehaves, match="entries from 0 to 199 do not give the root that the log signed"):
        watch.look()


def test_a_certificate_that_was_accepted_and_never_logged_is_missed_after_a_day(watch: Watch) -> None:
    dropped = certificate(9001)
    own = {**OWN, dropped.digest: Own(NOON), LEAVES[0].digest: Own(NOON - 9 * DAY)}
    show(watch, ENTRIES[:300])
    assert watch.look(NOON + 23 * HOUR, own=own).missing == []
    assert watch.look(NOON + 25 * HOUR, own=own).missing == [dropped.digest]
    show(watch, [*ENTRIES[:300], dropped.data])
    found = watch.look(NOON + 26 * HOUR, own=own)
    assert (found.missing, found.foreign) == ([], [])


# ---------------------------------------------------------------------------- certificates in our name, and backdated


def test_a_certificate_in_our_name_that_no_station_issued_is_found_and_stays_found(watch: Watch) -> None:
    show(watch, ENTRIES[:300])
    assert watch.look().foreign == []
    stolen = certificate(9001)
    show(watch, [*ENTRIES[:300], stolen.data, certificate(9002, OTHER).data])
    for hours in (1, 2):
        (foreign,) = watch.look(NOON + hours * HOUR).foreign
        assert (foreign.index, foreign.digest) == (300, stolen.digest)
    assert watch.look(NOON + 3 * HOUR, own={**OWN, stolen.digest: Own()}).foreign == []


def test_a_backdated_certificate_is_found_by_the_monitors_own_memory(watch: Watch) -> None:
    """It is dated before a time at which the monitor saw the log without it; no witness is needed to know that."""
    show(watch, ENTRIES[:300], at=NOON)
    watch.look(NOON)
    watch.look(NOON + 40 * HOUR)
    backdated = certificate(9001, OTHER)
    show(watch, [*ENTRIES[:300], backdated.data], at=NOON + 41 * HOUR)
    proof = log.LogProof.parse(watch.operator.tree.proof(300, watch.operator.note))
    for dated, late in (
        (NOON + 40 * HOUR, []),
        (NOON + 17 * HOUR, []),
        (
            NOON + 16 * HOUR,
            ["the bundle is dated 2026-11-22T04:00:00Z, but witnesses saw it in the log at 2026-11-23T05:00:00Z only."],
        ),
        (
            NOON + 15 * HOUR,
            ["the bundle is dated 2026-11-22T03:00:00Z, but at 2026-11-23T04:00:00Z the log did not have it."],
        ),
    ):
        theirs = Shown("the bundle", proof.checkpoint, proof, backdated, dated)
        found = watch.look(NOON + 41 * HOUR, shown_to_others=[theirs])
        assert found.compared == ["the bundle"]
        assert found.late == late


def test_a_backdated_certificate_is_found_by_the_witnesses_times_at_a_first_look(watch: Watch) -> None:
    backdated = certificate(9001, OTHER)
    show(watch, [*ENTRIES[:300], backdated.data], at=NOON)
    proof = log.LogProof.parse(watch.operator.tree.proof(300, watch.operator.note))
    for dated, late in (
        (NOON - 24 * HOUR, []),
        (
            NOON - 25 * HOUR,
            ["the bundle is dated 2026-11-20T11:00:00Z, but witnesses saw it in the log at 2026-11-21T12:00:00Z only."],
        ),
    ):
        theirs = Shown("the bundle", proof.checkpoint, proof, backdated, dated)
        assert watch.look(NOON, shown_to_others=[theirs]).late == late


def test_an_operator_cannot_put_a_witnesss_time_back(watch: Watch) -> None:
    """The time is in what the witness signed, and one early witness does not count where two must see."""
    backdated = certificate(9001, OTHER)
    note = watch.operator.show([*ENTRIES[:300], backdated.data], *watch.witnesses[:2], at=NOON)
    parsed = log.Note.parse(note)
    last = parsed.signatures[-1]
    forged = log.Signature(last.name, last.key_id, (int(NOON.timestamp()) - 90_000).to_bytes(8, "big") + last.value[8:])
    watch.operator.note = bytes(parsed.and_signed(forged))
    with pytest.raises(BadAnswer, match=r"The signature of witness.example/1 does not fit"):
        watch.look()
    early = watch.witnesses[0].cosign(note, NOON - 2 * DAY)
    proof = log.LogProof.parse(watch.operator.tree.proof(300, early))
    watch.operator.note = note
    theirs = Shown("the bundle", proof.checkpoint, proof, backdated, NOON - 2 * DAY)
    assert len(watch.look(shown_to_others=[theirs]).late) == 1


# ---------------------------------------------------------------------------- witnesses that stay away


def test_entries_that_too_few_witnesses_look_at_are_said_after_a_day(watch: Watch) -> None:
    show(watch, ENTRIES[:20], witnesses=1)
    first = watch.look(NOON)
    assert (len(first.witnesses), first.waiting_since, first.unwitnessed(NOON)) == (1, NOON, False)
    show(watch, ENTRIES[:30], witnesses=0)
    later = watch.look(NOON + 25 * HOUR)
    assert later.waiting_since == NOON
    assert later.unwitnessed(NOON + 25 * HOUR)


def test_a_proof_with_enough_witnesses_ends_the_wait(watch: Watch) -> None:
    show(watch, ENTRIES[:20], witnesses=1)
    watch.look(NOON)
    witnessed = watch.operator.show(ENTRIES[:20], *watch.witnesses[:2], at=NOON + HOUR)
    proof = watch.operator.tree.proof(19, witnessed)
    watch.operator.proofs[LEAVES[19].digest] = proof
    show(watch, ENTRIES[:30], witnesses=0)
    found = watch.look(NOON + 25 * HOUR)
    assert found.waiting_since == NOON + 25 * HOUR
    for nonsense in (b"", proof[:-3], proof.replace(b"index 19", b"index 18")):
        watch.operator.proofs[LEAVES[29].digest] = nonsense
        assert watch.look(NOON + 26 * HOUR).waiting_since == NOON + 25 * HOUR


def test_strangers_do_not_count_as_witnesses(watch: Watch) -> None:
    watch.operator.show(ENTRIES[:20], *(Witnessing(f"witness.example/{n}") for n in range(3)), at=NOON)
    found = watch.look(NOON)
    assert (found.witnesses, found.waiting_since) == ({}, NOON)


# ---------------------------------------------------------------------------- hostile bytes


def test_entries_of_another_form_are_said_and_do_not_stop_the_monitor(watch: Watch) -> None:
    strange = [b"", b"{}", b"\xff" * 900, b"[" * 900, canonical({"v": 2}), ENTRIES[0] + b"\n", b"x" * 65_535]
    show(watch, [*ENTRIES[:2], *strange, *ENTRIES[2:5]])
    found = watch.look()
    assert len(found.strange) == len(strange)
    assert found.strange[0].startswith("Entry 2 of the log is none of this format. The leaf ")
    assert found.kinds == {"wipe-certificate": 5}
    assert watch.look(NOON + HOUR).strange == []


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("checkpoint", b""),
        ("checkpoint", b"\xff\xfe"),
        ("checkpoint", b"x" * 200_000),
        ("checkpoint", "a\u2028b\n1\n\n— a b\n".encode()),
        ("tile/0/000.p/20", b""),
        ("tile/0/000.p/20", b"x" * 9000),
        ("tile/0/000.p/20", None),
    ],
)
def test_bytes_that_are_no_logs_are_refused_and_nothing_is_forgotten(
    watch: Watch, path: str, data: bytes | None
) -> None:
    show(watch, ENTRIES[:10])
    watch.look()
    show(watch, ENTRIES[:20])
    watch.operator.files[path] = data
    with pytest.raises(BadAnswer):
        watch.look(NOON + HOUR)
    assert watch.remembers() == 10
    watch.operator.files.clear()
    assert watch.look(NOON + HOUR).before == 10


def test_what_cannot_be_compared_is_said_and_accuses_nobody(watch: Watch) -> None:
    show(watch, ENTRIES[:10])
    proof = log.LogProof.parse(watch.operator.tree.proof(3, watch.operator.note))
    for theirs in (
        Shown("a text", b"hello"),
        Shown("a stranger's", bytes(watch.operator.tree.checkpoint().signed(Ed25519PrivateKey.generate()))),
        Shown("a wrong proof", proof.checkpoint, proof, LEAVES[4], NOON),
    ):
        with pytest.raises(NotReadable, match=f"^{theirs.name} cannot be compared with the log"):
            watch.look(shown_to_others=[theirs])
    assert not (watch.folder / "evidence").exists()
