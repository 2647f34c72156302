"""From numbers to drawings: pure functions that place bars, lines and columns in the units of an SVG.

They know no words and no colours; `templates/components/charts.html` draws what they place, without a script. Every
drawing is stretched to the width it is given, so lengths are shares of `WIDTH` and `HEIGHT` and text stands in HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

WIDTH = 1000
HEIGHT = 400


@dataclass(frozen=True)
class Column:
    """One column of a waterfall. `kind`: base, taken, added, same or total; y counts from the top."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True)
class Link:
    """The thin line from the end of one column to the beginning of the next."""

    x1: float
    x2: float
    y: float


@dataclass(frozen=True)
class Waterfall:
    """Columns from the first level to the last, and what ties them."""

    columns: tuple[Column, ...]
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Part:
    """A part of a stacked bar: where it begins and how wide it is, in whole units."""

    x: int
    width: int


@dataclass(frozen=True)
class Line:
    """A line over time: the path, its dots, and the scale beside it."""

    path: str
    area: str
    dots: tuple[tuple[float, float], ...]
    ticks: tuple[int, ...]
    top: int


def waterfall(levels: Sequence[int]) -> Waterfall:
    """The way from the first level to the last: a base, one column for each change, and the sum. No level is negative.

    An empty list gives an empty drawing; a single level is base and sum.
    """
    if not levels:
        return Waterfall((), ())
    if min(levels) < 0:
        raise ValueError("A waterfall of prices has no level below zero.")
    most = max(levels) or 1
    step = WIDTH / (len(levels) + 1)
    width = _round(step * 0.7)

    def y(level: int) -> float:
        return _round(HEIGHT - HEIGHT * level / most)

    def column(place: int, low: int, high: int, kind: str) -> Column:
        return Column(_round(place * step + step * 0.15), y(high), width, _round(y(low) - y(high)), kind)

    columns = [column(0, 0, levels[0], "base")]
    for place, (before, after) in enumerate(pairwise(levels), start=1):
        kind = "added" if after > before else "taken" if after < before else "same"
        columns.append(column(place, min(before, after), max(before, after), kind))
    columns.append(column(len(levels), 0, levels[-1], "total"))
    links = tuple(
        Link(_round(left.x + left.width), right.x, y(level))
        for left, right, level in zip(columns, columns[1:], levels, strict=False)
    )
    return Waterfall(tuple(columns), links)


def bars(values: Sequence[int]) -> list[int]:
    """How wide the bar of each value is; the largest value takes the whole width, zero takes none."""
    most = max(values, default=0)
    return [_half_up(WIDTH * max(value, 0), most) if most > 0 else 0 for value in values]


def stacked(values: Sequence[int]) -> list[Part]:
    """The parts of a whole side by side. Their widths are whole units and sum to the full width, to the unit.

    What is left after rounding down goes to the largest remainders, the first of equals first.
    """
    whole = sum(values)
    if whole <= 0 or min(values) < 0:
        return [Part(0, 0) for _ in values]
    widths = [WIDTH * value // whole for value in values]
    by_remainder = sorted(range(len(values)), key=lambda place: (-(WIDTH * values[place] % whole), place))
    for place in by_remainder[: WIDTH - sum(widths)]:
        widths[place] += 1
    parts, x = [], 0
    for width in widths:
        parts.append(Part(x, width))
        x += width
    return parts


def line(points: Sequence[tuple[date, int]]) -> Line:
    """Values over time, in the order of time, on a scale that begins at zero. One point is a dot in the middle."""
    if not points:
        return Line("", "", (), (0,), 0)
    scale = ticks(max(value for _, value in points))
    top = scale[-1] or 1
    first, last = points[0][0], points[-1][0]
    span = (last - first).days
    dots = tuple(
        (
            _round(WIDTH * (day - first).days / span) if span else WIDTH / 2,
            _round(HEIGHT - HEIGHT * max(value, 0) / top),
        )
        for day, value in points
    )
    path = "M" + "L".join(f"{x:g} {y:g}" for x, y in dots)
    area = f"{path}L{dots[-1][0]:g} {HEIGHT}L{dots[0][0]:g} {HEIGHT}Z" if len(dots) > 1 else ""
    return Line(path, area, dots, scale, scale[-1])


def ticks(most: int, wanted: int = 4) -> tuple[int, ...]:
    """Round numbers from zero to at least `most`: steps of 1, 2 or 5 times a power of ten, about `wanted` of them."""
    if most <= 0:
        return (0, 1)
    rough = most / wanted
    power = 1
    while power * 10 <= rough:
        power *= 10
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    count = -(-most // step)
    return tuple(step * number for number in range(count + 1))


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _round(value: float) -> float:
    return round(value, 2)


FILTERS: dict[str, Callable[..., Any]] = {
    "as_waterfall": waterfall,
    "as_bars": bars,
    "as_stack": stacked,
    "as_line": line,
}
"""What templates call these by."""
