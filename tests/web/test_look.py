"""The look: what every page keeps, whoever wrote it. Contrast, strict CSP, icons, compiling templates, small sizes."""

from __future__ import annotations

import gzip
import re
from itertools import product
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import Environment, FileSystemLoader

from ewaste.devices.lifecycle import State
from ewaste.web import filters, verdict
from tests.world import LAPTOP

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SHEETS = sorted((ROOT / "static").rglob("*.css"))
TONES = ("quiet", "work", "wait", "safe", "onward", "done", "bad")
AA_TEXT, AA_PARTS = 4.5, 3.0


def environment() -> Environment:
    env = Environment(loader=FileSystemLoader(ROOT / "templates"), autoescape=True)
    filters.install(env)
    return env


def palette(scheme: str) -> dict[str, str]:
    """The colours of the tokens in one scheme; dark inherits what it does not name."""
    text = (ROOT / "static/core/tokens.css").read_text()
    light, dark = text.split("@media (prefers-color-scheme: dark)")
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    return colours | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark)) if scheme == "dark" else colours


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2 between two #rrggbb colours."""

    def luminance(colour: str) -> float:
        channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_on_every_surface(scheme: str) -> None:
    colour = palette(scheme)
    pairs = list(product(("ink", "ink-2", "ink-3", "link", "tone-wait", "tone-bad"), ("paper", "card", "sunken")))
    pairs += [(f"tone-{tone}", f"tone-{tone}-wash") for tone in TONES]
    pairs += [("ink", f"tone-{tone}-wash") for tone in TONES]
    pairs += [("on-green", "green"), ("on-green", "green-hover"), ("ink", "green-wash"), ("ink-2", "green-wash")]
    poor = [f"{text} on {wall}" for text, wall in pairs if contrast(colour[text], colour[wall]) < AA_TEXT]
    assert poor == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_edges_of_fields_and_the_focus_can_be_seen(scheme: str) -> None:
    colour = palette(scheme)
    pairs = product(("line-strong", "focus", "green"), ("paper", "card"))
    assert [f"{edge} on {wall}" for edge, wall in pairs if contrast(colour[edge], colour[wall]) < AA_PARTS] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_a_template_compiles_and_says_what_it_needs(path: Path) -> None:
    text = path.read_text()
    environment().get_template(str(path.relative_to(ROOT / "templates")))
    assert text.startswith("{#"), "a template opens with a comment: what it is for and which context it needs"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_a_template_keeps_to_the_strict_content_policy(path: Path) -> None:
    text = path.read_text()
    if path.name == "offline.html":
        # A file of its own, not a page: its policy names its one script and style (tests/browser/test_verify.py).
        assert text.count("<script>") == text.count("<style>") == text.count("Content-Security-Policy") == 1
        return
    assert not re.search(r"<[a-z][^>]*\sstyle\s*=", text), "a style attribute is blocked by the content policy"
    assert not re.search(r"<style|<script(?![^>]*\ssrc=)|javascript:|<[a-z][^>]*\son\w+\s*=", text)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text), "nothing is fetched from elsewhere"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_every_form_that_changes_something_carries_a_token(path: Path) -> None:
    for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", path.read_text(), re.DOTALL):
        assert "csrf" in form, form[:120]


def test_every_icon_that_is_named_is_in_the_sprite_and_no_other() -> None:
    sprite = set(re.findall(r'<symbol id="([\w-]+)"', (ROOT / "static/vendor/lucide.svg").read_text()))
    words = "\n".join(path.read_text() for path in TEMPLATES)
    named = set(re.findall(r"""icon\(\s*["']([\w-]+)["']""", words))
    named |= set(re.findall(rf"""["'](?:{"|".join(TONES)})["'],\s*["']([\w-]+)["'](?!\s*:)""", words))
    named |= set(re.findall(r"""fold_card\(\s*"[^"]+",\s*"([\w-]+)\"""", words))
    assert named - sprite - set(TONES) == set()
    assert {icon for _, _, icon, _ in filters.STATES.values()} - sprite == set()
    assert {kind.symbol for kind in verdict.KINDS.values()} - sprite == set()
    words += (ROOT / "ewaste/web/filters.py").read_text()
    assert sorted(icon for icon in sprite if not re.search(rf"""["']{icon}["']""", words)) == []


