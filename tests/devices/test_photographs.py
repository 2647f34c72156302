"""Photographs: what is taken, what is refused in words, and that nothing but the picture is kept."""

from __future__ import annotations

import io
import struct
import time
import zlib
from uuid import UUID

import pytest
import sqlalchemy as sa
from PIL import Image

from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from ewaste.devices import photographs
from ewaste.devices.models import CustodyEvent, Photograph
from ewaste.journey import bench, trade_in
from ewaste.views import photographs as shown
from tests.world import World, jpeg


def refused(data: bytes, name: str = "") -> str:
    """Why this file is not taken."""
    with pytest.raises(Invalid) as why:
        photographs.encode(data, name)
    assert why.value.field == "photographs"
    return why.value.message


def picture(kind: str, size: tuple[int, int] = (60, 30), mode: str = "RGB", **more: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "red" if mode == "RGB" else 0).save(out, kind, **more)
    return out.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is this large, with almost nothing in it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 100_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_what_is_kept_is_a_jpeg_of_bounded_size_and_a_small_one(kind: str) -> None:
    kept = photographs.encode(picture(kind, (2400, 1200)))
    large, small = Image.open(io.BytesIO(kept.image)), Image.open(io.BytesIO(kept.thumb))
    assert (large.format, large.size, small.format, small.size) == ("JPEG", (1600, 800), "JPEG", (400, 200))
    assert (kept.width, kept.height) == (1600, 800)


def test_a_small_picture_is_not_blown_up() -> None:
    kept = photographs.encode(picture("PNG", (30, 20)))
    assert Image.open(io.BytesIO(kept.image)).size == Image.open(io.BytesIO(kept.thumb)).size == (30, 20)


def test_a_picture_is_turned_upright_and_loses_everything_else() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "SecretPhone 12"
    exif.get_ifd(0x8825)[1] = "N"
    sent = picture("JPEG", (60, 30), exif=exif, comment=b"at home", icc_profile=b"profile of a camera")
    assert b"SecretPhone" in sent
    kept = photographs.encode(sent)
    assert (kept.width, kept.height) == (30, 60)
    for stored in (kept.image, kept.thumb):
        opened = Image.open(io.BytesIO(stored))
        assert dict(opened.getexif()) == {}
        assert not {"exif", "icc_profile", "comment", "xmp"} & set(opened.info)
        for secret in (b"SecretPhone", b"at home", b"profile of a camera", b"Exif"):
            assert secret not in stored


def test_what_hides_behind_a_picture_is_not_kept() -> None:
    sent = jpeg() + b"<script>alert(1)</script><svg onload=alert(1)>PK\x03\x04"
    kept = photographs.encode(sent)
    assert b"script" not in kept.image
    assert b"svg" not in kept.image


def test_what_is_see_through_becomes_white() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(out, "PNG")
    assert Image.open(io.BytesIO(photographs.encode(out.getvalue()).image)).getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "is a drawing (SVG)"),
        (b"\xef\xbb\xbf  <?xml version='1.0'?><svg/>", "is a drawing (SVG)"),
        (b"GIF89a/*" + picture("JPEG"), "is a GIF"),
        (picture("GIF"), "is a GIF"),
        (b"<html><body>", "is a web page"),
        (b"%PDF-1.7", "is a PDF"),
        (b"PK\x03\x04" + bytes(40), "is an archive"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "is an HEIC or AVIF picture"),
        (picture("BMP"), "is a bitmap"),
        (picture("TIFF"), "is a TIFF"),
        (jpeg()[:300], "no photograph that we can read"),
        (b"\xff\xd8\xff" + bytes(2000), "no photograph that we can read"),
        (b"not a picture at all", "no photograph that we can read"),
    ],
)
def test_what_is_no_photograph_is_refused_in_words(data: bytes, sentence: str) -> None:
    assert sentence in refused(data)


def test_the_file_is_named_in_the_refusal_and_its_name_is_bounded() -> None:
    assert refused(b"GIF89a", "cat.gif").startswith("“cat.gif” is a GIF")
    assert len(refused(b"GIF89a", "x" * 5000)) < 200
    assert refused(b"GIF89a", "\u202egpj.exe").startswith("This file")


def test_a_file_of_more_than_eight_megabytes_is_refused_unread() -> None:
    assert "larger than 8 MB" in refused(jpeg() + bytes(photographs.LARGEST_FILE))


@pytest.mark.parametrize("size", [(8_000, 5_001), (50_000, 50_000), (40_000, 2), (2**31 - 1, 2**31 - 1)])
def test_a_picture_that_unfolds_to_too_much_is_refused_by_its_header(size: tuple[int, int]) -> None:
    began = time.perf_counter()
    why = refused(png_header(*size))
    assert "megapixels" in why or "no photograph" in why
    assert time.perf_counter() - began < 1


def test_forty_megapixels_are_taken() -> None:
    kept = photographs.encode(jpeg(8000, 5000))
    assert (kept.width, kept.height) == (1600, 1000)


# ---- of a device ----


