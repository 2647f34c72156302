"""Chromium, as every test here starts it: Debian's own, without a screen and without a word to anybody outside."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Set where a missing browser is a failure and no reason to skip: in the build.
REQUIRED = "EWASTE_TESTS_NEED_BROWSER"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for as long as the block lasts. Skips where there is none, unless the build says that there must be."""
    path = shutil.which("chromium")
    if path is None:
        why = "Chromium is missing (Debian package chromium)."
        if os.environ.get(REQUIRED):
            pytest.fail(why)
        pytest.skip(why)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
