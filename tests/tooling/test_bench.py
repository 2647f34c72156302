"""The benchmark table: pairs alternate, the spread is that of the pairs, and the file keeps what was not run again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import __main__ as table
from bench import paired


def test_pairs_alternate_in_who_begins() -> None:
    calls: list[str] = []

    def take(name: str, value: float) -> float:
        calls.append(name)
        return value

    result = paired.measure("a/b", "op/s", lambda: take("ours", 10.0), lambda: take("versus", 20.0), pairs=8)
    assert "".join(name[0] for name in calls) == "ovvo" * 4
    assert result == {
        "name": "a/b",
        "ratio": 0.5,
        "low": 0.5,
        "high": 0.5,
        "ours": 10.0,
        "versus": 20.0,
        "unit": "op/s",
    }


def test_the_ratio_is_the_median_of_the_pairs_and_the_spread_their_quartiles() -> None:
    result = paired.summarise("a/b", "s", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 70.0], [1.0] * 7)
    assert (result["ratio"], result["low"], result["high"]) == (4.0, 2.5, 5.5)


@pytest.mark.parametrize(("ours", "versus"), [([1.0] * 6, [1.0] * 6), ([1.0] * 8, [1.0] * 7)])
def test_too_few_pairs_say_nothing(ours: list[float], versus: list[float]) -> None:
    with pytest.raises(ValueError, match="at least 7 whole pairs"):
        paired.summarise("a/b", "s", ours, versus)


def test_what_was_not_run_again_stays_in_the_file(tmp_path: Path) -> None:
    output = tmp_path / "new" / "bench.json"
    rows = [paired.summarise(name, "s", [value] * 7, [1.0] * 7) for name, value in (("x/y", 1.0), ("a/b", 2.0))]
    table.keep(rows, output)
    table.keep([paired.summarise("x/y", "s", [3.0] * 7, [1.0] * 7)], output)
    kept = json.loads(output.read_text())
    assert [(row["name"], row["ratio"]) for row in kept] == [("a/b", 2.0), ("x/y", 3.0)]


def test_benchmarks_are_found_by_their_file_and_not_the_tools_beside_them() -> None:
    found = table.discover()
    assert "wipe-zero" in found
    assert "paired" not in found


@pytest.mark.parametrize(("name", "value"), [("PAIRS", "6"), ("PAIRS", "many"), ("ONLY", "nothing-of-that-name")])
def test_a_wrong_wish_is_told(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert table.main() == 2
