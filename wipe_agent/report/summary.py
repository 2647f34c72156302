"""A batch on one page: how many media, how they ended, by what evidence; and every line of it as CSV.

Certificates that do not verify are named with the reason and counted apart. Orders without a certificate are listed as
open. A certificate that is named twice counts once. The page has room for some thirty lines; how many more stand in
the CSV is said on it. Its code leads to where each line can be asked about: nobody vouches for a list.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wipe_agent.certificate.statement import MediumLine
from wipe_agent.certificate.times import write_time
from wipe_agent.certificate.vocabulary import KIND_NAMES
from wipe_agent.report import wording
from wipe_agent.report.canvas import ALARM, GREY, Canvas
from wipe_agent.report.proven import Judged, Proven

COLUMNS = (
    "result", "device", "medium", "kind", "serial", "wwn", "size_bytes", "level", "technique", "evidence_class",
    "bytes_read", "bytes_unreadable", "bad_blocks", "not_reached", "operator", "second_person", "started", "ended",
    "verified", "centre", "training", "certificate", "digest", "verify_address", "reason",
)  # fmt: skip
_LEFT, _WIDTH = 12.0, 273.0
_CODE = 22.0
_PLACES = ((0, 30), (31, 54), (86, 46), (133, 20), (154, 26), (181, 36), (218, 27), (246, 27))
_HEADS = ("Device", "Medium", "Serial", "Size", "Result", "How we know", "Wiped", "Certificate")
_ROWS = 32
_PRACTICE = "There are training certificates here. They were made for practice and prove nothing about real devices."


@dataclass(frozen=True)
class OpenOrder:
    """A medium of an order that has no certificate yet: where it stands, in words."""

    order: str
    device: str
    kind: str
    serial: str
    state: str


Row = dict[str, str]


def rows(judged: Sequence[Judged], still_open: Sequence[OpenOrder] = ()) -> list[Row]:
    """A row for each medium of each certificate that verifies, each bundle that does not, and each open medium.

    Values are texts; sizes are bytes, times as the certificate writes them. `result` is certified, refused or open.
    """
    found: list[Row] = []
    seen: set[str] = set()
    for one in judged:
        if one.proven is None:
            found.append(_row(result="refused", certificate=one.name, reason=one.refusal or ""))
        elif one.proven.digest not in seen:
            seen.add(one.proven.digest)
            found += [_certified(one.proven, line) for line in one.proven.statement.lines]
    found += [
        _row(
            result="open",
            device=medium.device,
            medium=KIND_NAMES.get(medium.kind, medium.kind),
            kind=medium.kind,
            serial=medium.serial,
            reason=f"order {medium.order}: {medium.state}",
        )
        for medium in still_open
    ]
    return found


def _certified(proven: Proven, line: MediumLine) -> Row:
    said = proven.statement
    return _row(
        result="certified",
        device=said.device_code,
        medium=wording.medium_name(line),
        kind=line.kind,
        serial=line.serial,
        wwn=line.wwn or "",
        size_bytes=str(line.size_bytes),
        level=line.level or "",
        technique=line.technique,
        evidence_class=line.evidence_class,
        bytes_read=str(line.bytes_read),
        bytes_unreadable=str(line.bytes_unreadable),
        bad_blocks=str(line.bad_blocks),
        not_reached=wording.not_reached(line),
        operator=line.operator,
        second_person=line.validator or "",
        started=write_time(line.started),
        ended=write_time(line.ended),
        verified=write_time(line.verified),
        centre=said.issuer_name,
        training="yes" if said.training else "no",
        certificate=said.certificate_id,
        digest=proven.digest,
        verify_address=proven.verify_address,
    )


def summary_csv(judged: Sequence[Judged], still_open: Sequence[OpenOrder] = ()) -> bytes:
    """The rows as CSV (RFC 4180), in UTF-8 with a byte order mark, as spreadsheets want it.

    A value that a spreadsheet would take for a formula gets an apostrophe in front: serial numbers come from drives,
    and a drive says what it likes.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_plain(row[column]) for column in COLUMNS] for row in rows(judged, still_open))
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def summary_page(
    judged: Sequence[Judged],
    still_open: Sequence[OpenOrder] = (),
    *,
    made: datetime,
    fonts: Sequence[Path] = (),
    title: str = "Batch summary",
) -> bytes:
    """The PDF of a batch, one A4 page across, dated `made` (aware). Raises BadUsage for a font that is none."""
    listed = rows(judged, still_open)
    canvas = Canvas(width=297, height=210, made=made, title=title, fonts=fonts)
    canvas.page()
    training = any(row["training"] == "yes" for row in listed)
    if training:
        canvas.across("TRAINING", 120)
    below = _code(canvas, judged)
    text_width = _WIDTH - (_CODE + 8 if below else 0)
    y = canvas.write(title, _LEFT, 12, text_width - 60, points=17, bold=True, most=1)
    canvas.write(wording.minute(made), _LEFT + text_width - 45, 14.5, 45, points=9, ink=GREY)
    if training:
        y = canvas.write(_PRACTICE, _LEFT, y, text_width, bold=True, ink=ALARM)
    for sentence in totals(listed):
        y = canvas.write(sentence, _LEFT, y + 0.6, text_width, points=9.5)
    y = _table(canvas, listed, max(y + 3, below))
    text = (
        "Certified means: the certificate verified when this page was made. What a certificate does not say, this page "
        "does not say either: nothing of media that are not listed, of cloud accounts, or of later use."
    )
    canvas.write(text, _LEFT, 196, _WIDTH, points=7.5, ink=GREY)
    return canvas.bytes()


