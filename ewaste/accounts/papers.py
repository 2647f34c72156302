"""Papers that a firm hands in: PDF, JPEG or PNG, bounded, and never shown as anything but what they are.

A picture is decoded and encoded anew, so that only the picture is kept. A PDF is kept as it came, as nothing we have
could make it anew without changing what it proves; it is only ever handed out as a file to save.
"""

from __future__ import annotations

import io
import re
import threading
import warnings

from PIL import Image, ImageOps

from ewaste.accounts.firms import Paper
from ewaste.core.refusals import Invalid

LARGEST = 2 * 1024 * 1024
MOST_PIXELS = 25_000_000
LONG_EDGE = 2400
NAME = 100
_unfolding = threading.BoundedSemaphore(2)  # A picture of 25 megapixels takes some 100 MB while it is unfolded.


def read(data: bytes, name: str, *, field: str = "documents") -> Paper:
    """A file as somebody sent it, checked and ready to be kept. Raises `Invalid` with the reason in words."""
    shown = _name(name)
    if not data:
        raise Invalid(f"“{shown}” is empty. Choose another file.", field=field)
    if len(data) > LARGEST:
        raise Invalid(f"“{shown}” is larger than 2 MB. Save it smaller, and send it again.", field=field)
    if data.startswith(b"%PDF-") and b"%%EOF" in data[-2048:]:
        return Paper(_ending(shown, "pdf"), "application/pdf", data)
    if data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        return Paper(_ending(shown, "jpg"), "image/jpeg", _picture(data, shown, field))
    raise Invalid(f"“{shown}” is neither a PDF nor a JPEG or PNG picture. Save it as one of these.", field=field)


def _picture(data: bytes, shown: str, field: str) -> bytes:
    unreadable = f"“{shown}” cannot be read as a picture, or is larger than 25 megapixels. Take it anew."
    with _unfolding, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise Invalid(unreadable, field=field)
                upright = ImageOps.exif_transpose(picture).convert("RGB")
        except Invalid:
            raise
        except Exception as error:  # Whatever a stranger's bytes make the decoder raise.
            raise Invalid(unreadable, field=field) from error
        upright.thumbnail((LONG_EDGE, LONG_EDGE), Image.Resampling.LANCZOS)
        kept = Image.new("RGB", upright.size)
        kept.paste(upright)  # The picture, and nothing that came with it.
        out = io.BytesIO()
        kept.save(out, "JPEG", quality=85, optimize=True)
        return out.getvalue()


def _name(name: str) -> str:
    last = re.split(r"[/\\]", name)[-1]
    bare = "".join(c for c in last if c.isprintable() and c not in '"<>|:*?%;\u202a\u202b\u202c\u202d\u202e')
    return " ".join(bare.split())[-NAME:] or "document"


def _ending(name: str, ending: str) -> str:
    stem = re.sub(r"\.(pdf|jpe?g|png)$", "", name, flags=re.IGNORECASE) or "document"
    return f"{stem}.{ending}"
