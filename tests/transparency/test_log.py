"""The log in the market: a leaf goes in with its step, gets its number once, and is proven by anybody's arithmetic."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from ewaste.transparency import log, sequencer, tiles
from ewaste.transparency.models import LogCheckpoint, LogHead, LogLeaf, LogTile
from tests.transparency.stage import ISSUER, NearSigner, append, digest, publisher, store
from tests.world import World
from wipe_agent.certificate import log as fmt


def leaf(number: int) -> fmt.Leaf:
    return fmt.Leaf("wipe-certificate", ISSUER, digest(number))


def plain_root(hashes: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word by word."""
    if len(hashes) == 1:
        return hashes[0]
    cut = 1 << (len(hashes) - 1).bit_length() - 1
    return fmt.node_hash(plain_root(hashes[:cut]), plain_root(hashes[cut:]))


def test_the_log_grows_over_tiles_and_every_checkpoint_and_proof_holds(world: World, tmp_path: Path) -> None:
    held = store(tmp_path)
    at_work = publisher(world, NearSigner(Path(), held))
    sizes = (1, 2, 255, 256, 257, 600, 3_000)
    before = 0
    for size in sizes:
        append(world, *range(before, size))
        while at_work.once() != size:
            pass
        before = size
    hashes = [leaf(number).hash for number in range(sizes[-1])]
    with world.transaction() as session:
        assert list(session.scalars(sa.select(LogLeaf.leaf).order_by(LogLeaf.index))) == hashes
        assert session.execute(sa.select(LogTile.level, LogTile.number).order_by(LogTile.number)).all() == [
            (0, number) for number in range(11)
        ]
        for size in sizes:
            checkpoint = session.get_one(LogCheckpoint, size)
            seen = fmt.open_checkpoint(checkpoint.note.encode(), held.vkey)
            assert (seen.checkpoint.size, seen.checkpoint.root) == (size, plain_root(hashes[:size]))
        for number in (0, 1, 255, 256, 599, 600, 2_815, 2_999):
            proof = log.proof_for(session, digest(number))
            assert proof is not None
            assert proof.size == next(size for size in sizes if size > number)
            proven = fmt.verify_proof(fmt.LogProof.parse(proof.text), leaf(number).data, [held.vkey])
            assert proven.index == proof.index == number
        assert tiles.published(session, "tile/0/000") == b"".join(hashes[:256])
        assert tiles.published(session, "tile/0/011.p/184") == b"".join(hashes[-184:])
        assert tiles.published(session, "tile/0/011.p/185") is None
        assert tiles.published(session, "tile/1/000.p/11") == b"".join(
            plain_root(hashes[at : at + 256]) for at in range(0, 2_816, 256)
        )
        entries = tiles.published(session, "tile/entries/011.p/184")
        assert entries is not None
        assert fmt.read_entries(entries, 184)[-1] == leaf(2_999).data


def test_a_leaf_is_appended_with_its_step_or_not_at_all_and_once(world: World) -> None:
    append(world, 1)
    with world.nothing_changes():
        append(world, 1)
    with world.nothing_changes(), world.transaction() as session:
        log.append(session, kind="wipe-certificate", issuer=ISSUER, digest=digest(2), now=world.now)
        session.rollback()
    with world.transaction() as session:
        sequencer.advance(session, now=world.now)
    with world.nothing_changes():
        append(world, 1)


def test_what_is_no_leaf_is_not_appended(world: World) -> None:
    for kind, issuer, named in (
        ("gossip", ISSUER, digest(1)),
        ("key", "not a did", digest(1)),
        ("key", ISSUER, "PF1ABCDE"),
    ):
        with world.nothing_changes(), pytest.raises(ValueError, match="leaf"), world.transaction() as session:
            log.append(session, kind=kind, issuer=issuer, digest=named, now=world.now)


def test_the_app_role_cannot_rewrite_renumber_or_drop_what_the_log_holds(world: World, tmp_path: Path) -> None:
    append(world, *range(300))
    publisher(world, NearSigner(Path(), store(tmp_path))).once()
    for table in (
        "log_entries", "log_leaves", "log_tiles", "log_heads", "log_checkpoints", "log_cosignatures", "log_statements",
        "log_waiting", "custody_batches", "custody_heads",
    ):  # fmt: skip
        assert world.refused_by_database(f"delete from {table}").startswith("42501 ")
        column = world.raw(
            "select attname from pg_attribute where attrelid = cast(:t as regclass) and attnum = 1",
            t=table,
        )
        assert world.refused_by_database(f"update {table} set {column} = {column}").startswith("42501 ")
        assert world.refused_by_database(f"truncate {table} cascade").startswith("42501 ")
    assert world.refused_by_database("insert into log_leaves select 300, leaf from log_entries limit 1") == (
        "42501 permission denied for table log_leaves"
    )
    assert world.refused_by_database("insert into log_waiting select leaf, entered from log_entries limit 1") == (
        "42501 permission denied for table log_waiting"
    )


def test_the_database_takes_no_entry_tile_or_head_that_does_not_fit_the_leaves(world: World, tmp_path: Path) -> None:
    append(world, *range(300))
    publisher(world, NearSigner(Path(), store(tmp_path))).once()
    entry = "insert into log_entries (leaf, kind, issuer, digest, data, at) values (:leaf, 'key', 'x', 'x', 'x', now())"
    assert world.refused_by_database(entry, leaf=bytes(32)).startswith("23514 ")
    tile = "insert into log_tiles (level, number, hashes, root) values (:level, :number, :hashes, :root)"
    for level, number in ((0, 1), (1, 0)):
        said = world.refused_by_database(tile, level=level, number=number, hashes=bytes(8192), root=bytes(32))
        assert said == "23514 this tile is not of the leaves of the log"
    head = "insert into log_heads (size, root, at) values (:size, :root, now())"
    for size in (299, 301):
        said = world.refused_by_database(head, size=size, root=bytes(32))
        assert said == f"23514 a head of {size} leaves does not fit the log"


def test_a_document_of_ours_is_published_under_its_digest(world: World) -> None:
    with world.transaction() as session:
        named = log.publish(session, {"b": 1, "a": "x"}, kind="revocation", issuer=ISSUER, now=world.now)
    with world.transaction() as session:
        assert log.statement(session, named) == '{"a":"x","b":1}'
        assert log.statement(session, digest(1)) is None
        head = sequencer.advance(session, now=world.now)
        assert head is not None
        assert head.root == fmt.Leaf("revocation", ISSUER, named).hash
        assert session.scalar(sa.select(sa.func.count()).select_from(LogHead)) == 1