def _code(canvas: Canvas, judged: Sequence[Judged]) -> float:
    """The code to scan, at the right; returns where it ends, 0 where there is none.

    It leads to the one certificate there is, else to the page of the marketplace where the device of each line can be
    asked about; certificates of several marketplaces have no one page.
    """
    addresses = {one.proven.verify_address for one in judged if one.proven is not None}
    pages = {address.partition("?")[0] for address in addresses}
    if len(pages) != 1:
        return 0.0
    one = len(addresses) == 1
    left = _LEFT + _WIDTH - _CODE
    canvas.code(addresses.pop() if one else pages.pop(), left, 9, _CODE)
    words = "Scan to verify" if one else "Scan, then type a device of the list"
    return canvas.write(words, left, 10 + _CODE, _CODE + 3, points=6, ink=GREY) + 1


def totals(listed: Sequence[Row]) -> list[str]:
    """The sentences at the top: how many, by result, by method and evidence."""
    count = Counter(row["result"] for row in listed)
    certified = [row for row in listed if row["result"] == "certified"]
    devices = len({row["device"] for row in certified})
    counted = (
        f"{_many(count['certified'], 'medium', 'media')} certified in {_many(devices, 'device', 'devices')}. "
        f"{_many(count['refused'], 'bundle does', 'bundles do')} not verify. "
        f"{_many(count['open'], 'medium is', 'media are')} still open."
    )
    sentences = [counted]
    if certified:
        by_level = Counter(row["level"] or "absent" for row in certified)
        by_evidence = Counter(row["evidence_class"] for row in certified)
        held = sum(int(row["size_bytes"]) for row in certified)
        sentences.append(
            f"{wording.size(held)} in all. By result: {_listed(by_level)}. By evidence: {_listed(by_evidence)}."
        )
        centres, people = ({row[name] for row in certified if row[name]} for name in ("centre", "operator"))
        sentences.append(f"Test centre: {', '.join(sorted(centres))}. Wiped by: {', '.join(sorted(people))}.")
    return sentences


def _table(canvas: Canvas, listed: Sequence[Row], y: float) -> float:
    for (x, width), head in zip(_PLACES, _HEADS, strict=True):
        canvas.write(head, _LEFT + x, y, width, points=7.5, bold=True, ink=GREY)
    y += 4
    canvas.rule(_LEFT, y, _WIDTH)
    y += 0.8
    # What needs somebody's eye comes first, so that it is never among the lines that had no room.
    order = {"refused": 0, "open": 1, "certified": 2}
    shown = sorted(listed, key=lambda row: order[row["result"]])
    room = min(_ROWS, int((190 - y) / 4.3))
    for row in shown[:room]:
        if row["result"] == "certified":
            values = (
                row["device"], row["medium"], row["serial"] or "–", _size(row["size_bytes"]),
                row["level"] or "absent", row["evidence_class"], row["ended"][:16].replace("T", " "),
                row["certificate"].removeprefix("urn:uuid:")[:13],
            )  # fmt: skip
            for (x, width), value in zip(_PLACES, values, strict=True):
                canvas.write(value, _LEFT + x, y, width - 1, points=7.5, most=1)
        else:
            _unfinished(canvas, row, y)
        y += 4.3
    if len(shown) > room:
        canvas.write(f"And {len(shown) - room} more lines, all in the CSV.", _LEFT, y, _WIDTH, points=8, bold=True)
    return y


def _unfinished(canvas: Canvas, row: Row, y: float) -> None:
    """A line for what is open, and one in the colour of alarm for what does not verify."""
    if row["result"] == "open":
        for (x, width), value in zip(_PLACES, (row["device"], row["medium"], row["serial"] or "–"), strict=False):
            canvas.write(value, _LEFT + x, y, width - 1, points=7.5, most=1)
        x = _PLACES[4][0]
        canvas.write(f"open: {row['reason']}", _LEFT + x, y, _WIDTH - x, points=7.5, bold=True, most=1)
        return
    canvas.write(row["certificate"], _LEFT, y, 84, points=7.5, bold=True, ink=ALARM, most=1)
    text = f"does not verify: {row['reason']}"
    canvas.write(text, _LEFT + 86, y, _WIDTH - 86, points=7.5, ink=ALARM, most=1)


def _row(**values: str) -> Row:
    return {column: values.get(column, "") for column in COLUMNS}


def _plain(value: str) -> str:
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _size(count: str) -> str:
    return wording.size(int(count)) if count != "0" else "–"
