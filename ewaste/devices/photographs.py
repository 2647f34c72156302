"""Photographs of devices: what somebody sends is decoded, turned upright, made smaller and encoded anew.

Only the picture itself is kept: no metadata (where and when it was taken, by which phone), and nothing that hides
behind or before it. What a decoder does not take for JPEG, PNG or WebP is refused in words, and a picture that would
unfold to more than we can hold is refused by its header, before anything is unfolded. `encode` knows no database and
is called outside the transaction; `add` and `hide` are for the journey.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from PIL import Image
from sqlalchemy.orm import Session, undefer

from ewaste.accounts.models import Actor
from ewaste.core.refusals import Conflict, Invalid, NotFound
from ewaste.devices import custody
from ewaste.devices.models import Device, Photograph, PhotographKind

LARGEST_FILE = 8 * 1024 * 1024
MOST_AT_ONCE = 4
MOST_PIXELS = 40_000_000
LONG_EDGE, SMALL_EDGE = 1600, 400
MOST_OF_A_DEVICE = 12  # shown at the same time, in one custody cycle
MOST_EVER = 36  # with those that were hidden, so that hiding makes no room without end
FIELD = "photographs"

KINDS_OF_CENTRE = (
    PhotographKind.RECEIPT,
    PhotographKind.INSPECTION,
    PhotographKind.OPENED_CASE,
    PhotographKind.LISTING,
)

# How a file of another kind begins, and what we say of it.
_OTHERS = (
    (b"GIF8", "a GIF"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "an archive"),
    (b"<svg", "a drawing (SVG)"),
    (b"<?xml", "a drawing (SVG) or another text"),
    (b"<", "a web page or another text"),
    (b"BM", "a bitmap (BMP)"),
    (b"II*\x00", "a TIFF or a raw picture"),
    (b"MM\x00*", "a TIFF or a raw picture"),
)
# EXIF: how the camera was held → what turns the picture upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
# A picture of 40 megapixels takes some 160 MB while it is unfolded; two at a time are enough for one process.
_unfolding = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class Encoded:
    """A photograph as it is kept: JPEG without metadata, at most 1600 pixels long, and a small one of 400."""

    image: bytes
    thumb: bytes
    width: int
    height: int
    sha256: str


def encode(data: bytes, name: str = "") -> Encoded:
    """Make what somebody sent into what we keep. Raises `Invalid` (field `photographs`) with the reason in words."""
    called = f"“{name[:60]}”" if name and name.isprintable() else "This file"
    if not data:
        raise Invalid(f"{called} is empty. Choose a photograph.", field=FIELD)
    if len(data) > LARGEST_FILE:
        raise Invalid(f"{called} is larger than 8 MB. Send it in a smaller size.", field=FIELD)
    _require_kind(data, called)
    with _unfolding:
        picture = _decode(data, called)
        picture.thumbnail((LONG_EDGE, LONG_EDGE), Image.Resampling.LANCZOS)
        width, height = picture.size
        image = _jpeg(picture, 84)
        picture.thumbnail((SMALL_EDGE, SMALL_EDGE), Image.Resampling.LANCZOS)
        thumb = _jpeg(picture, 80)
    return Encoded(image, thumb, width, height, hashlib.sha256(image).hexdigest())


def add(
    session: Session, device: Device, kind: PhotographKind, pictures: Sequence[Encoded], *, by: Actor, now: datetime
) -> list[Photograph]:
    """Keep photographs of a device (locked), and note their digests in its chain. The same picture twice is one.

    Raises `Invalid` when there would be too many.
    """
    if by.id is None:
        raise Conflict("A photograph is sent by a person.")
    kept = session.execute(
        sa.select(Photograph.kind, Photograph.sha256, Photograph.hidden_at).where(
            Photograph.device_id == device.id, Photograph.cycle == device.cycle
        )
    ).all()
    shown = {(row.kind, row.sha256) for row in kept if row.hidden_at is None}
    fresh = list({one.sha256: one for one in pictures if (kind, one.sha256) not in shown}.values())
    if len(shown) + len(fresh) > MOST_OF_A_DEVICE or len(kept) + len(fresh) > MOST_EVER:
        raise Invalid(
            f"A device has at most {MOST_OF_A_DEVICE} photographs, and {len(shown)} are there. Hide one that says "
            "less, or send fewer.",
            field=FIELD,
        )
    rows = [
        Photograph(
            device_id=device.id,
            cycle=device.cycle,
            kind=kind,
            sha256=one.sha256,
            image=one.image,
            thumb=one.thumb,
            width=one.width,
            height=one.height,
            uploaded_by=by.id,
            at=now,
        )
        for one in fresh
    ]
    session.add_all(rows)
    session.flush()
    if rows:
        evidence = {"kind": kind.value, "photographs": [{"id": str(row.id), "sha256": row.sha256} for row in rows]}
        custody.note(session, device, "photograph.added", by=by, evidence=evidence, now=now)
    return rows


def hide(session: Session, device: Device, photograph: Photograph, *, by: Actor, now: datetime) -> None:
    """Show a photograph to nobody any more. It is kept, and the chain says who hid it. Hiding twice changes nothing."""
    if photograph.hidden_at is not None:
        return
    photograph.hidden_at, photograph.hidden_by = now, by.id
    session.flush()
    evidence = {"kind": photograph.kind.value, "photograph": str(photograph.id), "sha256": photograph.sha256}
    custody.note(session, device, "photograph.hidden", by=by, evidence=evidence, now=now)


def find(session: Session, photograph_id: UUID) -> Photograph:
    """The photograph, without its picture. Raises `NotFound`."""
    photograph = session.get(Photograph, photograph_id, populate_existing=True)
    if photograph is None:
        raise NotFound(custody.NOBODYS)
    return photograph


def picture_of(session: Session, photograph_id: UUID, *, small: bool) -> bytes:
    """The picture itself, as JPEG. Raises `NotFound`."""
    column = Photograph.thumb if small else Photograph.image
    found = session.scalar(
        sa.select(Photograph)
        .where(Photograph.id == photograph_id)
        .options(undefer(column))
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound(custody.NOBODYS)
    return found.thumb if small else found.image


def _require_kind(data: bytes, called: str) -> None:
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif"):
        raise Invalid(
            f"{called} is an HEIC or AVIF picture, which we cannot read. In the settings of the phone's camera choose "
            "“most compatible”, or send it as JPEG.",
            field=FIELD,
        )
    begins = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:16].lower()
    for sign, word in _OTHERS:
        if begins.startswith(sign.lower()):
            raise Invalid(f"{called} is {word}. We take photographs as JPEG, PNG or WebP.", field=FIELD)


def _decode(data: bytes, called: str) -> Image.Image:
    """The first picture of the file, upright, in RGB, at most twice as long as we keep it where that is cheap."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as opened:
            width, height = opened.size
            if width * height > MOST_PIXELS or max(width, height) > 30_000:
                raise Invalid(
                    f"{called} has {width:,} by {height:,} points; more than 40 megapixels are not unfolded. Send it "
                    "smaller.",
                    field=FIELD,
                )
            turned = opened.getexif().get(_ORIENTATION)
            opened.draft("RGB", (LONG_EDGE, LONG_EDGE))  # JPEG: decoded at a fraction of its size.
            opened.load()
            upright = _on_white(opened)
    except Invalid:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Invalid(f"{called} unfolds to far more than 40 megapixels. Send it smaller.", field=FIELD) from error
    except Exception as error:  # Whatever a decoder stumbles over, it is a file that we do not take.
        raise Invalid(
            f"{called} is no photograph that we can read: it must be a whole JPEG, PNG or WebP file.", field=FIELD
        ) from error
    way = _UPRIGHT.get(turned) if isinstance(turned, int) else None
    return upright.transpose(way) if way is not None else upright


def _on_white(picture: Image.Image) -> Image.Image:
    """In RGB; what is see-through becomes white, as it would on paper."""
    if "A" in picture.getbands() or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        white = Image.new("RGB", clear.size, "white")
        white.paste(clear, mask=clear.getchannel("A"))
        return white
    return picture.convert("RGB")


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    """A fresh JPEG of the points alone: Pillow writes EXIF, profiles and comments only where it is handed them."""
    bare = Image.new("RGB", picture.size)
    bare.paste(picture)
    out = io.BytesIO()
    bare.save(out, "JPEG", quality=quality, optimize=True, progressive=True)
    return out.getvalue()
