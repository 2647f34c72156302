"""Every page of every role, in light and dark, on a phone and at a desk: readable, reachable, within its policy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.sweep import SCHEMES, SIZES, Sight, Window, sights, window
from tests.web.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.campaign]

SIGHTS = sights()
ADDRESSES = tuple(dict.fromkeys(sight.row.name for sight in SIGHTS))
MOST_BYTES = 150_000
# What depends on the colours or on the width; everything else is the same in all four.
LOOKS = ("color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable", "meta-viewport")


@pytest.fixture(scope="module")
def shown(stage: Stage, browser: Browser) -> Iterator[Window]:
    """A window at the stage."""
    with window(stage, browser) as opened:
        yield opened


SEEN: set[str] = set()


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_is_accessible_fits_its_window_and_keeps_to_its_policy(address: str, shown: Window) -> None:
    """The first role that meets an address has all of it looked at; each other one what it has besides."""
    wrong: list[str] = []
    first = True
    for sight in SIGHTS:
        if sight.row.name == address:
            wrong += [f"{sight}: {line}" for line in found_wrong(sight, shown, whole=first)]
            first = False
    assert wrong == []


def found_wrong(sight: Sight, shown: Window, *, whole: bool) -> list[str]:
    """What is wrong with a page, in a line each. Unless it is the `whole`, axe leaves out what it has seen already."""
    wrong: list[str] = []
    with shown.look(sight) as look:
        assert look.status == 200, f"{sight}: {look.status}"
        if "html" not in look.kind:
            pytest.fail(f"{sight} is no page but {look.kind}: name its ending in the sweep")
        parts = look.parts()
        new = whole or not parts <= SEEN
        SEEN.update(parts)
        for size, (width, height) in SIZES.items():
            look.page.set_viewport_size({"width": width, "height": height})
            for scheme in SCHEMES if new else ():
                look.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                first = (size, scheme) == ("phone", "light")
                wrong += [f"{size}, {scheme}: {line}" for line in look.axe(() if first else LOOKS)]
            over = look.sideways()
            if over > 0:
                wrong.append(f"{size}: the page is {over} px wider than its window")
        wrong += [f"the browser complains: {line}" for line in look.complaints]
        if sight.column.who is None and look.bytes > MOST_BYTES:
            wrong.append(f"the first view takes {look.bytes:,} bytes")
    return wrong


def test_the_sweep_sees_every_role() -> None:
    assert {sight.column.who for sight in SIGHTS} == {None, "cora", "olga", "rita", "stefan", "ada"}
    assert len(SIGHTS) > 60


def test_the_sweep_notices_what_is_wrong(shown: Window) -> None:
    home = next(sight for sight in SIGHTS if sight.row.rule == "/" and sight.column.who is None)
    with shown.look(home) as look:
        look.page.set_viewport_size({"width": 390, "height": 844})
        assert look.axe() == []
        look.page.evaluate(
            "() => { const box = document.createElement('img'); box.src = 'data:,';"
            " box.style.display = 'block'; box.style.minWidth = '900px'; document.querySelector('main').append(box) }"
        )
        assert any(line.startswith("image-alt") for line in look.axe())
        assert look.sideways() > 0
        look.page.evaluate(
            "() => { const bad = document.createElement('script'); bad.textContent = 'window.bad = 1';"
            " document.body.append(bad) }"
        )
        assert look.page.evaluate("window.bad") is None
        assert any("Content Security Policy" in line for line in look.complaints)
