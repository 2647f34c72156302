"""Codes that people read aloud: their spelling, and what is mended or refused when they are typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewaste.core import ids


def test_a_code_is_a_letter_for_its_kind_and_two_groups_of_four() -> None:
    code = ids.new_code(ids.DEVICE)
    assert code[:2] == "D-"
    assert code[6] == "-"
    assert len(code) == 11
    assert not set("ILOU") & set(code)
    assert ids.read_code(code) == ids.read_code(code, ids.DEVICE) == code


def test_codes_do_not_repeat() -> None:
    assert len({ids.new_code(ids.LOT) for _ in range(1_000)}) == 1_000


@given(st.lists(st.sampled_from(["lower", "spaces", "dashes", "look-alikes"])))
def test_what_is_typed_untidily_is_mended(habits: list[str]) -> None:
    code = "D-7K3M-01T7"
    typed = {"lower": str.lower, "spaces": lambda t: f" {t} ", "dashes": lambda t: t.replace("-", "")}
    text = code
    for habit in habits:
        text = typed[habit](text) if habit in typed else text.replace("0", "O").replace("1", "l")
    assert ids.read_code(text) == ids.read_code(code)


def test_every_single_wrong_letter_is_noticed() -> None:
    code = ids.new_code(ids.LOT)
    for place in (2, 3, 4, 5, 7, 8, 9, 10):
        for letter in set(ids.ALPHABET) - {code[place]}:
            assert ids.read_code(code[:place] + letter + code[place + 1 :]) is None


def test_nearly_every_swap_of_two_neighbours_is_noticed() -> None:
    noticed = missed = 0
    for _ in range(300):
        code = ids.new_code(ids.LOT).replace("-", "")
        for place in range(1, 8):
            if code[place] != code[place + 1]:
                swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
                noticed, missed = (noticed + 1, missed) if ids.read_code(swapped) is None else (noticed, missed + 1)
    assert missed < noticed / 10


@pytest.mark.parametrize(
    "text", ["", "D", "D-7K3M-9QXAA", "7K3M-9QXA", "D-7K3U-9QXA", "D-7K3M-9QX!", "Ä-7K3M-9QXA", "D" * 500]
)
def test_what_can_be_no_code_is_none(text: str) -> None:
    assert ids.read_code(text) is None


def test_the_code_of_another_kind_is_refused() -> None:
    assert ids.read_code(ids.new_code(ids.LOT), ids.DEVICE) is None
