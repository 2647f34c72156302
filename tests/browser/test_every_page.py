"""Every page of every role, in light and dark, on a phone and at a desk: readable, reachable, within its policy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.sweep import SCHEMES, SIZES, Sight, Window, sights, window
from tests.web.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.campaign]

SIGHTS = sights()
# The first role that meets an address sees it in all four looks; the others in two, which hold both widths and both
# colour schemes.
FIRST_SEEN = {sight.row.rule: sight for sight in reversed(SIGHTS)}
MOST_BYTES = 150_000
# What depends on the colours or on the width; everything else is the same in all four.
LOOKS = ("color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable", "meta-viewport")


@pytest.fixture(scope="module")
def shown(stage: Stage, browser: Browser) -> Iterator[Window]:
    """A window at the stage."""
    with window(stage, browser) as opened:
        yield opened


@pytest.mark.parametrize("sight", SIGHTS, ids=str)
def test_a_page_is_accessible_fits_its_window_and_keeps_to_its_policy(sight: Sight, shown: Window) -> None:
    with shown.look(sight) as look:
        assert look.status == 200, f"{sight}: {look.status}"
        if "html" not in look.kind:
            pytest.fail(f"{sight} is no page but {look.kind}: name its ending in the sweep")
        wrong: list[str] = []
        for size, (width, height) in SIZES.items():
            look.page.set_viewport_size({"width": width, "height": height})
            for scheme in SCHEMES:
                if FIRST_SEEN[sight.row.rule] is not sight and (size == "phone") != (scheme == "light"):
                    continue
                look.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                first = (size, scheme) == ("phone", "light")
                wrong += [f"{size}, {scheme}: {line}" for line in look.axe(() if first else LOOKS)]
            over = look.sideways()
            if over > 0:
                wrong.append(f"{size}: the page is {over} px wider than its window")
        wrong += [f"the browser complains: {line}" for line in look.complaints]
        if sight.column.who is None and look.bytes > MOST_BYTES:
            wrong.append(f"the first view takes {look.bytes:,} bytes")
        assert wrong == []


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
