"""A map of the medium: at most 1,024 cells, each with the worst that was seen in its part of the drive.

The map is a string with one letter a cell, so it fits into a journal line; it is drawn as text or as SVG from there.
"""

from __future__ import annotations

from html import escape
from typing import Any, Final

CELLS = 1024
_BLOCK = 4096

# Kind, letter, colour, words; from the harmless to the worst. A cell keeps the worst.
KINDS: Final = (
    ("unseen", "_", "#ffffff", "not looked at"),
    ("zero", ".", "#dfe7ea", "zero"),
    ("stream", "~", "#bcd9e6", "the stream that was written, made anew and equal"),
    ("constant", "c", "#e3cf8f", "one value throughout"),
    ("random-looking", "r", "#b48fd0", "high entropy: encrypted or compressed"),
    ("structured", "s", "#e08a4f", "structured"),
    ("text-like", "t", "#d9602f", "text"),
    ("differing", "x", "#c22f2f", "differs, not looked at more closely"),
    ("unreadable", "?", "#1c1c1c", "could not be read"),
)
_LETTER = {kind: letter for kind, letter, _, _ in KINDS}
_RANK = {letter: rank for rank, (_, letter, _, _) in enumerate(KINDS)}


class BlockMap:
    """The map of a drive of `size` bytes. `cells` is its string; each cell stands for `step` bytes, whole blocks."""

    def __init__(self, size: int) -> None:
        self.size = size
        blocks = -(-size // _BLOCK)
        self.step = -(-blocks // CELLS) * _BLOCK or _BLOCK
        self._cells = bytearray(_LETTER["unseen"].encode() * -(-size // self.step))

    @property
    def cells(self) -> str:
        return self._cells.decode()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BlockMap) and self.as_facts() == other.as_facts()

    __hash__ = None  # type: ignore[assignment]  # It changes as the reading goes on.

    def note(self, offset: int, length: int, kind: str) -> None:
        """`length` bytes at `offset` are of this kind. Raises KeyError for a kind that is none."""
        letter = _LETTER[kind]
        for cell in range(offset // self.step, -(-(offset + length) // self.step)):
            if _RANK[letter] > _RANK[chr(self._cells[cell])]:
                self._cells[cell] = ord(letter)

    def knows(self, offset: int) -> bool:
        """Whether the cell of `offset` already shows something that should not be there."""
        return _RANK[chr(self._cells[offset // self.step])] > _RANK[_LETTER["stream"]]

    def as_facts(self) -> dict[str, Any]:
        return {"size": self.size, "step": self.step, "cells": self.cells}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> BlockMap:
        """The map that a journal line holds. Raises ValueError if it is none."""
        made = cls(int(facts["size"]))
        cells = str(facts["cells"])
        if made.step != facts["step"] or len(cells) != len(made._cells) or not set(cells) <= set(_RANK):
            raise ValueError("this is no map of a drive of this size")
        made._cells = bytearray(cells.encode())
        return made

    def as_text(self, width: int = 64) -> str:
        """The map in lines of `width` cells, each with the byte it begins at, and what the letters mean."""
        digits = len(str(self.size))
        lines = [
            f"{at * self.step:>{digits}}  {self.cells[at : at + width]}" for at in range(0, len(self._cells), width)
        ]
        return "\n".join([*lines, "", f"One letter is {self.step} bytes. {self._legend()}"])

    def as_svg(self, title: str, width: int = 64) -> str:
        """The map as a picture of its own: no script, no font and nothing from outside is needed."""
        box, left, top = 10, 10, 34
        rows = -(-len(self._cells) // width)
        shown = self._shown()
        height = top + rows * box + 18 * len(shown) + 20
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left * 2 + width * box} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<desc>One cell is {self.step} bytes. {escape(self._legend())}</desc>",
            '<g font-family="sans-serif" font-size="12">',
            f'<text x="{left}" y="22">{escape(title)}</text>',
        ]
        for row in range(rows):
            line, at = self.cells[row * width : (row + 1) * width], 0
            while at < len(line):
                run = len(line[at:]) - len(line[at:].lstrip(line[at]))
                colour = KINDS[_RANK[line[at]]][2]
                parts.append(
                    f'<rect x="{left + at * box}" y="{top + row * box}" width="{run * box}" height="{box}" '
                    f'fill="{colour}" stroke="#ffffff" stroke-width="0.5"/>'
                )
                at += run
        for number, (_, letter, colour, words) in enumerate(shown):
            y = top + rows * box + 18 * number + 14
            parts.append(
                f'<rect x="{left}" y="{y}" width="{box}" height="{box}" fill="{colour}" stroke="#888888"/>'
                f'<text x="{left + 18}" y="{y + 10}">{escape(words)} ({self.cells.count(letter)})</text>'
            )
        return "\n".join([*parts, "</g>", "</svg>", ""])

    def _shown(self) -> list[tuple[str, str, str, str]]:
        return [kind for kind in KINDS if kind[1] in self.cells]

    def _legend(self) -> str:
        return " ".join(f"{letter} {words}." for _, letter, _, words in self._shown())