def test_every_state_of_a_device_has_its_word_tone_and_icon() -> None:
    assert set(filters.STATES) == {state.value for state in State}
    assert {tone for _, tone, _, _ in filters.STATES.values()} <= set(TONES)


def test_every_sheet_uses_only_tokens_that_exist() -> None:
    words = "\n".join(sheet.read_text() for sheet in SHEETS)
    named = set(re.findall(r"var\(--([\w-]+)", words))
    assert named - set(re.findall(r"--([\w-]+):", words)) == set()


def test_every_address_that_a_template_names_exists(site: Flask) -> None:
    words = "\n".join(path.read_text() for path in TEMPLATES)
    named = set(re.findall(r"""url_for\(\s*["'](\w+\.\w+)["']""", words))
    assert named - {rule.endpoint for rule in site.url_map.iter_rules()} == set()


def test_every_sheet_that_a_page_asks_for_exists() -> None:
    words = "\n".join(path.read_text() for path in TEMPLATES)
    asked = set(re.findall(r"filename='([\w/.-]+\.\w+)'", words))
    assert [name for name in sorted(asked) if not (ROOT / "static" / name).is_file()] == []


@pytest.mark.parametrize(
    "address",
    ["/", "/quote", f"/quote/{LAPTOP}", "/verify", "/lots", "/shop", "/prices", "/open", "/help", "/search?q=thinkpad"],
)
def test_the_first_view_of_a_public_page_is_small(browser: FlaskClient, address: str) -> None:
    page = browser.get(address, headers={"Accept-Encoding": "gzip"})
    assert page.status_code == 200
    text = gzip.decompress(page.data).decode() if page.headers.get("Content-Encoding") == "gzip" else page.text
    asked = set(re.findall(r'(?:href|src)="(/static/[^"#]+)', text))
    assert any("tokens.css" in each for each in asked)
    sizes = [len(browser.get(each, headers={"Accept-Encoding": "gzip, br"}).data) for each in asked]
    assert len(page.data) + sum(sizes) <= 150_000


def test_a_static_file_is_kept_for_a_year_under_the_address_of_its_content(browser: FlaskClient) -> None:
    address = re.findall(r'href="(/static/core/tokens.css[^"]*)"', browser.get("/help").text)[0]
    answer = browser.get(address, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert gzip.decompress(answer.data) == (ROOT / "static/core/tokens.css").read_bytes()
    plain = browser.get("/static/core/tokens.css?v=another")
    assert plain.headers["Cache-Control"] == "no-cache"
    assert "Content-Encoding" not in plain.headers
    assert plain.data == (ROOT / "static/core/tokens.css").read_bytes()
    again = browser.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    for each in (answer, plain, again):
        each.close()


def test_no_page_is_compressed_because_it_shows_what_was_typed_beside_a_token(browser: FlaskClient) -> None:
    assert "Content-Encoding" not in browser.get("/verify", headers={"Accept-Encoding": "gzip"}).headers


def test_only_a_page_with_a_live_part_brings_the_script() -> None:
    base = (ROOT / "templates/base.html").read_text()
    before, _, after = base.partition("{% if live %}")
    assert "htmx" not in before.partition("<!doctype html>")[2]
    assert (
        '"includeIndicatorStyles":false,"allowEval":false,"selfRequestsOnly":true' in after.partition("{% endif %}")[0]
    )


def test_the_menu_of_a_phone_holds_what_the_header_of_a_wide_screen_holds(browser: FlaskClient) -> None:
    page = browser.get("/help").text
    wide = re.search(r'<nav class="nav".*?</nav>', page, re.DOTALL)
    menu = re.search(r'<details class="menu">.*?</details>', page, re.DOTALL)
    assert wide
    assert menu
    assert set(re.findall(r'href="([^"]+)"', wide[0])) <= set(re.findall(r'href="([^"]+)"', menu[0]))
