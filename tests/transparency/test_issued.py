"""What a centre's stations issued, for its monitors: of this centre alone, each with its key, the oldest first."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from ewaste.accounts.models import Actor
from ewaste.certificates.models import Certificate
from ewaste.core.refusals import NotAllowed
from ewaste.journey import clearing
from ewaste.views import issued
from tests.transparency.stage import NearSigner, publisher, store
from tests.world import World
from wipe_agent.monitor import Own, of_lists

METHOD = "did:web:market.test:centres:rhein-datenpark#"


def told(world: World, actor: Actor, entry: int = issued.FIRST) -> list[issued.Issued]:
    with world.transaction() as session:
        return list(issued.after(session, actor, entry))


def test_a_centre_reads_what_its_stations_issued_and_nothing_of_another(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for serial in ("PF00001", "PF00002"):
        world.cleared(serial=serial, serials=(f"DRIVE-{serial}",))
    ours = clearing.station_actor(world.station().station)
    theirs = clearing.station_actor(world.station("Elbe Prüfstelle").station)
    assert told(world, ours) == []  # They have no number in the log yet.
    publisher(world, NearSigner(Path(), store(tmp_path))).once()
    with world.transaction() as session:
        digests = session.scalars(sa.select(Certificate.digest).order_by(Certificate.accepted_at)).all()
    key = world.station().station.verification_method
    all_of_them = told(world, ours)
    assert key.startswith(METHOD)
    assert {(digest, signer) for _, digest, signer in all_of_them} == {(digest, key) for digest in digests}
    assert [number for number, _, _ in all_of_them] == sorted({number for number, _, _ in all_of_them})
    assert told(world, world.olga) == all_of_them
    assert told(world, theirs) == []
    assert told(world, ours, all_of_them[0][0]) == all_of_them[1:]
    assert told(world, ours, all_of_them[1][0]) == []
    monkeypatch.setattr(issued, "AT_ONCE", 1)
    assert told(world, ours) == all_of_them[:1]
    for stranger in (world.cora, world.stefan):
        with world.nothing_changes(), pytest.raises(NotAllowed):
            told(world, stranger)


def test_the_list_that_a_centre_downloads_is_one_that_the_monitor_reads(world: World, tmp_path: Path) -> None:
    world.cleared()
    publisher(world, NearSigner(Path(), store(tmp_path))).once()
    with world.transaction() as session:
        text = issued.as_list(session, world.olga)
    key = world.station().station.verification_method
    ((_, digest, _),) = told(world, world.olga)
    assert text.splitlines() == [
        "# Certificates of Rhein Datenpark in the public log, each with the key that signed it.",
        f"{digest} {key}",
    ]
    (tmp_path / "issued.txt").write_text(text)
    assert of_lists([tmp_path / "issued.txt"]) == {digest: Own(signed_with=key)}
