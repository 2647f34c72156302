"""Parts of pages that are drawn once: the same values, the same text; other values, other text."""

from __future__ import annotations

import flask
import pytest
from markupsafe import Markup

from ewaste.web import drawing

PAGE = """{% macro row(word, number) -%}
{{ drawn(word) }}<a href="{{ request.script_root }}/x">{{ word }} {{ number }}</a>
{%- endmacro %}"""


@pytest.fixture
def drawn() -> list[str]:
    """What was really drawn, in order."""
    return []


@pytest.fixture
def site(drawn: list[str]) -> flask.Flask:
    app = flask.Flask(__name__)
    drawing.install(app)

    def note(word: str) -> str:
        drawn.append(word)
        return ""

    app.jinja_env.globals["drawn"] = note
    app.jinja_env.globals["row"] = app.jinja_env.from_string(PAGE).module.row  # type: ignore[attr-defined]
    return app


def shown(site: flask.Flask, text: str, root: str = "", **values: object) -> str:
    with site.test_request_context("/", base_url=f"http://localhost{root}"):
        return flask.render_template_string(text, **values)


def test_a_row_is_drawn_once_for_the_same_values(site: flask.Flask, drawn: list[str]) -> None:
    rows = [("a", 1), ("b", 2), ("a", 1), ("a", 2)]
    text = shown(site, "{{ each_once(row, rows) }}", rows=rows)
    assert text.splitlines() == [f'<a href="/x">{word} {number}</a>' for word, number in rows]
    assert drawn == ["a", "b", "a"]
    assert shown(site, "{{ once(row, 'b', 2) }}") == '<a href="/x">b 2</a>'
    assert drawn == ["a", "b", "a"]


def test_what_somebody_typed_is_never_shown_as_the_html_that_it_resembles(site: flask.Flask) -> None:
    assert "<b> 1" in shown(site, "{{ once(row, word, 1) }}", word=Markup("<b>"))
    assert "&lt;b&gt; 1" in shown(site, "{{ once(row, word, 1) }}", word="<b>")


def test_addresses_begin_where_the_site_is_mounted(site: flask.Flask) -> None:
    assert '"/x"' in shown(site, "{{ once(row, 'a', 1) }}")
    assert '"/shop/x"' in shown(site, "{{ once(row, 'a', 1) }}", root="/shop")
