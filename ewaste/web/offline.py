"""The check of a certificate as one HTML file that somebody keeps: it opens without a network, and without us.

The modules of `static/verify/` are put into one script, each in a function of its own so that their names do not meet.
The file carries its own content policy: its one script and its one style sheet, known by their digests, and nothing
else; it cannot send anything anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flask
from markupsafe import Markup

from ewaste.web import assets

START = "offline.js"
SHEETS = (
    *(f"core/{name}.css" for name in ("tokens", "base", "layout", "components", "forms", "tables")),
    "certificates/certificate.css",
)
_IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"\./([a-z]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|class|const) ([A-Za-z0-9_]+)", re.MULTILINE)


def document(*, trust: bytes, words: Mapping[str, Any], market: str) -> tuple[str, str]:
    """The file as text, and its content policy. `trust` is the trust file that it goes by until another is chosen."""
    folder = Path(flask.current_app.static_folder or "static")
    script = bundled(folder / "verify")
    style = "".join((folder / sheet).read_text() for sheet in SHEETS)
    policy = (
        f"default-src 'none'; script-src 'sha256-{_digest(script)}'; style-src 'sha256-{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    text = flask.render_template(
        "certificates/offline.html",
        script=Markup(script),  # noqa: S704 - files of ours
        style=Markup(style),  # noqa: S704 - the same
        sprite=Markup(sprite(folder / "vendor" / "lucide.svg")),  # noqa: S704 - the same
        policy=policy,
        trust=base64.b64encode(trust).decode(),
        words=words,
        market=market,
        version=assets.digest(folder / "verify" / "verify.js"),
    )
    return text, policy


def bundled(folder: Path) -> str:
    """The modules that the start needs, one after another, as one script. ValueError for what it cannot join."""
    order: list[str] = []
    _place(folder, START, order, ())
    parts = [_as_function(name, (folder / name).read_text()) for name in order]
    return '"use strict";\nconst modules = {};\n' + "".join(parts)


def sprite(file: Path) -> str:
    """The icons, to stand in a page itself, unseen."""
    text = file.read_text()
    return text[text.index("<svg") :].replace("<svg", '<svg hidden aria-hidden="true"', 1)


def _place(folder: Path, name: str, order: list[str], above: tuple[str, ...]) -> None:
    if name in above:
        raise ValueError(f"{name} needs itself.")
    for _, needed in _IMPORT.findall((folder / name).read_text()):
        if needed not in order:
            _place(folder, needed, order, (*above, name))
    order.append(name)


def _as_function(name: str, text: str) -> str:
    exported = [found[1] for found in _EXPORT.findall(text)]
    body = _IMPORT.sub(lambda found: f'const {{{found[1]}}} = modules["{found[2]}"];\n', text)
    body = _EXPORT.sub(r"\1 \2", body)
    if re.search(r"^\s*(?:import|export)\b|\bimport\(|</script", body, re.MULTILINE):
        raise ValueError(f"{name} imports or exports in a way that is not joined here.")
    return f'modules["{name}"] = (() => {{\n{body}return {{ {", ".join(exported)} }};\n}})();\n'


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
