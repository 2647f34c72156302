"""The bench: photographs of devices, and how much of one is read."""

from __future__ import annotations

import io
import re

from tests.web.bench_tools import bench_of, text
from tests.web.conftest import Browser
from tests.world import World, jpeg


def test_a_photograph_is_served_for_good_to_whom_it_concerns(browser: Browser, world: World) -> None:
    device_id = world.received()
    address = bench_of(world, device_id)
    browser.sign_in("olga")
    form = {"photograph_kind": "opened-case", "photographs": [(io.BytesIO(jpeg()), "a.jpg")]}
    assert browser.post(address + "/photographs", data=form).status_code == 303
    page = browser.get(address).text
    found = re.search(r'src="(/photographs/[0-9a-f-]+/small)" alt="([^"]+)"', page)
    assert found
    assert found[2] == "Lenovo ThinkPad T480, with its case open"
    answer = browser.get(found[1])
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert browser.get(found[1], headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert browser.sign_in("ben").get(found[1]).status_code == 404
    assert browser.sign_in("cora").get(found[1]).status_code == 200
    hide = found[1].replace("/small", "/hide")
    assert browser.post(hide).status_code == 403
    assert browser.sign_in("olga").post(hide).status_code == 303
    assert browser.get(found[1]).status_code == 404


def test_what_is_no_photograph_comes_back_in_words_and_the_choice_stays(browser: Browser, world: World) -> None:
    address = bench_of(world, world.received())
    browser.sign_in("olga")
    sent: list[tuple[dict[str, object], str]] = [
        ({"photographs": [(io.BytesIO(b"<svg/>"), "a.jpg")]}, "is a drawing (SVG)"),
        ({"photographs": [(io.BytesIO(jpeg(10, 10)), "a.jpg")] * 1, "photograph_kind": "selfie"}, "Choose what the"),
        ({}, "Choose at least one photograph."),
        ({"photographs": [(io.BytesIO(jpeg(10, 10)), f"{n}.jpg") for n in range(5)]}, "at most 4 photographs"),
    ]
    for change, sentence in sent:
        with world.nothing_changes("refusals"):
            answer = browser.post(address + "/photographs", data={"photograph_kind": "inspection", **change})
        assert answer.status_code == 422
        assert sentence in text(answer)
    assert 'value="inspection" selected' in text(answer)


def test_a_hundred_megabytes_are_refused_before_they_are_read(browser: Browser, world: World) -> None:
    address = bench_of(world, world.received()) + "/photographs"

    class Unread:
        """A body that tells its length and is read by nobody."""

        def __init__(self, size: int) -> None:
            self.size, self.at = size, 0

        def seek(self, offset: int, whence: int = 0) -> None:
            self.at = self.size if whence == 2 else offset

        def tell(self) -> int:
            return self.at

        def read(self, *_: int) -> bytes:
            raise AssertionError("somebody read it")

        readline = read

        def close(self) -> None:
            pass

    browser.sign_in("olga")
    for size, who in ((100_000_000, "olga"), (3_000_000, None)):
        if who is None:
            browser = browser.application.test_client()
        answer = browser.post(
            address,
            input_stream=Unread(size),
            content_type="multipart/form-data; boundary=x",
        )
        assert answer.status_code == 413
