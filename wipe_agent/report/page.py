"""The certificate as a page for people: what was done to which media, how that is known, who, when, and what not.

Most devices fit on one page. A device with more media gets further pages, each with its number and the code.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wipe_agent.certificate.statement import MediumLine
from wipe_agent.report import wording
from wipe_agent.report.canvas import ALARM, GREY, INK, Canvas
from wipe_agent.report.letters import isolated
from wipe_agent.report.proven import Proven

_LEFT, _WIDTH, _BOTTOM = 16.0, 178.0, 276.0
_LIMITS = 34.0  # the height of what the certificate does not say, with the line about letters
_CODE = 36.0
_LABEL = 27.0
PRACTICE = "Training certificate. It was made for practice and proves nothing about a real device."


def certificate_page(proven: Proven, fonts: Sequence[Path] = ()) -> bytes:
    """The PDF of one certificate that verified; A4. The same certificate, address and fonts give the same bytes.

    `fonts` are .ttf or .otf files for letters that DejaVu lacks (Chinese, Japanese, Korean, Thai and others); without
    them such a letter is written as its code point, and the page says so. Raises BadUsage for a font that is none.
    """
    # Drawn twice: how many pages there are stands on each of them.
    rehearsal = _canvas(proven, fonts)
    pages = _draw(rehearsal, proven, 0)
    rehearsal.close()
    canvas = _canvas(proven, fonts)
    _draw(canvas, proven, pages)
    return canvas.bytes()


def _canvas(proven: Proven, fonts: Sequence[Path]) -> Canvas:
    title = f"Certificate of data sanitisation {proven.statement.device_code}"
    return Canvas(width=210, height=297, made=proven.statement.created, title=title, fonts=fonts)


def _draw(canvas: Canvas, proven: Proven, pages: int) -> int:
    """Draw every page, each numbered as one of `pages`. Returns how many there are."""
    number, y = 1, 0.0

    def begin() -> None:
        canvas.page()
        if proven.statement.training:
            canvas.across("TRAINING", 100)
        _foot(canvas, proven, number, pages)

    begin()
    y = _head(canvas, proven)
    for place, line in enumerate(proven.statement.lines, start=1):
        if y + _medium_height(canvas, line) > _BOTTOM:
            number += 1
            begin()
            y = _short_head(canvas, proven)
        y = _medium(canvas, place, line, y)
    if y + _LIMITS > _BOTTOM:
        number += 1
        begin()
        y = _short_head(canvas, proven)
    _limits(canvas, proven, y)
    return number


def _head(canvas: Canvas, proven: Proven) -> float:
    said = proven.statement
    right = _LEFT + _WIDTH - _CODE
    canvas.code(proven.verify_address, right, 18, _CODE)
    canvas.write("Scan to verify", right, 56, _CODE, points=7.5, ink=GREY)
    text = _WIDTH - _CODE - 10
    y = canvas.write("Certificate of data sanitisation", _LEFT, 17, text, points=19, bold=True)
    if said.training:
        y = canvas.write(PRACTICE, _LEFT, y + 1, text, points=9.5, bold=True, ink=ALARM)
    y = canvas.write(f"Device {said.device_code}", _LEFT, y + 2, text, points=13, bold=True, most=2)
    claimed = " ".join(said.host_claimed.get(part, "") for part in ("manufacturer", "model")).strip()
    y = canvas.write(_named(claimed, said.host_claimed.get("serial")), _LEFT, y + 0.5, text, points=9.5, most=2)
    observed = " ".join(said.host_observed.get(part, "") for part in ("manufacturer", "model")).strip()
    if said.host_observed:
        seen = f"Seen at the station: {_named(observed, said.host_observed.get('serial'))}"
    else:
        seen = "The station did not read the identity of the machine itself; it is as the order says."
    canvas.write(seen, _LEFT, y + 0.5, text, points=8, ink=GREY, most=2)
    y = max(y + 9, 64.0)
    canvas.rule(_LEFT, y, _WIDTH)
    y += 3
    for label, value in (
        ("Issued by", f"{isolated(said.issuer_name)}, {wording.minute(said.created)}"),
        ("Accredited by", proven.accreditor),
        ("Ordered by", proven.marketplace),
        ("Place, contact", ", ".join(part for part in (proven.location, proven.contact) if part)),
        ("Number", proven.number),
        ("Digest", proven.digest),
    ):
        if value:
            canvas.write(label, _LEFT, y, _LABEL, points=8.5, ink=GREY)
            y = canvas.write(value, _LEFT + _LABEL, y, _WIDTH - _LABEL, points=8.5, most=2) + 0.4
    y += 2.5
    media = "1 medium" if len(said.lines) == 1 else f"{len(said.lines)} media"
    y = canvas.write(f"What was done: {media}", _LEFT, y, _WIDTH, points=11.5, bold=True)
    return y + 1.5


def _short_head(canvas: Canvas, proven: Proven) -> float:
    y = canvas.write(f"Device {proven.statement.device_code}, continued", _LEFT, 17, _WIDTH, points=13, bold=True)
    canvas.write(f"Certificate {proven.number}", _LEFT, y, _WIDTH, points=8.5, ink=GREY)
    return 30.0


def _rows(line: MediumLine) -> list[tuple[str, str]]:
    rows = [
        ("Medium", wording.medium_facts(line)),
        ("Done", wording.what_was_done(line)),
        ("How we know", wording.evidence(line)),
        ("Not reached", wording.not_reached(line)),
        ("Who, when", wording.who_and_when(line)),
    ]
    return [(label, value) for label, value in rows if value]


def _medium_height(canvas: Canvas, line: MediumLine) -> float:
    width = _WIDTH - _LABEL - 4
    return 9.0 + sum(canvas.height_of(value, width, points=8.5) + 0.5 for _, value in _rows(line))


def _medium(canvas: Canvas, place: int, line: MediumLine, y: float) -> float:
    top = y
    y = canvas.write(f"{place}. {wording.medium_name(line)}", _LEFT + 3, y + 1.8, _WIDTH - 6, bold=True, most=1) + 0.3
    for label, value in _rows(line):
        canvas.write(label, _LEFT + 3, y, _LABEL - 2, points=8, ink=GREY)
        y = canvas.write(value, _LEFT + _LABEL, y, _WIDTH - _LABEL - 4, points=8.5) + 0.5
    canvas.frame(_LEFT, top, _WIDTH, y + 1 - top)
    return y + 3


def _limits(canvas: Canvas, proven: Proven, y: float) -> None:
    y = canvas.write("What this does not say", _LEFT, y + 1, _WIDTH, points=11.5, bold=True) + 0.5
    y = canvas.write(proven.scope, _LEFT, y, _WIDTH, points=8.5, ink=INK)
    held = "It was verified before this page was printed, with the trust file"
    check = (
        "This page is for reading. It proves nothing by itself: whoever must be sure scans the code, or checks the "
        f"files of the certificate (wipe-agent verify). {held} {proven.trust_fingerprint}."
    )
    y = canvas.write(check, _LEFT, y + 1, _WIDTH, points=8.5)
    if canvas.lacking:
        lacks = "Letters that this page's font lacks are written as code points, such as [U+5F20]. The files have them."
        canvas.write(lacks, _LEFT, y + 1, _WIDTH, points=8, ink=GREY)


def _foot(canvas: Canvas, proven: Proven, number: int, pages: int) -> None:
    canvas.rule(_LEFT, 279, _WIDTH)
    canvas.write(proven.verify_address, _LEFT, 280.5, _WIDTH - 22, points=6.5, ink=GREY, most=2)
    canvas.write(f"Page {number} of {pages}", _LEFT + _WIDTH - 18, 280.5, 18, points=6.5, ink=GREY)


def _named(name: str, serial: str | None) -> str:
    return ", ".join(part for part in (name, f"serial {serial}" if serial else "") if part)
