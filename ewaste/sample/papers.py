"""The papers that a sample firm sends with its application: one page of PDF, and it says what it is."""

from __future__ import annotations


def registration(firm: str, city: str) -> bytes:
    """A practice document (PDF 1.4, ISO 32000 structure) that names the firm and proves nothing."""
    lines = ("PRACTICE DOCUMENT - proves nothing", f"Registration of {firm}, {city}", "Made for a training market.")
    text = " T* ".join(f"({_escaped(line)}) Tj" for line in lines)
    stream = f"BT /F1 16 Tf 24 TL 72 760 Td {text} ET".encode("latin-1")
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 %s >> >> >>"
    )
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        page % font,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    )
    document, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(document))
    return document + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + end


def _escaped(text: str) -> str:
    for sign in "\\()":
        text = text.replace(sign, f"\\{sign}")
    return text