def add(world: World, device_id: UUID, *colours: str, kind: str = "receipt") -> list[Photograph]:
    with world.transaction() as session:
        pictures = [photographs.encode(jpeg(colour=colour)) for colour in colours]
        return bench.add_photographs(session, world.olga, device_id, kind=kind, pictures=pictures, now=world.now)


def test_a_photograph_stands_in_the_chain_with_its_digest(world: World) -> None:
    device_id = world.received()
    (kept,) = add(world, device_id, "red", kind="opened-case")
    with world.transaction() as session:
        event = session.scalars(
            sa.select(CustodyEvent).where(CustodyEvent.device_id == device_id).order_by(CustodyEvent.seq.desc())
        ).first()
    assert event is not None
    assert event.kind == "photograph.added"
    assert event.evidence == {"kind": "opened-case", "photographs": [{"id": str(kept.id), "sha256": kept.sha256}]}


def test_the_same_picture_sent_twice_is_one(world: World) -> None:
    device_id = world.received()
    add(world, device_id, "red", "red")
    with world.nothing_changes():
        assert add(world, device_id, "red") == []
    assert world.raw("select count(*) from photographs") == 1


def test_a_device_has_twelve_photographs_and_hiding_makes_room_but_not_without_end(world: World) -> None:
    device_id = world.received()
    colours = [f"rgb({number}, 0, 0)" for number in range(0, 250, 6)]
    for start in range(0, 12, 4):
        add(world, device_id, *colours[start : start + 4])
    with world.nothing_changes(), pytest.raises(Invalid, match="at most 12 photographs, and 12 are there"):
        add(world, device_id, colours[12])
    for colour in colours[12:36]:
        hide_one(world)
        add(world, device_id, colour)
    hide_one(world)
    with world.nothing_changes(), pytest.raises(Invalid, match="at most 12"):
        add(world, device_id, colours[36])


def hide_one(world: World) -> None:
    with world.transaction() as session:
        shown_first = sa.select(Photograph.id).where(Photograph.hidden_at.is_(None)).order_by(Photograph.id).limit(1)
        bench.hide_photograph(session, world.olga, session.scalars(shown_first).one(), now=world.now)


def test_a_seller_photographs_before_the_inspection_and_hides_only_their_own(world: World) -> None:
    device_id = world.expected()
    pictures = [photographs.encode(jpeg(colour="navy"))]
    with world.transaction() as session:
        (own,) = trade_in.add_photographs(session, world.cora, device_id, pictures=pictures, now=world.now)
    with world.nothing_changes(), pytest.raises(NotFound), world.transaction() as session:
        trade_in.add_photographs(session, world.actor("ben"), device_id, pictures=pictures, now=world.now)
    inspected = world.inspected(serial="PF2", serials=("D2",))
    with world.nothing_changes(), pytest.raises(Conflict), world.transaction() as session:
        trade_in.add_photographs(session, world.cora, inspected, pictures=pictures, now=world.now)
    (theirs,) = add(world, inspected, "red", kind="inspection")
    with world.nothing_changes(), pytest.raises(NotAllowed), world.transaction() as session:
        bench.hide_photograph(session, world.cora, theirs.id, now=world.now)
    with world.transaction() as session:
        bench.hide_photograph(session, world.cora, own.id, now=world.now)
    with pytest.raises(NotFound), world.transaction() as session:
        shown.picture(session, world.cora, own.id, small=True)


def test_only_a_photograph_for_sale_is_for_everybody(world: World) -> None:
    device_id = world.cleared()
    (seen,), (listed,) = add(world, device_id, "red", kind="inspection"), add(world, device_id, "blue", kind="listing")
    with world.transaction() as session:
        assert [one["id"] for one in shown.of_listing(session, [device_id])[device_id]] == [listed.id]
        assert shown.picture(session, world.actor("ben"), listed.id, small=False)[2] is True
        for who in ("ben", "omar", "rita"):
            with pytest.raises(NotFound):
                shown.picture(session, world.actor(who), seen.id, small=False)
        for who in ("cora", "olga", "otto", "stefan", "ada"):
            assert shown.picture(session, world.actor(who), seen.id, small=True)[2] is False


def test_a_seller_sees_nothing_of_a_later_custody_cycle(world: World) -> None:
    device_id = world.cleared()
    (before,) = add(world, device_id, "red")
    world.note_medium(device_id, "LATE-1", "sd")
    with world.transaction() as session:
        from ewaste.journey import clearing

        clearing.clear_again(session, world.olga, device_id, now=world.now)
    (after,) = add(world, device_id, "blue")
    with world.transaction() as session:
        device = world.device(device_id)
        assert [one["id"] for one in shown.of_device(session, device, owner=True)] == [before.id]
        assert [one["id"] for one in shown.of_device(session, device, owner=False)] == [after.id]
        with pytest.raises(NotFound):
            shown.picture(session, world.cora, after.id, small=False)


def test_a_picture_is_never_changed_nor_taken_away(world: World) -> None:
    device_id = world.received()
    add(world, device_id, "red")
    for sql in (
        "update photographs set image = thumb",
        "update photographs set kind = 'listing'",
        "delete from photographs",
    ):
        assert world.refused_by_database(sql).startswith("42501 permission denied")
