"""A page to write on: the project's fonts, lines that break and turn, a code to scan. Millimetres throughout.

The same calls give the same bytes: the date is the certificate's, the file's id is a hash of its content, and
fonts are cut down to the letters used. Nothing of the clock or the machine goes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import segno
from fpdf import FPDF
from fpdf.enums import TextMode
from fpdf.fonts import TTFFont

from wipe_agent import __version__
from wipe_agent.errors import BadUsage
from wipe_agent.report.letters import break_lines, drawable, plain, right_to_left, visual

FONTS = Path(__file__).parent / "fonts"
INK, GREY, RULE, ALARM = (24, 32, 40), (92, 104, 116), (206, 212, 218), (176, 32, 32)


class Canvas:
    """A document of pages of `width` × `height` mm, dated `made`. `fonts` are asked for letters that ours lack."""

    def __init__(self, *, width: float, height: float, made: datetime, title: str, fonts: Sequence[Path] = ()) -> None:
        self.width, self.height = width, height
        self._pdf = FPDF(unit="mm", format=(width, height))
        self._pdf.set_auto_page_break(False)
        self._pdf.set_margin(0)
        self._pdf.c_margin = 0
        self._pdf.set_creation_date(made)
        self._pdf.set_title(title)
        self._pdf.set_creator(f"wipe-agent {__version__}")
        self._pdf.set_producer("wipe-agent")
        self._pdf.set_lang("en")
        self._pdf.add_font("ours", "", FONTS / "DejaVuSans.ttf")
        self._pdf.add_font("ours", "B", FONTS / "DejaVuSans-Bold.ttf")
        self._known = self._letters("ours")
        more = []
        for number, path in enumerate(fonts):
            try:
                self._pdf.add_font(f"more{number}", "", path)
                self._pdf.add_font(f"more{number}", "B", path)
            except Exception as error:
                raise BadUsage(
                    f"The font {path} cannot be used ({error}).", next_step="Name a .ttf or .otf file."
                ) from error
            self._known |= self._letters(f"more{number}")
            more.append(f"more{number}")
        if more:
            self._pdf.set_fallback_fonts(more, exact_match=False)
        self.lacking = False

    def page(self) -> None:
        """Begin a new page."""
        self._pdf.add_page()

    def bytes(self) -> bytes:
        """The finished document. Nothing can be drawn afterwards."""
        data = bytes(self._pdf.output())
        self.close()
        return data

    def close(self) -> None:
        """Let go of the fonts' files."""
        for font in self._pdf.fonts.values():
            if isinstance(font, TTFFont):
                font.ttfont.close()

    def write(
        self,
        text: str,
        x: float,
        y: float,
        width: float,
        *,
        points: float = 9,
        bold: bool = False,
        ink: tuple[int, int, int] = INK,
        most: int | None = None,
    ) -> float:
        """Write a paragraph from (x, y) downwards, broken at `width`, in at most `most` lines. Returns the y below."""
        leading = points * 0.3528 * 1.32
        for line in self._lines(text, width, points, bold, most):
            self._pdf.set_text_color(*ink)
            shift = width - self._pdf.get_string_width(visual(line)) if right_to_left(line) else 0.0
            self._pdf.set_xy(x + max(shift, 0.0), y)
            self._pdf.cell(width, leading, visual(line))
            y += leading
        return y

    def height_of(self, text: str, width: float, *, points: float = 9, bold: bool = False) -> float:
        """How high `write` would become, in mm."""
        return len(self._lines(text, width, points, bold, None)) * points * 0.3528 * 1.32

    def rule(self, x: float, y: float, width: float, ink: tuple[int, int, int] = RULE) -> None:
        """A thin line."""
        self._pdf.set_draw_color(*ink)
        self._pdf.set_line_width(0.2)
        self._pdf.line(x, y, x + width, y)

    def frame(self, x: float, y: float, width: float, height: float, ink: tuple[int, int, int] = RULE) -> None:
        """A thin rectangle."""
        self._pdf.set_draw_color(*ink)
        self._pdf.set_line_width(0.2)
        self._pdf.rect(x, y, width, height)

    def code(self, text: str, x: float, y: float, side: float, *, error: str = "m") -> None:
        """A QR code of `text`, `side` mm wide without its quiet zone: keep four modules of white around it."""
        matrix = segno.make(text, error=error, micro=False, boost_error=False).matrix
        module = side / len(matrix)
        self._pdf.set_fill_color(0, 0, 0)
        for row, line in enumerate(matrix):
            column = 0
            while column < len(line):
                run = 0
                while column + run < len(line) and line[column + run]:
                    run += 1
                if run:  # A run in one rectangle: hairlines between modules would upset a scanner.
                    self._pdf.rect(x + column * module, y + row * module, run * module, module + 0.01, style="F")
                column += run or 1

    def across(self, text: str, points: float) -> None:
        """A word in outline across the whole page, so that no copy of it passes for the real thing."""
        self._pdf.set_font("ours", "B", points)
        x = (self.width - self._pdf.get_string_width(text)) / 2
        y = self.height * 0.56
        turned = 52 if self.height > self.width else 24
        with (
            self._pdf.local_context(text_mode=TextMode.STROKE, draw_color=(222, 140, 140), line_width=0.4),
            self._pdf.rotation(turned, self.width / 2, y),
        ):
            self._pdf.text(x, y + points * 0.3528 * 0.36, text)

    def _letters(self, family: str) -> set[int]:
        """The code points that a font of ours can draw."""
        font = self._pdf.fonts[family]
        return set(font.cmap) if isinstance(font, TTFFont) else set()

    def _lines(self, text: str, width: float, points: float, bold: bool, most: int | None) -> list[str]:
        self._pdf.set_font("ours", "B" if bold else "", points)
        drawn = drawable(text, self._known)
        self.lacking |= "[U+" in drawn
        # Joined letters are about as wide as the plain ones that are measured here.
        lines = break_lines(drawn, width, lambda part: self._pdf.get_string_width(plain(part)))
        if most is not None and len(lines) > most:
            last = lines[most - 1]
            while last and self._pdf.get_string_width(last + "…") > width:
                last = last[:-1]
            return [*lines[: most - 1], last + "…"]
        return lines
