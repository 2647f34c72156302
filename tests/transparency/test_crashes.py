"""Whatever stops, wherever it stops: no leaf is lost or doubled, and what was signed is what is stored."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from ewaste.keeper import Publisher
from ewaste.signer import rules
from ewaste.signer.store import Store, write_durably
from ewaste.transparency import sequencer
from ewaste.transparency.models import LogCheckpoint, LogEntry, LogLeaf, LogWaiting
from ewaste.transparency.signing import Signer, SignerAway, SignerRefuses
from tests.transparency.stage import NearSigner, append, digest, publisher, store
from tests.world import World
from wipe_agent.certificate import log as fmt


class Stopped(Exception):
    """The worker or the signer was killed here."""


@dataclass
class Faults:
    """The points at which something stops, each once. `kept` is all that the signer ever put on disk."""

    at: str
    kept: list[bytes] = field(default_factory=list)

    def stop(self, point: str) -> None:
        if self.at == point:
            self.at = ""
            raise Stopped(point)

    def write(self, path: Path, data: bytes) -> None:
        """The signer's disk."""
        self.stop("the signer, before it remembers")
        write_durably(path, data)
        self.kept.append(data)
        self.stop("the signer, when it has remembered")


@dataclass(frozen=True)
class FaultySigner(Signer):
    held: Store
    faults: Faults

    def exchange(self, request: bytes) -> bytes:
        asked = "sign" if request.startswith(b"old") else "ask"
        self.faults.stop(f"the way to the signer, to {asked}")
        said = bytes(rules.answer(self.held, request))
        self.faults.stop(f"the way back from the signer, to {asked}")
        return said


POINTS = (
    "numbering, before it is committed",
    "numbering, when it is committed",
    "the way to the signer, to ask",
    "the way back from the signer, to ask",
    "the way to the signer, to sign",
    "the signer, before it remembers",
    "the signer, when it has remembered",
    "the way back from the signer, to sign",
    "publishing, before it is committed",
    "publishing, when it is committed",
)


def faulty(monkeypatch: pytest.MonkeyPatch, faults: Faults) -> None:
    """Let the database's steps stop, too."""

    def around(name: str, before: str) -> None:
        real: Callable[..., object] = getattr(sequencer, name)

        def step(*args: object, **named: object) -> object:
            done = real(*args, **named)
            faults.stop(before)
            return done

        monkeypatch.setattr(sequencer, name, step)

    around("advance", "numbering, before it is committed")
    around("publish", "publishing, before it is committed")


def whole(world: World, held: Store, faults: Faults, leaves: int) -> None:
    """The log holds every leaf once, and every checkpoint that was ever signed is a beginning of it."""
    with world.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(LogWaiting)) == 0
        rows = session.execute(
            sa.select(LogLeaf.index, LogEntry.digest)
            .join(LogEntry, LogEntry.leaf == LogLeaf.leaf)
            .order_by(LogLeaf.index)
        ).all()
        hashes = list(session.scalars(sa.select(LogLeaf.leaf).order_by(LogLeaf.index)))
        published = list(session.scalars(sa.select(LogCheckpoint.note).order_by(LogCheckpoint.size)))
    assert [row.index for row in rows] == list(range(leaves))
    assert sorted(row.digest for row in rows) == sorted(digest(number) for number in range(leaves))
    for note in (*faults.kept, *(note.encode() for note in published)):
        seen = fmt.open_checkpoint(note, held.vkey).checkpoint
        assert seen.root == fmt.Frontier().extend(hashes[: seen.size])[0].root()
    assert published[-1].encode() == bytes(held.last)
    assert held.seen.size == leaves


