"""Papers that strangers hand in: pictures are made anew, PDFs stay files, anything else is refused in words."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from ewaste.accounts import papers
from ewaste.core.refusals import Invalid

PDF = b"%PDF-1.7\n1 0 obj\n<< >>\nendobj\n%%EOF\n"


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 30), **more: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "green").save(out, kind, **more)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises more than anybody can hold."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def test_a_picture_is_made_anew_without_what_came_with_it() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    data = picture("JPEG", exif=exif, comment=b"secret") + b"PK\x03\x04<script>alert(1)</script>"
    kept = papers.read(data, "Scan 1.JPEG")
    assert (kept.name, kept.media_type) == ("Scan 1.jpg", "image/jpeg")
    for hidden in (b"taken at home", b"secret", b"<script>", b"PK\x03\x04"):
        assert hidden not in kept.content
    assert Image.open(io.BytesIO(kept.content)).size == (40, 30)


def test_a_large_picture_is_made_smaller() -> None:
    kept = papers.read(picture(size=(4000, 2000)), "plan.png")
    assert Image.open(io.BytesIO(kept.content)).size == (2400, 1200)
    assert kept.name == "plan.jpg"


def test_a_pdf_stays_as_it_came() -> None:
    kept = papers.read(PDF, "../../etc/register\u202egpj.pdf")
    assert (kept.name, kept.media_type, kept.content) == ("registergpj.pdf", "application/pdf", PDF)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        pytest.param(b"", "is empty", id="nothing"),
        pytest.param(b"x" * (papers.LARGEST + 1), "larger than 2 MB", id="too large"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "neither a PDF", id="SVG"),
        pytest.param(b"<html>%PDF-1.4 %%EOF", "neither a PDF", id="a page that holds a PDF"),
        pytest.param(b"%PDF-1.4 and no end", "neither a PDF", id="half a PDF"),
        pytest.param(b"GIF89a" + b"\0" * 50, "neither a PDF", id="GIF"),
        pytest.param(b"PK\x03\x04" + b"\0" * 50, "neither a PDF", id="archive"),
        pytest.param(bomb(60_000, 60_000), "cannot be read as a picture", id="bomb"),
        pytest.param(bomb(100, 100), "cannot be read as a picture", id="broken"),
        pytest.param(b"\xff\xd8\xff" + b"\0" * 90, "cannot be read as a picture", id="only the head of a JPEG"),
    ],
)
def test_what_is_no_paper_is_refused_in_words(data: bytes, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence) as refused:
        papers.read(data, "file.bin")
    assert refused.value.field == "documents"
