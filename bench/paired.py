"""Measure two things against each other so that a noisy machine disturbs both alike.

Each pair measures both once, right after one another; every other pair begins with the other one. A pair gives one
ratio, ours by theirs. The result is the median of these ratios, and their quartiles as `low` and `high`: half of
all pairs lie between them. `ours` and `versus` are the medians of the values themselves.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Final, TypedDict

__all__ = ["FEWEST_PAIRS", "Result", "measure", "summarise"]

FEWEST_PAIRS: Final = 7


class Result(TypedDict):
    """One row of the benchmark table, and of `var/bench.json`."""

    name: str
    ratio: float
    low: float
    high: float
    ours: float
    versus: float
    unit: str


def measure(
    name: str, unit: str, ours: Callable[[], float], versus: Callable[[], float], *, pairs: int = FEWEST_PAIRS
) -> Result:
    """Measure `pairs` pairs. Each of the two does its work once and returns its value in `unit`, more being better."""
    mine: list[float] = []
    theirs: list[float] = []
    for number in range(pairs):
        order = [(ours, mine), (versus, theirs)]
        for take, values in order if number % 2 == 0 else reversed(order):
            values.append(take())
    return summarise(name, unit, mine, theirs)


def summarise(name: str, unit: str, ours: list[float], versus: list[float]) -> Result:
    """The row for values that were measured in pairs. Raises ValueError when they are too few to say anything."""
    if len(ours) != len(versus) or len(ours) < FEWEST_PAIRS:
        raise ValueError(f"{name} needs at least {FEWEST_PAIRS} whole pairs, not {len(ours)} and {len(versus)} values")
    ratios = [mine / theirs for mine, theirs in zip(ours, versus, strict=True)]
    low, ratio, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Result(
        name=name,
        ratio=round(ratio, 4),
        low=round(low, 4),
        high=round(high, 4),
        ours=round(statistics.median(ours), 3),
        versus=round(statistics.median(versus), 3),
        unit=unit,
    )
