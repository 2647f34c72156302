"""Labels to stick on: one for the device, one for each medium, with a code that a scanner reads.

After the wipe the code leads to the certificate; only a certificate that verified gives such labels. Before the wipe a
label of an order carries what the bench wants to be told: the order's code, or the serial number of the medium.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wipe_agent.jobs import Order
from wipe_agent.report import wording
from wipe_agent.report.canvas import ALARM, GREY, Canvas
from wipe_agent.report.proven import Proven

COLUMNS, ROWS = 3, 8
"""Labels on an A4 sheet: 70 × 37 mm each, without gaps, as they are sold."""
PER_SHEET = COLUMNS * ROWS
SHEET_LABEL = (70.0, 37.0)
SINGLE_LABEL = (62.0, 29.0)
"""A label from a roll, mm."""


@dataclass(frozen=True)
class Label:
    """One label: a heading, a few lines, and the text of its code."""

    heading: str
    lines: tuple[str, ...]
    code: str
    training: bool


def labels_of(proven: Proven, *, media: bool = True) -> list[Label]:
    """The label of the device and, with `media`, one for each medium that was certified and is there."""
    said = proven.statement
    day = f"{max(line.ended for line in said.lines):%Y-%m-%d}"
    name = " ".join(said.host_claimed.get(part, "") for part in ("manufacturer", "model")).strip()
    count = "1 medium" if len(said.lines) == 1 else f"{len(said.lines)} media"
    short = f"Certificate {proven.number[:13]}"
    found = [Label(said.device_code, (name, f"{count} certified, {day}", short), proven.verify_address, said.training)]
    for line in said.lines if media else ():
        if line.evidence_class == "absent":
            continue
        level = wording.LEVELS[line.level or "clear"]
        lines = (
            wording.medium_name(line),
            f"{level}, {line.evidence_class}, {line.ended:%Y-%m-%d}",
            f"Device {said.device_code}",
            short,
        )
        found.append(Label(line.serial or "no serial", lines, proven.verify_address, said.training))
    return found


def order_labels(order: Order) -> list[Label]:
    """Labels for the bench, before the wipe: they say "not wiped yet". The codes hold order code and serial number."""
    told = "Not wiped yet"
    media = len(order.media)
    found = [
        Label(order.device_code, (f"Order {order.code}", f"{media} media expected", told), order.code, order.training)
    ]
    for medium in order.media:
        name = " ".join(part for part in (medium.manufacturer, medium.model) if part) or medium.kind
        lines = (name, f"Order {order.code}", f"Device {order.device_code}", told)
        found.append(Label(medium.serial or "no serial", lines, medium.name_to_type, order.training))
    return found


def label_sheet(
    labels: Sequence[Label],
    *,
    made: datetime,
    single: bool = False,
    first: int = 1,
    fonts: Sequence[Path] = (),
) -> bytes:
    """The PDF: A4 sheets of 24 from the place `first` (1 to 24) on, or `single`, a page of 62 × 29 mm for each.

    `made` (aware) is the date of the file; the same labels give the same bytes. Raises ValueError for a place that is
    none, BadUsage for a font that is none.
    """
    if not 1 <= first <= PER_SHEET:
        raise ValueError(f"A sheet has places 1 to {PER_SHEET}, not {first}.")
    width, height = SINGLE_LABEL if single else SHEET_LABEL
    size = SINGLE_LABEL if single else (210.0, 297.0)
    canvas = Canvas(width=size[0], height=size[1], made=made, title="Labels", fonts=fonts)
    for number, label in enumerate(labels):
        place = 0 if single else number + first - 1
        on_sheet = place % PER_SHEET
        if number == 0 or on_sheet == 0:
            canvas.page()
        top = 0.0 if single else (297 - ROWS * height) / 2
        _draw(canvas, label, on_sheet % COLUMNS * width, top + on_sheet // COLUMNS * height, width, height)
    return canvas.bytes()


def _draw(canvas: Canvas, label: Label, x: float, y: float, width: float, height: float) -> None:
    edge = 3.0 if height < 35 else 5.0
    side = height - 2 * edge
    canvas.code(label.code, x + edge, y + edge, side, error="l")
    left = x + edge + side + 3.0
    room = width - (left - x) - 2.0
    below = canvas.write(
        label.heading, left, y + edge - 0.6, room, points=8.5 if width > 65 else 7.2, bold=True, most=2
    )
    if label.training:
        below = canvas.write("TRAINING", left, below, room, points=7.5, bold=True, ink=ALARM)
    for line in label.lines:
        if line and below < y + height - edge - 1.5:
            below = canvas.write(line, left, below + 0.3, room, points=6.2, ink=GREY, most=2)
