"""From numbers to drawings: exact places, so that a drawing never says something else than its table."""

from __future__ import annotations

from datetime import date

import pytest

from ewaste.web import charts
from ewaste.web.charts import Column, Link, Part


def test_a_waterfall_goes_down_and_up_and_ends_in_the_sum() -> None:
    drawn = charts.waterfall([200, 100, 150])
    assert drawn.columns == (
        Column(37.5, 0.0, 175.0, 400.0, "base"),
        Column(287.5, 0.0, 175.0, 200.0, "taken"),
        Column(537.5, 100.0, 175.0, 100.0, "added"),
        Column(787.5, 100.0, 175.0, 300.0, "total"),
    )
    assert drawn.links == (Link(212.5, 287.5, 0.0), Link(462.5, 537.5, 200.0), Link(712.5, 787.5, 100.0))


def test_a_step_that_changes_nothing_is_flat_and_a_price_of_zero_draws() -> None:
    assert [column.kind for column in charts.waterfall([50, 50]).columns] == ["base", "same", "total"]
    assert charts.waterfall([50, 50]).columns[1].height == 0.0
    assert charts.waterfall([0]).columns[-1] == Column(575.0, 400.0, 350.0, 0.0, "total")
    assert charts.waterfall([]).columns == ()
    with pytest.raises(ValueError, match="below zero"):
        charts.waterfall([100, -1])


def test_six_figures_beside_cents_keep_within_the_drawing() -> None:
    drawn = charts.waterfall([99_999_999, 1, 99_999_999])
    assert all(column.y >= 0 and column.y + column.height <= charts.HEIGHT for column in drawn.columns)
    assert all(column.x >= 0 and column.x + column.width <= charts.WIDTH for column in drawn.columns)


def test_bars_are_shares_of_the_largest() -> None:
    assert charts.bars([10, 5, 0, 3]) == [1000, 500, 0, 300]
    assert charts.bars([0, 0]) == [0, 0]
    assert charts.bars([]) == []
    assert charts.bars([3, 1]) == [1000, 333]


@pytest.mark.parametrize("values", [[1, 1, 1], [5, 3, 2], [1, 999_999], [7], [0, 4, 0, 3]])
def test_the_parts_of_a_whole_fill_it_to_the_unit(values: list[int]) -> None:
    parts = charts.stacked(values)
    assert sum(part.width for part in parts) == charts.WIDTH
    assert [part.x for part in parts] == [sum(p.width for p in parts[:place]) for place in range(len(parts))]


def test_what_rounding_leaves_goes_to_the_largest_remainder() -> None:
    assert charts.stacked([1, 1, 1]) == [Part(0, 334), Part(334, 333), Part(667, 333)]
    assert charts.stacked([0, 0]) == [Part(0, 0), Part(0, 0)]


def test_a_line_begins_at_zero_and_keeps_the_distances_of_days() -> None:
    drawn = charts.line([(date(2026, 8, 1), 6), (date(2026, 8, 2), 0), (date(2026, 8, 5), 3)])
    assert drawn.ticks == (0, 2, 4, 6)
    assert drawn.dots == ((0.0, 0.0), (250.0, 400.0), (1000.0, 200.0))
    assert drawn.path == "M0 0L250 400L1000 200"
    assert drawn.area == "M0 0L250 400L1000 200L1000 400L0 400Z"


def test_one_point_is_a_dot_in_the_middle_and_none_is_nothing() -> None:
    assert charts.line([(date(2026, 8, 1), 5)]).dots == ((500.0, 66.67),)
    assert charts.line([]).path == ""


@pytest.mark.parametrize(
    ("most", "scale"),
    [(0, (0, 1)), (1, (0, 1)), (3, (0, 1, 2, 3)), (17, (0, 5, 10, 15, 20)), (8_000, (0, 2_000, 4_000, 6_000, 8_000))],
)
def test_a_scale_has_round_numbers(most: int, scale: tuple[int, ...]) -> None:
    assert charts.ticks(most) == scale