@pytest.mark.parametrize("point", POINTS)
def test_after_a_stop_anywhere_the_log_and_the_signer_are_one(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    held = store(tmp_path)
    append(world, 0, 1)
    publisher(world, NearSigner(Path(), held)).once()  # There is a log already.
    append(world, 2, 3, 4)
    faults = Faults(point)
    held.write = faults.write
    faulty(monkeypatch, faults)
    with pytest.raises(Stopped):
        _once(world, held, faults)
    assert faults.at == ""
    append(world, 5, 6)  # The market goes on meanwhile.
    held = Store.open(held.folder, write=faults.write)  # Both are started anew.
    while publisher(world, FaultySigner(Path(), held, faults)).once() is not None:
        pass
    whole(world, held, faults, 7)


def _once(world: World, held: Store, faults: Faults) -> None:
    """One round of the publisher, which may also be killed right after a commit."""
    publisher = Publisher(world.database, FaultySigner(Path(), held, faults), lambda: world.now)
    if faults.at == "numbering, when it is committed":
        with world.transaction() as session:
            sequencer.advance(session, now=world.now)
    else:
        publisher.once()
    faults.stop("numbering, when it is committed")
    faults.stop("publishing, when it is committed")


def test_while_the_signer_is_away_leaves_get_their_numbers_and_nothing_is_published(
    world: World, tmp_path: Path
) -> None:
    append(world, 0, 1)
    away = publisher(world, Signer(tmp_path / "nobody"))
    with pytest.raises(SignerAway):
        away.once()
    append(world, 2)
    with pytest.raises(SignerAway):
        away.once()
    held = store(tmp_path)
    assert publisher(world, NearSigner(Path(), held)).once() == 3
    whole(world, held, Faults(""), 3)


def test_two_publishers_and_many_steps_at_once_number_every_leaf_once(world: World, tmp_path: Path) -> None:
    held = store(tmp_path)
    both = threading.Lock()

    @dataclass(frozen=True)
    class OneAtATime(NearSigner):
        def exchange(self, request: bytes) -> bytes:
            with both:  # The real one serves one connection at a time.
                return super().exchange(request)

    problems: list[Exception] = []
    done = threading.Event()

    def publish() -> None:
        at_work = publisher(world, OneAtATime(Path(), held))
        while True:
            try:
                if at_work.once() is None and done.is_set():
                    return
            except SignerAway:
                continue  # The other one was faster; asked again.
            except Exception as problem:  # noqa: BLE001 - told by the main thread
                problems.append(problem)
                return

    def steps(first: int) -> None:
        for number in range(first, first + 20):
            append(world, number)

    publishers = [threading.Thread(target=publish) for _ in range(2)]
    makers = [threading.Thread(target=steps, args=(first,)) for first in (0, 20, 40)]
    for thread in (*publishers, *makers):
        thread.start()
    for thread in makers:
        thread.join()
    done.set()
    for thread in publishers:
        thread.join()
    assert problems == []
    whole(world, held, Faults(""), 60)


def test_a_database_that_is_older_than_the_log_publishes_nothing_and_forks_nothing(
    world: World, tmp_path: Path, app_url: str, owner_url: str
) -> None:
    """A restore of yesterday's database while the signer remembers today."""
    held = store(tmp_path)
    at_work = publisher(world, NearSigner(Path(), held))
    append(world, *range(5))
    at_work.once()
    owner = sa.create_engine(owner_url)
    append(world, *range(5, 8))
    at_work.once()
    last = bytes(held.last)
    with owner.begin() as connection:  # What the app role cannot do.
        connection.execute(sa.text("alter table log_checkpoints disable trigger user"))
        connection.execute(sa.text("alter table log_heads disable trigger user"))
        connection.execute(sa.text("alter table log_leaves disable trigger user"))
        connection.execute(sa.text("alter table log_entries disable trigger user"))
        connection.execute(sa.text("delete from log_checkpoints where size = 8"))
        connection.execute(sa.text("delete from log_heads where size = 8"))
        connection.execute(sa.text("delete from log_leaves where index >= 5"))
        connection.execute(sa.text("delete from log_entries where leaf not in (select leaf from log_leaves)"))
        for table in ("log_checkpoints", "log_heads", "log_leaves", "log_entries"):
            connection.execute(sa.text(f"alter table {table} enable trigger user"))
    owner.dispose()
    append(world, 100)
    with pytest.raises(SignerRefuses, match="has signed 8 entries and this database holds 6: it is older than the log"):
        at_work.once()
    append(world, 101, 102, 103)
    with pytest.raises(SignerRefuses, match="does not begin with the log of 8"):
        at_work.once()
    assert bytes(held.last) == last
    with world.transaction() as session:
        assert sequencer.published(session) == 5
